"""A copy of the project in which sources may be edited and days be built, so that the working tree stays as it is."""

from __future__ import annotations

import compileall
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import meter
from tests.bench.meter import BenchError, Usage

PARTS = ("build.py", "pyproject.toml", "coursebuild", "lectures", "scripts", "animations", "templates", "records")
SOURCES = ("lectures", "scripts", "animations", "templates")  # what edits change
WORDS = (
    "calm",
    "warm",
    "deep",
    "fair",
    "tidy",
    "wide",
    "bold",
    "kind",
)  # what an edit puts in; short: nothing overflows


@dataclass(frozen=True)
class Built:
    """One build: what the command cost, and what each step that ran cost."""

    usage: Usage
    steps: dict[str, dict[str, float]]  # name of a step that ran -> seconds, cpu_seconds, peak_bytes (where known)


@dataclass
class Project:
    """A copy of the project at `folder`, and builds of `days` of the course in `course` (the copy itself if None)."""

    folder: Path
    source: Path
    days: str
    options: tuple[str, ...] = ()
    course: Path | None = None
    builds: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name in PARTS:
            if (self.source / name).is_dir():
                shutil.copytree(self.source / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif (self.source / name).exists():
                shutil.copy2(self.source / name, self.folder / name)
        for name in ("coursebuild", "scripts", "animations"):
            compileall.compile_dir(self.folder / name, quiet=1)

    @property
    def root(self) -> Path:
        """The folder of the days' sources."""
        return self.course or self.folder

    @property
    def out(self) -> Path:
        return self.root / "out"

    def restore(self) -> None:
        """The sources as they were, and nothing built."""
        shutil.rmtree(self.out, ignore_errors=True)
        for name in SOURCES:
            for path in (self.source / name).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    target = self.folder / path.relative_to(self.source)
                    target.write_bytes(path.read_bytes())

    def command(self, *more: str) -> list[str]:
        """What follows `python`."""
        elsewhere = ["--root", str(self.course)] if self.course else []
        return ["build.py", self.days, *self.options, *elsewhere, *more]

    def build(self, *more: str) -> Built:
        """`build.py DAYS`, as a person would call it."""
        self.builds += 1
        log = self.folder / "logs" / f"{self.builds:03d}.log"
        usage = meter.run(
            [sys.executable, *self.command(*more)], cwd=self.folder, log=log, env={"CI": "true", "COLUMNS": "200"}
        )
        return Built(usage, steps_that_ran(self.out))

    def edit(self, path: Path, change: Callable[[str], str]) -> None:
        """Change a text file of the copy; BenchError if that changes nothing."""
        if self.folder not in path.parents and self.root not in path.parents:
            raise BenchError(f"{path.name} does not lie in the copy")
        before = path.read_text(encoding="utf-8")
        after = change(before)
        if after == before:
            raise BenchError(f"the edit of {path.name} found nothing to change")
        path.write_text(after, encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def steps_that_ran(out: Path) -> dict[str, dict[str, float]]:
    """Of the steps that the last build ran, what their stamps say of their cost."""
    states = read(out / "report.json").get("states", {})
    ran = [name for name, state in states.items() if state == "built"]
    return {name: cost(read(out / ".stamps" / f"{name}.json")) for name in ran}


def cost(stamp: dict[str, Any]) -> dict[str, float]:
    kept = ("seconds", "cpu_seconds", "peak_bytes")
    return {name: float(stamp[name]) for name in kept if isinstance(stamp.get(name), int | float)}


# ------------------------------------------------------------------ edits, each different for another `k`

_TEMPLATE = re.compile(r"\{[{%].*?[%}]\}|`[^`]*`")
_PLAIN = re.compile(r"[^{}$`\[\]|:]*")  # no template, formula, code or pause in it


def _change_word(line: str, k: int) -> str:
    """The line with its last plain word of four to seven letters replaced by another word; never inside a template."""
    hidden = _TEMPLATE.sub(lambda m: "_" * len(m[0]), line)
    found = [m for m in re.finditer(r"(?<![\w*])[a-z]{4,7}(?![\w*'])", hidden) if m[0] != WORDS[k % len(WORDS)]]
    return line[: found[-1].start()] + WORDS[k % len(WORDS)] + line[found[-1].end() :] if found else line


def _nth_line(text: str, k: int, wanted: Callable[[str], bool]) -> str:
    lines = text.splitlines(keepends=True)
    places = [i for i, line in enumerate(lines) if wanted(line) and _change_word(line, k) != line]
    if places:
        i = places[k % len(places)]
        lines[i] = _change_word(lines[i], k)
    return "".join(lines)


def one_word(text: str, k: int) -> str:
    """A lecture with one word of its narration changed."""
    return _nth_line(text, k, lambda line: line.startswith("> ") and bool(_PLAIN.fullmatch(line.strip())))


def one_bullet(text: str, k: int) -> str:
    """A lecture with one word of a bullet changed."""
    return _nth_line(text, k, lambda line: line.startswith("- ") and not re.match(r"- [\[{]", line) and "$" not in line)


def comment(text: str, k: int) -> str:
    """A script with one more comment."""
    return f"{text.rstrip()}\n# A remark that changes nothing ({k}).\n"


def constant(text: str, k: int) -> str:
    """A script with another seed: all that it measures may change."""
    return re.sub(r"\bseed=(\d+)", lambda m: f"seed={int(m[1]) + 1 + k}", text, count=1)


def colour(text: str, k: int) -> str:
    """theme.json with the dark theme's accent a shade darker."""
    return re.sub(
        r'("accent": "#[0-9A-Fa-f]{5})([0-9A-Fa-f])',
        lambda m: m[1] + f"{(int(m[2], 16) - 1 - k) % 16:X}",
        text,
        count=1,
    )
