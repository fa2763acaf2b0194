"""The overviews of weeks: read strictly, and made into pages that lead to their days."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coursebuild.checking import overview_problems
from coursebuild.course import find_days, load_syllabus
from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.flow import Options, plan
from coursebuild.overview import overview_file, read_overview
from coursebuild.reads import noting
from coursebuild.steps.site import site
from coursebuild.steps.week import week
from tests.page_sample import make_day

GOOD = """\
week: 1
lead: All of `it`.
story:
- {day: 4, says: "It *bends* <b>"}
- {day: 5, says: Later}
quiz:
- {day: 4, question: "Why $x^2$?", answers: ["One & two", Three], right: 2, why: Because.}
"""
WEEK = {"week": 1, "title": "Basics <1>", "first": 1, "last": 7}
WEEKS = [w["week"] for w in load_syllabus()["weeks"] if overview_file(ROOT, w["week"]).exists()]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict, dict[str, Path], Path]:
    """A week with one built day of two: its page, what was noted, and its inputs."""
    folder = tmp_path_factory.mktemp("week")
    sample = make_day(folder)
    inputs = {f"{k}4": sample.inputs[k] for k in ("shown", "timeline", "poster")} | {"page4": sample.products["page"]}
    record = sample.inputs["record"]
    inputs["record4"] = record if record.suffix == ".json" else record / "record.json"
    overview = folder / "week1.yaml"
    overview.write_text(GOOD)
    out = folder / "index.html"
    params = {"course": "C", "week": WEEK, "titles": {"4": "Four", "5": "Five"}}
    with noting() as noted:
        week(inputs | {"overview": overview}, {"page": out}, params, sample.cache)
    return out.read_text(), noted, inputs, sample.cache


def test_a_page_tells_the_story(page) -> None:
    html, noted, inputs, _ = page
    assert "Basics &lt;1&gt;" in html
    assert "<i>bends</i> &lt;b&gt;" in html
    assert "One &amp; two" in html
    assert "<math" in html
    assert f'href="../{inputs["page4"].parent.name}/index.html"' in html
    assert html.count("Not built yet.") == 1
    claims = json.loads(inputs["record4"].read_text())["claims"]
    assert f"{sum(claims.values())} of {len(claims)} claims held" in html
    assert html.count("DID NOT HOLD") == len(claims) - sum(claims.values())
    assert noted["record4"] == {"/claims"}


def test_the_front_page_leads_to_the_week(page, tmp_path: Path) -> None:
    _, _, inputs, cache = page
    cards = {k: v for k, v in inputs.items() if k != "record4"}
    pages = {"week1": tmp_path / "week1" / "index.html"}
    days = [{"day": 4, "title": "Four", "week": 1}, {"day": 8, "title": "Eight", "week": 2}]
    weeks = [WEEK, {"week": 2, "title": "Next", "first": 8, "last": 14}]
    index = tmp_path / "index.html"
    site(cards | pages, {"index": index}, {"course": "C", "syllabus": {"weeks": weeks, "days": days}}, cache)
    assert '<a href="week1/index.html">Basics &lt;1&gt;</a>' in index.read_text()
    assert "week2" not in index.read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("right: 2", "right: 3", 7, "`quiz[0].right` is 3, but there are 2 answers"),
        ("right: 2", "right: no", 7, "`quiz[0].right`"),
        ('answers: ["One & two", Three]', "answers: [One]", 7, "`quiz[0].answers` is too short"),
        ("day: 5", "day: 8", 5, "`story[1].day` is 8"),
        ("lead: All of `it`.\n", "", None, "`lead` is missing"),
        ("says: Later", "say: Later", 5, "is unknown here"),
        ("week: 1\n", "week: 1\nweek: 2\n", 2, "week"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int | None, what: str) -> None:
    file = tmp_path / "week1.yaml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(CourseError) as caught:
        read_overview(file, range(1, 8))
    assert what in str(caught.value)
    assert line is None or caught.value.line == line


@pytest.mark.parametrize("number", WEEKS)
def test_overviews_of_the_course(number: int) -> None:
    """Each tells of every day of its week, asks about most of them, and its answers are not always the same letter."""
    known = next(w for w in load_syllabus()["weeks"] if w["week"] == number)
    days = range(known["first"], known["last"] + 1)
    overview = read_overview(overview_file(ROOT, number), days)
    assert [thread.day for thread in overview.story] == list(days)
    assert {q.day for q in overview.quiz} == set(days)
    assert len({q.right for q in overview.quiz}) > 1
    assert not overview_problems(set(days), load_syllabus(), ROOT)


def test_the_plan_has_the_week_of_a_built_day() -> None:
    days, options = find_days(), Options(out=Path("/nowhere/out"))
    names = {s.name: s for s in plan([days[4]], options, load_syllabus(), days)}
    assert names["week1-week"].products["page"] == Path("/nowhere/out/week1/index.html")
    assert names["site-site"].inputs["week1"] == Path("/nowhere/out/week1/index.html")
    assert "record4" in names["week1-week"].inputs
