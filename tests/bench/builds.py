"""What builds cost: cold, with nothing to do, and after edits; each is the whole command `python build.py ...`."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coursebuild.files import ROOT
from coursebuild.model import FPS, Timeline
from tests.bench import meter, project
from tests.bench.content import Work
from tests.bench.meter import BenchError
from tests.bench.profiles import hot_spots
from tests.bench.project import Built, Project
from tests.bench.stats import rounds_within
from tests.fifty import write_course

FILM = ("--only", "video")
NOOPS = 3  # a build with nothing to do is short: it is measured so many times a round
HEAVY = ("the script's seed", "a colour of the theme")
FIVE_MINUTES = 300.0  # seconds


class Table:
    """Builds by the name of what was done before them, round by round."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Built]] = {}

    def add(self, name: str, built: Built) -> None:
        self.rows.setdefault(name, []).append(built)

    def to_json(self) -> dict[str, Any]:
        return {name: [dataclasses.asdict(b) for b in built] for name, built in self.rows.items()}


def edits(day: Project, stem: str) -> dict[str, Callable[[int], None]]:
    """What is edited, by name; each can be done again and again, with another number."""
    lecture = day.folder / "lectures" / f"{stem}.md.j2"
    script = day.folder / "scripts" / f"{stem}.py"
    theme = day.folder / "templates" / "theme.json"
    return {
        "one word of the narration": lambda k: day.edit(lecture, lambda t: project.one_word(t, k)),
        "one word of a bullet": lambda k: day.edit(lecture, lambda t: project.one_bullet(t, k)),
        "a comment in the script": lambda k: day.edit(script, lambda t: project.comment(t, k)),
        "the script's seed": lambda k: day.edit(script, lambda t: project.constant(t, k)),
        "a colour of the theme": lambda k: day.edit(theme, lambda t: project.colour(t, k)),
    }


def one_day(day: Project, stem: str, rounds: int, seconds: float, heavy: int) -> dict[str, Any]:
    """Cold build, no-op and edits of a day; `rounds` at most, no longer than `seconds`.

    HEAVY edits, after which nearly all is built again, are made in the first `heavy` rounds alone.
    """
    table = Table()

    def once(number: int) -> None:
        day.restore()
        table.add("cold", day.build())
        for _ in range(NOOPS):
            table.add("nothing to do", day.build())
        k = number * 7  # another place and another word in every round
        for name, edit in edits(day, stem).items():
            if name in HEAVY and number >= heavy:
                continue
            edit(k)
            table.add(name, day.build())
            if name.startswith("one word"):
                edit(k + 1)
                table.add(f"{name}, film alone", day.build(*FILM))
                day.build()  # not counted: the rest of what the edit concerns

    rounds_within(rounds, seconds, once)
    there = day.out / stem.partition("_")[0]
    return {
        "minutes": film_minutes(there),
        "commands": table.to_json(),
        "files": sizes(there),
        "noop_profile": noop_profile(day),
    }


def film_minutes(day: Path) -> float:
    return Timeline.load(day / "work" / "timeline.json").frames / FPS / 60


def sizes(day: Path) -> dict[str, int]:
    """Bytes of the products, by suffix (handout: its own)."""
    found = {}
    for path in sorted(day.iterdir()):
        if path.is_file():
            found["_handout.pdf" if path.stem.endswith("_handout") else path.suffix or path.name] = path.stat().st_size
    return found


def noop_profile(day: Project) -> list[list[Any]]:
    """Where the time of a build with nothing to do goes."""
    target = day.folder / "logs" / "noop.prof"
    argv = [sys.executable, "-m", "cProfile", "-o", str(target), *day.command()]
    try:
        meter.run(argv, cwd=day.folder, log=day.folder / "logs" / "noop.log", env={"CI": "true"})
    except BenchError:
        return []
    return hot_spots(target)


# ------------------------------------------------------------------ a generated course


def generated(course: Project, days: int, words: int) -> dict[str, Any]:
    """A course of a few small days, built as a whole: cold (once), with nothing to do, and one word of one day."""
    write_course(course.root, days)
    table = Table()
    table.add("cold", course.build())
    repeated(course, table, words)
    return {"days": days, "commands": table.to_json(), "options": " ".join(course.options)}


