"""The front page of the course: the days that are built, and those that are to come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coursebuild import web
from coursebuild.cards import card, numbers_of
from coursebuild.model import FPS
from coursebuild.reads import THERE, note

JsonDict = dict[str, Any]


def site(inputs: dict[str, Path], products: dict[str, Path], params: JsonDict, cache: Path) -> None:
    """Write the site's index.html.

    `inputs` has for each built day N: shownN, timelineN, pageN and posterN; the folder of its page is where its
    card leads. Of each week N that has a page of its own it has weekN. `params`: course (its name), syllabus
    ({weeks: [...], days: [...]}).
    """
    cards = [card(number, inputs, cache) for number in numbers_of(inputs)]
    built = {one["day"]: one for one in cards}
    days = {entry["day"]: entry for entry in params["syllabus"]["days"]}
    html = web.render(
        "index.html.j2",
        cache,
        course=params["course"],
        cards=cards,
        weeks=_weeks(days, built, params["syllabus"].get("weeks", []), _overviews(inputs)),
        n_days=len(set(days) | set(built)),
        minutes=round(sum(one["frames"] for one in cards) / FPS / 60),
    )
    products["index"].write_text(html, encoding="utf-8")


def _overviews(inputs: dict[str, Path]) -> dict[int, str]:
    """Where the pages of weeks are, seen from the front page."""
    found = {int(key.removeprefix("week")): path for key, path in inputs.items() if key.startswith("week")}
    for week in found:
        note(f"week{week}", THERE)
    return {week: f"{path.parent.name}/{path.name}" for week, path in found.items()}


def _weeks(
    days: dict[int, JsonDict], built: dict[int, JsonDict], weeks: list[JsonDict], pages: dict[int, str] | None = None
) -> list[JsonDict]:
    """All days by week, in order; a built day that the syllabus lacks stands at the end."""
    titles = {week["week"]: week.get("title", "") for week in weeks}
    rows: dict[int, JsonDict] = {}
    for number in sorted(days):
        week = days[number]["week"]
        named = {"name": f"Week {week}", "title": titles.get(week, ""), "href": (pages or {}).get(week, "")}
        row = rows.setdefault(week, {**named, "days": []})
        row["days"].append(_entry(days[number], built))
    extra = [_entry(built[number], built) for number in sorted(set(built) - set(days))]
    listed = [rows[week] for week in sorted(rows)]
    return [*listed, {"name": "More", "title": "", "href": "", "days": extra}] if extra else listed


def _entry(day: JsonDict, built: dict[int, JsonDict]) -> JsonDict:
    card = built.get(day["day"])
    return {"day": day["day"], "title": day["title"], "href": card["href"] if card else ""}
