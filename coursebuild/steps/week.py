"""The page of a week: its days in one story, what their runs decided, and a quiz over all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coursebuild import web
from coursebuild.cards import card, numbers_of
from coursebuild.model import FPS, Record
from coursebuild.overview import read_overview
from coursebuild.reads import note

JsonDict = dict[str, Any]


def week(inputs: dict[str, Path], products: dict[str, Path], params: JsonDict, cache: Path) -> None:
    """Write a week's index.html.

    `inputs`: overview (lectures/weekN.yaml), and for each built day N of the week shownN, timelineN, pageN, posterN and
    recordN. `params`: course (its name), week ({week, title, first, last}), titles (day -> title, of all its days).
    """
    about = params["week"]
    overview = read_overview(inputs["overview"], range(about["first"], about["last"] + 1))
    cards = {number: card(number, inputs, cache, above="../") for number in numbers_of(inputs)}
    story = [
        {"day": t.day, "says": t.says, "title": params["titles"][str(t.day)], "card": cards.get(t.day)}
        for t in overview.story
    ]
    claims = {number: _claims(number, inputs) for number in cards}
    html = web.render(
        "week.html.j2",
        cache,
        course=params["course"],
        week=about,
        overview=overview,
        story=story,
        held=sum(held for claims_of in claims.values() for held in claims_of.values()),
        tested=sum(map(len, claims.values())),
        failed=[
            {"day": number, "href": cards[number]["href"], "claims": lost}
            for number, found in claims.items()
            if (lost := [sentence for sentence, held in found.items() if not held])
        ],
        minutes=round(sum(c["frames"] for c in cards.values()) / FPS / 60),
        built=len(cards),
    )
    products["page"].write_text(html, encoding="utf-8")


def _claims(number: int, inputs: dict[str, Path]) -> dict[str, bool]:
    note(f"record{number}", "/claims")
    return Record.load(inputs[f"record{number}"]).claims
