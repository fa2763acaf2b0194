"""The front page of the course: the days that are built, and those that are to come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coursebuild import web
from coursebuild.errors import CourseError
from coursebuild.model import FPS, Deck, Timeline
from coursebuild.reads import THERE, note

JsonDict = dict[str, Any]
POSTER_WIDTH = 640  # pixels
OF_A_DAY = ("shown", "timeline", "page", "poster")


def site(inputs: dict[str, Path], products: dict[str, Path], params: JsonDict, cache: Path) -> None:
    """Write the site's index.html.

    `inputs` has for each built day N: shownN, timelineN, pageN and posterN; the folder of its page is where its
    card leads. `params`: course (its name), syllabus ({weeks: [...], days: [...]}).
    """
    numbers = sorted(int(key.removeprefix("page")) for key in inputs if key.startswith("page"))
    cards = [_card(number, inputs, cache) for number in numbers]
    built = {card["day"]: card for card in cards}
    days = {entry["day"]: entry for entry in params["syllabus"]["days"]}
    html = web.render(
        "index.html.j2",
        cache,
        course=params["course"],
        cards=cards,
        weeks=_weeks(days, built, params["syllabus"].get("weeks", [])),
        n_days=len(set(days) | set(built)),
        minutes=round(sum(card["frames"] for card in cards) / FPS / 60),
    )
    products["index"].write_text(html, encoding="utf-8")


def _card(number: int, inputs: dict[str, Path], cache: Path) -> JsonDict:
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
        "href": f"{paths['page'].parent.name}/index.html",
        "poster": web.picture_uri(paths["poster"], POSTER_WIDTH, cache),
        "length": web.clock(timeline.frames),
        "frames": timeline.frames,
    }


def _weeks(days: dict[int, JsonDict], built: dict[int, JsonDict], weeks: list[JsonDict]) -> list[JsonDict]:
    """All days by week, in order; a built day that the syllabus lacks stands at the end."""
    titles = {week["week"]: week.get("title", "") for week in weeks}
    rows: dict[int, JsonDict] = {}
    for number in sorted(days):
        week = days[number]["week"]
        row = rows.setdefault(week, {"name": f"Week {week}", "title": titles.get(week, ""), "days": []})
        row["days"].append(_entry(days[number], built))
    extra = [_entry(built[number], built) for number in sorted(set(built) - set(days))]
    listed = [rows[week] for week in sorted(rows)]
    return [*listed, {"name": "More", "title": "", "days": extra}] if extra else listed


def _entry(day: JsonDict, built: dict[int, JsonDict]) -> JsonDict:
    card = built.get(day["day"])
    return {"day": day["day"], "title": day["title"], "href": card["href"] if card else ""}
