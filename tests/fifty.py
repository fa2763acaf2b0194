"""A course of as many small days as wanted, for tests and measurements of what fifty days cost."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

WEEK = 7  # days
TOPICS = ("lines", "curves", "gradients", "layers", "losses", "images", "words")


def write_course(root: Path, days: int = 50) -> list[Path]:
    """Write the syllabus and the three sources of each day below `root`; returns all the files.

    The days are those of `build.py new`: a fit with a figure, a claim, a scene and a quiz, each with a seed of its own.
    """
    from coursebuild.scaffold import create_day

    (root / "lectures").mkdir(parents=True, exist_ok=True)
    syllabus = root / "lectures" / "syllabus.yaml"
    syllabus.write_text(syllabus_text(days), encoding="utf-8")
    made = [path for n in range(1, days + 1) for path in create_day(n, slug(n), root)]
    return [syllabus, *made]


def slug(number: int) -> str:
    return f"{TOPICS[(number - 1) % len(TOPICS)]}_{number}"


def syllabus_text(days: int) -> str:
    weeks = -(-days // WEEK)
    lines = ["weeks:"]
    for w in range(1, weeks + 1):
        lines.append(f"- {{week: {w}, title: Week {w}, first: {WEEK * w - WEEK + 1}, last: {WEEK * w}}}")
    lines.append("days:")
    for n in range(1, days + 1):
        title = slug(n).replace("_", " ").capitalize()
        lines.append(
            f"- {{day: {n}, title: {title}, week: {-(-n // WEEK)}, objectives: [Fit number {n}],"
            f" references: [{{kind: Book, text: Book {n}}}]}}"
        )
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ a course that has been built, without building it


def multiply(root: Path, days: int, options: dict[str, Any]) -> None:
    """Make day 1, which has been built, into a course of so many built days.

    Sources and products are copied under new names. The stamps are written by the code that writes them in a build,
    from the files that are there and the parts that the steps of day 1 read; so looking at them costs what it costs
    after a real build. What the copies say of their day is wrong, which no test here reads.
    """
    from coursebuild.cli import make_plan
    from coursebuild.digests import known
    from coursebuild.stamps import fingerprint, read_stamp, write_stamp
    from coursebuild.work import Done

    stem = next((root / "scripts").glob("day01_*.py")).stem
    (root / "lectures" / "syllabus.yaml").write_text(syllabus_text(days), encoding="utf-8")
    for n in range(2, days + 1):
        copy_day(root, stem, f"day{n:02d}_{slug(n)}")
    wanted = {"only": None, "out": None, "settings": (), "from_records": False, "with_outputs": False, "cfr": False}
    steps, chosen, _ = make_plan("all", root, **wanted | options)
    first = {s.kind: read_stamp(s, chosen.out) for s in steps if s.day == 1}
    first["site"] = next(read_stamp(s, chosen.out) for s in steps if not s.day)
    with known.snapshot():
        for step in steps:
            noted = {name.partition(" (")[0]: list(parts) for name, parts in first[step.kind]["parts"].items()}
            if step.kind == "site":  # which has each input once for every day
                like = {name: re.sub(r"\d+$", "1", name) for name in step.inputs}
                noted = {name: noted[one] for name, one in like.items() if one in noted}
            done = Done(1.0, 1.0, 2**28, noted)
            write_stamp(step, chosen.out, fingerprint(step, root), done)


def copy_day(root: Path, stem: str, new: str) -> None:
    """Copy sources and products of the day `stem` to the day `new`."""
    for path in sorted(root.glob(f"*/{stem}.*")):
        shutil.copyfile(path, path.with_name(path.name.replace(stem, new)))
    target = root / "out" / new[:5]
    shutil.copytree(root / "out" / stem[:5], target, copy_function=shutil.copyfile)
    for path in sorted(target.rglob(f"{stem}*")):
        os.rename(path, path.with_name(path.name.replace(stem, new)))  # noqa: PTH104
