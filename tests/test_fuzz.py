"""Bad input: whatever an author writes, the answer is a product or a CourseError with file and line, never a traceback.

Hypothesis makes the input: a grammar of lecture fragments, mutations of the real lecture and of valid JSON and YAML.
What is accepted goes on to what the next steps do with it. CI runs some dozens of cases for each target, the slow run
(`long`) thousands; a failing case is printed smallest first.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from fuzz_input import (
    EDITS,
    FORBIDDEN,
    GOOD_SLIDE,
    HUGE,
    JINJA,
    PLACE,
    REFUSED,
    ROWS,
    TEX_NESTED,
    mutated,
)
from fuzz_tools import FRONT, SECONDS, SYLLABUS, Course, fuzz, toy_record, try_all
from hypothesis import strategies as st

from coursebuild.course import find_days
from coursebuild.errors import CourseError
from coursebuild.model import Figure, Record
from coursebuild.steps.lecture import read_lecture
from coursebuild.steps.slides import slides


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("toy"))


# ------------------------------------------------------------------ lectures


@fuzz(200, 2500)
def test_a_lecture_of_any_rows(course: Course, cases: int) -> None:
    def body(text: str) -> None:
        if made := course.read(FRONT + text):
            course.use(*made)

    try_all(cases, ROWS, body)


@fuzz(60, 1000)
def test_a_lecture_of_sound_parts_is_accepted_and_survives(course: Course, cases: int) -> None:
    accepted = []

    def body(slides: list[str]) -> None:
        made = course.read(FRONT + "\n\n".join(slides))
        accepted.append(made is not None)
        if made:
            course.use(*made)

    try_all(cases, st.lists(GOOD_SLIDE, min_size=1, max_size=3), body)
    assert sum(accepted) > len(accepted) / 2  # else this test would look at errors only


@fuzz(10, 300)
def test_what_is_accepted_can_be_drawn(course: Course, tmp_path: Path, cases: int) -> None:
    """Typst compiles it, or the error names the line of the lecture."""
    drawn = []
    formulas = st.tuples(TEX_NESTED, st.sampled_from(["", " (card)"])).map(
        lambda f: f"## T\n\n$$ {f[0]} $${f[1]}\n\n> Hi."
    )

    def body(parts: list[str]) -> None:
        made = course.read(FRONT + "\n\n".join(parts))
        if not made:
            return
        made[0].save(tmp_path / "shown.json")
        products = {name: tmp_path / name for name in ("frames", "pdf", "geometry")}
        look = {"quality": "draft", "theme": "dark"}
        try:
            slides({"shown": tmp_path / "shown.json", "record": course.record}, products, look, tmp_path / "cache")
            drawn.append(parts)
        except CourseError as error:
            assert error.line and error.file and "refuses" not in error.what, repr(error)

    try_all(cases, st.lists(st.one_of(GOOD_SLIDE, formulas), min_size=1, max_size=2), body)
    assert drawn


def real_lecture() -> tuple[list[str], Record]:
    """The slides of the first real lecture, and a record that has all that it asks for."""
    day = next(iter(find_days().values()))
    text = day.source("lecture").read_text(encoding="utf-8")
    figures = {name: Figure(500, 300, 1, {}) for name in re.findall(r'figure\(\s*"(\w+)"', text)}
    metrics: dict[str, Any] = dict.fromkeys(re.findall(r"\brun\.(\w+)", text), 12)
    claims = dict.fromkeys(re.findall(r'(?:claim|verdict)\(\s*"([^"]+)"', text), True)
    record = Record(4, "toy", metrics, claims, figures, {}, "", toy_record().provenance)
    return ["## " + part for part in text.split("\n## ")[1:]], record


@fuzz(60, 1500)
def test_a_real_lecture_with_slips_of_the_pen(course: Course, cases: int) -> None:
    slides, record = real_lecture()
    record.save(course.record)

    def body(value: tuple[int, list]) -> None:
        at, edits = value
        if made := course.read(FRONT + mutated(slides[at % len(slides)], edits), record):
            course.use(*made)

    try:
        try_all(cases, st.tuples(PLACE, EDITS), body)
    finally:
        course.measured.save(course.record)


@pytest.mark.parametrize("name", HUGE)
def test_huge_and_deep_lectures_end_soon(course: Course, name: str) -> None:
    begin = time.process_time()
    if made := course.read(FRONT + f"## T\n\n{HUGE[name]}\n\n> Hi.\n"):
        course.use(*made)
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("template", [*(f"{{{{ {e} }}}}" for e in FORBIDDEN), *REFUSED])
def test_a_template_reaches_nothing_but_the_run(course: Course, template: str) -> None:
    begin = time.process_time()
    assert course.read(f"{FRONT}## T\n\n- {template}\n\n> Hi.\n") is None
    assert time.process_time() - begin < 2


@fuzz(150, 2500)
def test_any_expression_in_a_template(course: Course, cases: int) -> None:
    def body(expression: str) -> None:
        if made := course.read(
            f"{FRONT}## T\n\n{{% for x in [1, 2] %}}\n\n{{{{ {expression} }}}}\n\n{{% endfor %}}\n\n> Hi.\n"
        ):
            course.use(*made)

    try_all(cases, JINJA, body)


def test_several_mistakes_are_told_at_once(course: Course) -> None:
    text = (
        f"{FRONT}## {{{{ run.nope }}}}\n\n- {{{{ run.n | procent }}}}\n\n- $\\nope$\n\n<b>\n\n> Hi.\n\n## B\n\n- late\n"
    )
    course.lecture.write_text(text)
    with pytest.raises(CourseError) as caught:
        read_lecture(course.lecture, course.script, course.measured, SYLLABUS, "The course")
    assert [e.line for e in caught.value.all] == [7, 9, 11, 13, 17]
    assert str(caught.value).count(f"{course.lecture}:") == 5 and "did you mean `percent`?" in str(caught.value)
