"""The days of a course: three files that share a stem, and what the syllabus says of them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import ROOT

STEM = re.compile(r"day(\d\d)_([a-z0-9_]+)")
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
    for part in re.split(r"[,\s]+", expression.strip()):
        if part == "all":
            wanted += list(days)
        elif match := re.fullmatch(r"week(\d+)", part):
            syllabus = syllabus or load_syllabus()
            week = next((w for w in syllabus["weeks"] if w["week"] == int(match[1])), None)
            if week is None:
                raise CourseError(f"there is no {part}", hint=f"weeks are 1 to {len(syllabus['weeks'])}")
            found = [n for n in days if week["first"] <= n <= week["last"]]
            if not found:
                raise CourseError(f"no lectures in {part} yet", hint=f"build.py new {week['first']} TOPIC begins one")
            wanted += found
        elif match := re.fullmatch(r"(\d+)(?:-(\d+))?", part):
            first, last = int(match[1]), int(match[2] or match[1])
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


def load_syllabus(root: Path = ROOT) -> dict[str, Any]:
    """lectures/syllabus.yaml as {"weeks": [...], "days": [...]}; raises CourseError with the line of a mistake."""
    try:
        import yaml  # here, because `build.py run` does without it
    except ImportError:
        raise CourseError("the syllabus needs the package pyyaml", hint="name days by number, or make setup") from None

    path = root / "lectures" / "syllabus.yaml"
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError("there is no syllabus", file=path, hint="every course has one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise CourseError(f"not valid YAML: {what}", file=path, line=mark.line + 1 if mark else 1) from None
    if not isinstance(value, dict) or not all(isinstance(value.get(k), list) for k in ("weeks", "days")):
        raise CourseError("needs the lists `weeks` and `days`", file=path, line=1)
    for day in value["days"]:
        if not isinstance(day, dict) or not isinstance(day.get("day"), int):
            raise CourseError("every entry of `days` needs a number `day`", file=path, line=1)
    return value


def syllabus_of(number: int, syllabus: dict[str, Any]) -> dict[str, Any]:
    """The syllabus' entry of a day (empty lists where it says nothing)."""
    empty = {k: [] for k in ("objectives", "concepts", "tools", "learnings", "references", "errata")}
    entry = next((d for d in syllabus["days"] if d["day"] == number), {})
    return {**empty, "day": number, "title": "", "week": 0, **entry}


def project_settings() -> dict[str, str]:
    """Repository address, branch and course name from pyproject.toml."""
    value = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {"repository": value["project"]["urls"]["Repository"], **value["tool"]["course"]}
