"""The days of a course: three files that share a stem, and what the syllabus says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coursebuild.digests import content, known
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import ROOT
from coursebuild.links import web_address
from coursebuild.reading import read_text
from coursebuild.shapes import Wrong, build, everywhere, in_file, no_control_characters

STEM = re.compile(r"day([0-9]{2})_([a-z0-9_]{1,60})")
PLACES = {"lecture": ("lectures", ".md.j2"), "script": ("scripts", ".py"), "animation": ("animations", ".py")}


@dataclass(frozen=True)
class Day:
    """A day's three sources."""

    number: int
    slug: str
    root: Path

    @property
    def stem(self) -> str:
        return f"day{self.number:02d}_{self.slug}"

    def source(self, kind: str) -> Path:
        """Path of the "lecture", "script" or "animation"."""
        folder, suffix = PLACES[kind]
        return self.root / folder / f"{self.stem}{suffix}"

    def check(self) -> None:
        """Raise CourseError where a partner is missing, naming the expected path."""
        for kind, (folder, suffix) in PLACES.items():
            path = self.source(kind)
            if path.exists():
                continue
            others = [p.name for p in sorted((self.root / folder).glob(f"day{self.number:02d}_*{suffix}"))]
            there = f"there is {', '.join(others)}: rename one of them" if others else f"create {path}"
            raise CourseError(f"day {self.number} has no {kind}: {path} is missing", hint=there)


def find_days(root: Path = ROOT) -> dict[int, Day]:
    """All days found in lectures/, scripts/ or animations/, by number."""
    days: dict[int, Day] = {}
    for folder, suffix in PLACES.values():
        for path in sorted((root / folder).glob(f"day*{suffix}")):
            match = STEM.fullmatch(path.name.removesuffix(suffix))
            if not match:
                continue  # `misnamed` tells
            number = int(match[1])
            days.setdefault(number, Day(number, match[2], root))
    return dict(sorted(days.items()))


def misnamed(root: Path = ROOT) -> list[CourseError]:
    """Files that begin like a day's and are not named like one."""
    return [
        CourseError(f"{path.name} is not named like a day", file=path, hint=f"name it day05_topic{suffix}")
        for folder, suffix in PLACES.values()
        for path in sorted((root / folder).glob(f"day*{suffix}"))
        if not STEM.fullmatch(path.name.removesuffix(suffix))
    ]


def select(expression: str, days: dict[int, Day], syllabus: dict[str, Any] | None = None) -> list[Day]:
    """The days that `4`, `1-7`, `4,8`, `week3` or `all` names; raises CourseError for anything else."""
    wanted: list[int] = []
    for part in re.split(r"[,\s]+", expression.strip(", \t\n")):
        if part == "all":
            wanted += list(days)
        elif match := re.fullmatch(r"week([0-9]{1,4})", part):
            syllabus = syllabus or load_syllabus()
            week = next((w for w in syllabus["weeks"] if w["week"] == int(match[1])), None)
            if week is None:
                raise CourseError(f"there is no {part}", hint=f"weeks are 1 to {len(syllabus['weeks'])}")
            found = [n for n in days if week["first"] <= n <= week["last"]]
            if not found:
                raise CourseError(f"no lectures in {part} yet", hint=f"build.py new {week['first']} TOPIC begins one")
            wanted += found
        elif match := re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part):
            first, last = int(match[1]), int(match[2] or match[1])
            if first > last:
                raise CourseError(f"`{part}` runs backwards", hint=f"write {last}-{first}")
            found = [n for n in days if first <= n <= last]
            if not found:
                raise CourseError(
                    f"no lecture for day {part} yet",
                    hint=f"{did_you_mean(str(first), {str(n) for n in days})}; `build.py new {first} TOPIC` begins one",
                )
            wanted += found
        else:
            raise CourseError(f"`{part}` names no days", hint="write 4, 1-7, 4,8, week3 or all")
    return [days[n] for n in dict.fromkeys(wanted)]


# ------------------------------------------------------------------ the syllabus


@dataclass(frozen=True)
class Week:
    week: int
    title: str
    first: int  # days
    last: int


@dataclass(frozen=True)
class Reference:
    kind: str
    text: str
    url: str = ""

    def check(self) -> None:
        if self.url and not web_address(self.url):
            raise Wrong(f"is {self.url!r}, which is no web address", ("url",), "links begin with https://")


@dataclass(frozen=True)
class Erratum:
    syllabus: str  # what it says
    correct: str
    source: str = ""


@dataclass(frozen=True)
class Entry:
    """What the syllabus says of a day."""

    day: int
    title: str
    week: int = 0
    objectives: list[str] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    learnings: list[str] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    errata: list[Erratum] = field(default_factory=list)

    def check(self) -> None:
        if not 1 <= self.day <= 99:
            raise Wrong(f"is {self.day}, but days are 1 to 99", ("day",))


@dataclass(frozen=True)
class Syllabus:
    weeks: list[Week]
    days: list[Entry]

    def check(self) -> None:
        seen: set[int] = set()
        for i, entry in enumerate(self.days):
            if entry.day in seen:
                raise Wrong(f"is {entry.day} for the second time", ("days", i, "day"))
            seen.add(entry.day)


def load_syllabus(root: Path = ROOT) -> dict[str, Any]:
    """lectures/syllabus.yaml as {"weeks": [...], "days": [...]}; raises CourseError with the line of a mistake."""
    path = root / "lectures" / "syllabus.yaml"
    reader = content(Path(__file__))  # what was read by another version of this file may not pass its checks
    return known.remembered(f"syllabus {reader}", str(content(path)), lambda: _read_syllabus(path))


def _read_syllabus(path: Path) -> dict[str, Any]:
    try:
        from coursebuild.yamltext import parse_yaml  # here, because `build.py run` does without yaml
    except ImportError:
        raise CourseError("the syllabus needs the package pyyaml", hint="name days by number, or make setup") from None
    value, line_of = parse_yaml(read_text(path), path)
    try:
        build(Syllabus, value)
        everywhere(no_control_characters, value)
    except Wrong as error:
        raise in_file(error, path, line_of, "the syllabus") from None
    return value


def syllabus_of(number: int, syllabus: dict[str, Any]) -> dict[str, Any]:
    """The syllabus' entry of a day (empty lists where it says nothing)."""
    empty = {k: [] for k in ("objectives", "concepts", "tools", "learnings", "references", "errata")}
    entry = next((d for d in syllabus["days"] if d["day"] == number), {})
    return {**empty, "day": number, "title": "", "week": 0, **entry}


def project_settings() -> dict[str, str]:
    """Repository address, branch and course name from pyproject.toml."""
    file = ROOT / "pyproject.toml"
    return known.once("project", lambda: known.remembered("project 1", str(content(file)), lambda: _read_project(file)))


def _read_project(file: Path) -> dict[str, str]:
    import tomllib

    value = tomllib.loads(file.read_text(encoding="utf-8"))
    return {"repository": value["project"]["urls"]["Repository"], **value["tool"]["course"]}
