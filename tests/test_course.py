"""Finding days, choosing them, and what belongs together."""

from __future__ import annotations

import pytest

from coursebuild.course import find_days, load_syllabus, misnamed, select
from coursebuild.errors import CourseError
from coursebuild.keys import closure, content
from coursebuild.scaffold import create_day

SYLLABUS = """\
weeks:
- {week: 1, title: One, first: 1, last: 7}
days:
- {day: 1, title: Lines, week: 1, objectives: [Fit a line], references: [{kind: Book, text: A book}]}
- {day: 2, title: Curves, week: 1, objectives: [Fit a curve], references: [{kind: Book, text: A book}]}
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "lectures").mkdir()
    (tmp_path / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
    create_day(1, "lines", tmp_path)
    create_day(2, "curves", tmp_path)
    return tmp_path


def test_a_day_is_three_files_with_one_stem(root):
    days = find_days(root)
    assert [d.stem for d in days.values()] == ["day01_lines", "day02_curves"]
    assert "title: Lines" in days[1].source("lecture").read_text()
    (root / "scripts" / "day02_curves.py").rename(root / "scripts" / "day02_curvs.py")
    with pytest.raises(CourseError, match=r"day02_curves\.py is missing") as caught:
        find_days(root)[2].check()
    assert "day02_curvs.py: rename" in caught.value.hint


def test_a_misnamed_file_stops_no_other_day(root):
    (root / "lectures" / "day2-Curves.md.j2").write_text("")
    assert list(find_days(root)) == [1, 2]
    assert "not named like a day" in str(misnamed(root)[0])


def test_new_refuses_to_overwrite(root):
    with pytest.raises(CourseError, match="day 1 exists"):
        create_day(1, "other", root)
    with pytest.raises(CourseError, match="no name for a day"):
        create_day(3, "../Evil", root)


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [("1", [1]), ("1-2", [1, 2]), ("2,1", [2, 1]), ("2 1", [2, 1]), ("week1", [1, 2]), ("all", [1, 2])],
)
def test_days_can_be_chosen(root, expression, numbers):
    assert [d.number for d in select(expression, find_days(root), load_syllabus(root))] == numbers


@pytest.mark.parametrize(
    ("expression", "what"), [("9", "no lecture for day 9"), ("week8", "no week8"), ("four", "names no days")]
)
def test_days_that_are_not_there(root, expression, what):
    with pytest.raises(CourseError, match=what):
        select(expression, find_days(root), load_syllabus(root))


def test_broken_syllabus_names_the_line(root):
    path = root / "lectures" / "syllabus.yaml"
    path.write_text("weeks: []\ndays:\n- {day: 1\n")
    with pytest.raises(CourseError, match="not valid YAML") as caught:
        load_syllabus(root)
    assert caught.value.line >= 3


def test_the_real_syllabus_has_fifty_days():
    syllabus = load_syllabus()
    assert [d["day"] for d in syllabus["days"]] == list(range(1, 51))
    for day in syllabus["days"]:
        assert day["objectives"] and day["concepts"] and day["tools"] and day["learnings"] and day["references"]


def test_a_key_sees_what_is_imported(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "deep.py").write_text("import numpy\n")
    (tmp_path / "main.py").write_text("import json\nfrom pack import deep\n")
    files, foreign = closure(tmp_path / "main.py", (tmp_path,))
    assert {f.name for f in files} == {"main.py", "deep.py", "__init__.py"} and foreign == ("numpy",)
    before = content(tmp_path / "pack")
    (tmp_path / "pack" / "deep.py").write_text("import numpy as np\n")
    assert content(tmp_path / "pack") != before and content(tmp_path / "nothing") is None