def fifty(course: Project, days: int, words: int) -> dict[str, Any]:
    """The same with many days, of which one is built and the others are copies of what it left."""
    write_course(course.root, 1)
    course.build()
    order = f"from pathlib import Path; from tests.fifty import multiply; multiply(Path({str(course.root)!r}), {days}, "
    path = os.pathsep.join([str(course.folder), str(ROOT)])  # the builder of the copy, the tests of the project
    names = {name.removeprefix("--"): value for name, value in batched(course.options)} | {"theme": "dark"}
    log = course.folder / "logs" / "multiply.log"
    meter.run([sys.executable, "-c", f"{order}{names})"], cwd=course.folder, log=log, env={"PYTHONPATH": path})
    ran = course.build().steps  # not counted: what is remembered of the files is written here
    if ran:
        raise BenchError(f"the copies were not up to date: {', '.join(list(ran)[:3])} ran")
    table = Table()
    repeated(course, table, words)
    profile = noop_profile(course)
    return {"days": days, "commands": table.to_json(), "options": " ".join(course.options), "noop_profile": profile}


def repeated(course: Project, table: Table, words: int) -> None:
    """Builds with nothing to do, and with one word of the first day changed, in turn."""
    lecture = next((course.root / "lectures").glob("day01_*.md.j2"))
    for k in range(words):
        table.add("nothing to do", course.build())
        course.edit(lecture, lambda text, k=k: project.one_word(text, k))
        table.add("one word of the narration", course.build())
        table.add("nothing to do", course.build())


def batched(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Words by twos: an option and its value."""
    return list(zip(words[::2], words[1::2], strict=True))


# ------------------------------------------------------------------ a lecture of five minutes


def five_minutes(day: Project, stem: str, built: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """The film of a lecture of about five minutes, cold, with all its animations; its experiment has run before.

    `built`: what a build of the whole lecture has left, from which the experiment's results come.
    """
    name = stem.partition("_")[0]
    work = Work.of(built / name)
    lecture = day.folder / "lectures" / f"{stem}.md.j2"
    text = lecture.read_text(encoding="utf-8")
    table = Table()

    def once(_: int) -> None:
        shutil.rmtree(day.out, ignore_errors=True)
        shutil.copytree(built / name / "record", day.out / name / "record")
        (day.out / ".stamps").mkdir()
        shutil.copy2(built / ".stamps" / f"{name}-run.json", day.out / ".stamps")
        lecture.write_text(shortened(text, work, FIVE_MINUTES), encoding="utf-8")
        made = day.build(*FILM)
        if any(step.endswith("-run") for step in made.steps):
            raise BenchError("the experiment ran again, which was not to be measured here")
        table.add("film, cold", made)

    rounds_within(rounds, seconds, once)
    found = Timeline.load(day.out / name / "work" / "timeline.json")
    return {
        "minutes": film_minutes(day.out / name),
        "slides": len(found.slides),
        "animated_share": sum(s.frames for s in found.slides if s.scene) / found.frames,
        "commands": table.to_json(),
    }


def shortened(text: str, work: Work, seconds: float) -> str:
    """The lecture with all its animated slides, and of the others the first ones that still fit into `seconds`.

    Of a slide that is left out the lines with a condition stay, as it may begin here and end later.
    """
    head, *sources = re.split(r"(?m)^(?=## )", text)
    times = {shown.line: timed for shown, timed in zip(work.deck.slides, work.plan.slides, strict=True)}
    left = seconds * FPS - sum(s.frames for s in work.plan.slides if s.scene) - work.plan.slides[0].frames
    kept, line = [head], 1 + head.count("\n")
    for source in sources:
        slide = times.get(line)  # None: a condition leaves it out anyway
        line += source.count("\n")
        if slide is None or slide.scene or slide.frames <= left:
            kept.append(source)
            left -= slide.frames if slide and not slide.scene else 0
        else:
            kept += [row for row in source.splitlines(keepends=True) if row.startswith("{%")]
    if len(kept) == 1 + len(sources):
        raise BenchError(f"no slide of the lecture could be left out to get it down to {seconds:.0f} s")
    return "".join(kept)


def replace(folder: Path, by: Path) -> None:
    """Put the folder `by` in the place of `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    by.rename(folder)
