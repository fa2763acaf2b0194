"""`build.py check`: everything that can be said of a lecture without rendering it."""

from __future__ import annotations

from pathlib import Path

import click

from coursebuild.course import Day, find_days, load_syllabus, project_settings, select, syllabus_of
from coursebuild.errors import CourseError
from coursebuild.lint import Problem
from coursebuild.model import Record
from coursebuild.steps.lecture import read_lecture
from coursebuild.theme import check_contrast


def last_record(day: Day) -> Path:
    """The newest measurement of a day: of the last build, else the committed one."""
    for folder in (day.root / "out" / f"day{day.number:02d}" / "record", day.root / "records" / f"day{day.number:02d}"):
        if (folder / "record.json").exists():
            return folder / "record.json"
    hint = f"build.py run {day.number} --preset smoke makes one in seconds"
    raise CourseError(f"day {day.number} has no record to check the lecture against", hint=hint)


def problems_of(day: Day, syllabus: dict, measured: Path | None = None) -> list[Problem | CourseError]:
    """What is wrong with a day's lecture, given a record.json (default: the newest)."""
    try:
        record = Record.load(measured or last_record(day))
        entry, course = syllabus_of(day.number, syllabus), project_settings()["course"]
        return list(read_lecture(day.source("lecture"), day.source("script"), record, entry, course)[2])
    except CourseError as error:
        return [error]


def check_days(days: str, root: Path) -> int:
    """Print all problems; returns 1 if one of them is an error."""
    syllabus = load_syllabus(root)
    found: list[Problem | CourseError] = []
    for theme in ("dark", "light"):
        found += [CourseError(f"theme {theme}: {line}") for line in check_contrast(theme)]
    for day in select(days, find_days(root), syllabus):
        found += problems_of(day, syllabus)
    for problem in found:
        click.echo(str(problem))
    errors = sum(isinstance(p, CourseError) or p.level == "error" for p in found)
    click.echo(f"{errors} errors, {len(found) - errors} warnings")
    return 1 if errors else 0
