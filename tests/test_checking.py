"""`build.py check` finds without rendering what would stop a build; `build.py doctor` says what a machine lacks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from coursebuild import doctor
from coursebuild.checking import beats_of, problems_of
from coursebuild.course import Day
from coursebuild.errors import CourseError
from coursebuild.model import Figure, Record

LECTURE = """---
day: 4
title: Toy
---
> Welcome.

## Flow
{{ animation("Flow", alt="Dots move to the right.") }}
> One.

> Two.
"""
SCENE = """
class Flow(LectureScene):
    def construct(self):
        with self.beat("one"):
            self.wait()
        self.second()

    def second(self):
        with self.beat("two"):
            self.wait()
"""


@pytest.fixture
def toy(tmp_path: Path):
    """Checks a day of these texts; returns the errors."""
    for folder in ("lectures", "scripts", "animations"):
        (tmp_path / folder).mkdir()
    day = Day(4, "toy", tmp_path)
    day.source("script").write_text("pass\n")
    where = {"preset": "quick", "device": "CPU", "date": "2026-01-02T03:04:05Z"}
    figures = {"loss": Figure(500, 250, 12, {})}
    Record(4, "toy", {"name": "a 字"}, {}, figures, {}, "", where).save(tmp_path / "record.json")

    def check(lecture: str = LECTURE, scene: str = SCENE) -> list:
        day.source("lecture").write_text(lecture, encoding="utf-8")
        day.source("animation").write_text(scene, encoding="utf-8")
        found = problems_of(day, {"days": []}, tmp_path / "record.json")
        return [p for p in found if isinstance(p, CourseError) or p.level == "error"]

    return check


def test_a_good_day_has_no_errors(toy):
    assert toy() == []


def test_an_unknown_scene_is_found(toy):
    (error,) = toy(LECTURE.replace('"Flow"', '"Flwo"'))
    assert error.line == 8 and "no scene `Flwo`" in error.what and error.hint == "did you mean `Flow`?"


def test_another_number_of_beats_is_found(toy):
    (error,) = toy(LECTURE + "\n> Three.\n")
    assert error.line == 8 and "`Flow` has 2 beats" in error.what and "its slide has 3" in error.what


def test_a_broken_scene_file_is_found(toy):
    (error,) = toy(scene="x = 1\ndef (:\n")
    assert error.line == 2 and "not valid Python" in error.what


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("## 字\n> Hi.\n", 12),
        ("## A\n- a\n- 字\n> Hi.\n", 13),
        ("## A\n- {{ run.name }}\n> Hi.\n", 13),
        ("## A\n> Hi 字.\n", 13),
        ('## A\n{{ figure("loss", alt="A curve that falls.", caption="字") }}\n> Hi.\n', 13),
        ("## A\n```python\nx = '字'\n```\n> Hi.\n", 13),
        ("## A\n| 字 | b |\n|---|---|\n| a | b |\n> Hi.\n", 13),
    ],
)
def test_characters_that_no_font_has_are_found(toy, line, at):
    (error,) = toy(LECTURE + line)
    assert "U+5B57" in error.what and abs(error.line - at) <= 1
    assert error.file.endswith("day04_toy.md.j2")


def test_all_missing_characters_are_told_at_once(toy):
    assert len(toy(LECTURE + "## A\n- 字\n> Hi.\n\n## B\n- 語\n> Hi.\n")) == 2


@pytest.mark.parametrize(
    ("source", "beats"),
    [
        (SCENE, 2),
        ("class Flow(S):\n  def construct(self):\n    for i in x:\n      with self.beat(i): pass", None),
        ("class Flow(S):\n  def construct(self):\n    [self.one() for i in x]\n  def one(self): self.beat(1)", None),
        ("class Flow(S):\n  def construct(self):\n    if x:\n      self.beat(i)", None),
        ("class Flow(S):\n  def construct(self):\n    for i in x: self.play(i)\n    self.beat(1)", 1),
        ("class Flow(S):\n  def construct(self):\n    self.one(); self.one()\n  def one(self): self.beat(1)", 2),
        ("class A(S):\n  def construct(self): self.one()\nclass Flow(A):\n  def one(self): self.beat(1)", 1),
        ("class A(S):\n  pass\nclass Flow(A):\n  def construct(self): super().construct()", None),
        ("class Flow(S):\n  def construct(self): self.construct()", None),
        ("class Flow(S):\n  pass", None),
    ],
)
def test_beats_are_counted_only_where_the_text_tells(source, beats):
    classes = {n.name: n for n in ast.parse(source).body}
    assert beats_of("Flow", classes) == beats


# ------------------------------------------------------------------ doctor


@pytest.fixture
def machine(monkeypatch):
    """A machine that lacks the packages named; none has a GPU library to look into."""
    real = doctor.importlib.util.find_spec

    def lacks(*names: str) -> None:
        monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda n: None if n in names else real(n))

    monkeypatch.setattr(doctor, "torch_device", lambda: iter(()))
    return lacks


def test_doctor_runs_and_its_status_says_what_it_printed(machine, capsys):
    status = doctor.examine()
    out = capsys.readouterr().out
    assert "package typst" in out and "GB of disk free" in out
    assert (status == 0) == ("MISS" not in out) == ("ready to build" in out)


def test_doctor_names_a_missing_package(machine, capsys):
    machine("typst")
    assert doctor.examine() == 1
    out = capsys.readouterr().out
    assert "MISS  package typst\n        -> make setup" in out
    assert "MISS  package manim" not in out


def test_doctor_does_not_need_the_programs_of_the_tests(machine, monkeypatch, capsys):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    before = doctor.examine()
    out = capsys.readouterr().out
    assert "none  program chromium" in out and before == ("MISS" in out)


def test_doctor_without_torch_names_no_gpu(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert list(doctor.torch_device()) == []
