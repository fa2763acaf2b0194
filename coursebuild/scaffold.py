"""`build.py new`: a day that runs from its first minute, to be changed into the real one."""

from __future__ import annotations

from pathlib import Path
from string import Template

from coursebuild.course import PLACES, STEM, Day, load_syllabus, syllabus_of
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, atomic

TEMPLATES = {"lecture": "lecture.md.j2", "script": "script.py", "animation": "animation.py"}


def create_day(number: int, slug: str, root: Path) -> list[Path]:
    """Write the three sources of a day; refuses to touch a file that exists."""
    day = Day(number, slug, root)
    if not STEM.fullmatch(day.stem):
        raise CourseError(f"`{slug}` is no name for a day", hint="lower-case letters, digits and _: activations")
    there = [p for f, s in PLACES.values() for p in (root / f).glob(f"day{number:02d}_*{s}")]
    if there:
        raise CourseError(f"day {number} exists", file=there[0], hint="choose another number, or edit it")
    entry = syllabus_of(number, load_syllabus(root))
    title = entry["title"] or slug.replace("_", " ").capitalize()
    made = []
    for kind, name in TEMPLATES.items():
        text = (ROOT / "templates" / "new_day" / name).read_text(encoding="utf-8")
        with atomic(day.source(kind)) as tmp:
            tmp.write_text(Template(text).safe_substitute(number=number, title=title), encoding="utf-8")
        made.append(day.source(kind))
    return made
