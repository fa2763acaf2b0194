"""A built day as a card on the pages that list days: poster, title, length, and where it leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coursebuild import web
from coursebuild.errors import CourseError
from coursebuild.model import Deck, Timeline
from coursebuild.reads import THERE, note

POSTER_WIDTH = 640  # pixels
OF_A_DAY = ("shown", "timeline", "page", "poster")


def numbers_of(inputs: dict[str, Path]) -> list[int]:
    """The days among a step's inputs, each with shownN, timelineN, pageN and posterN."""
    return sorted(int(key.removeprefix("page")) for key in inputs if key.startswith("page"))


def card(number: int, inputs: dict[str, Path], cache: Path, above: str = "") -> dict[str, Any]:
    """What a page shows of a day; `above` leads from the page's folder to that of the days."""
    paths = {kind: inputs[f"{kind}{number}"] for kind in OF_A_DAY}
    deck, timeline = Deck.load(paths["shown"]), Timeline.load(paths["timeline"])
    note(f"shown{number}", "/day", "/title", "/subtitle")
    note(f"timeline{number}", "/frames")
    note(f"page{number}", THERE)
    if deck.day != number:
        raise CourseError(
            f"the slides of day {number} say that they are day {deck.day}",
            file=deck.source,
            hint="correct `day` in the front matter",
        )
    return {
        "day": number,
        "title": deck.title,
        "subtitle": deck.subtitle,
        "href": f"{above}{paths['page'].parent.name}/index.html",
        "poster": web.picture_uri(paths["poster"], POSTER_WIDTH, cache),
        "length": web.clock(timeline.frames),
        "frames": timeline.frames,
    }
