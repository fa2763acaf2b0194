"""`make bench`: measures, writes docs/performance.json and from it docs/PERFORMANCE.md.

    python -m tests.bench [--quick | --render] [--minutes M] [--whole] [--only day,part,...]

What cannot be measured here is named in the page with the reason. Builds happen in a copy of the project.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursebuild.course import find_days
from coursebuild.files import ROOT, write_json
from tests.bench import builds, films, machine, page
from tests.bench.content import Work
from tests.bench.meter import BenchError, run
from tests.bench.project import Project

DATA, PAGE = ROOT / "docs" / "performance.json", ROOT / "docs" / "PERFORMANCE.md"
PARTS = ("day", "five", "part", "whole", "floors", "clip_floor", "seeks", "course", "fifty")
DAY, FIFTY = 4, 50
LIGHT = ("--preset", "smoke")
SMALL = ("--preset", "smoke", "--quality", "draft", "--voice", "silent")
PATIENT = 45  # minutes from which on nothing is left to a single round


@dataclass(frozen=True)
class Amount:
    """How much is measured: rounds, minutes at most for each part, and the length of the rivals' film in seconds."""

    rounds: int
    heavy: int  # rounds with the edits after which nearly all is built again
    fast_ones: int  # see films.compare
    day: float
    rivals: float
    film: float
    days: int  # of the generated course

    @classmethod
    def of(cls, quick: bool, minutes: float) -> Amount:
        if quick:
            return cls(1, 0, 0, 2, 2, 30, 3)
        patient = minutes >= PATIENT
        return cls(3, 3 if patient else 1, 2 if patient else 1, 0.32 * minutes, 0.28 * minutes, 75, 5)


class Bench:
    """One run: the parts in their order, each with what the parts before it have left."""

    def __init__(self, amount: Amount, options: argparse.Namespace, folder: Path) -> None:
        self.amount, self.options, self.folder = amount, options, folder
        self.rivals = ROOT / ".venv-bench" / "bin" / "python"
        self.stem = find_days()[DAY].stem
        self.data: dict[str, Any] = {}
        self.missing: dict[str, str] = {}
        self.day: Project | None = None
        self.pieces: dict[str, films.Part] = {}

    def measure(self) -> dict[str, Any]:
        """Everything; what fails is noted under "missing" and stops nothing else."""
        begin, before = time.monotonic(), machine.load()
        self.data = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "quick": self.options.quick,
            "machine": machine.machine(),
            "versions": machine.versions(),
        }
        self.part("rival_versions", lambda: machine.rival_versions(self.rivals, self.folder))
        for name in PARTS:
            if self.options.only and name not in self.options.only:
                self.missing[name] = "left out by --only"
            else:
                print(f"[{(time.monotonic() - begin) / 60:4.1f} min] {name}", flush=True)
                self.part(name, getattr(self, f"measure_{name}"))
        self.data |= {"missing": self.missing, "load": [before, machine.load()]}
        return self.data | {"minutes": round((time.monotonic() - begin) / 60, 1)}

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        try:
            self.data[name] = measure()
        except Exception as error:  # whatever it is: the page must say that this part is missing, and why
            if not isinstance(error, BenchError):
                traceback.print_exc()
            reason = " ".join(str(error).replace(str(self.folder), "").replace(str(ROOT), "").split())
            self.missing[name] = reason[-400:] or type(error).__name__
            print(f"  not measured: {self.missing[name]}", flush=True)

    # ---------------------------------------------------------- parts

    def measure_day(self) -> dict[str, Any]:
        day = Project(self.folder / "day", self.options.source, str(DAY), LIGHT)
        experiment = []
        if not self.options.quick:
            alone = Project(self.folder / "alone", self.options.source, str(DAY))
            experiment = [vars(alone.build("--only", "record").usage)]
        found = builds.one_day(day, self.stem, self.amount.rounds, 60 * self.amount.day, self.amount.heavy)
        self.day = day
        return {**found, "number": DAY, "options": " ".join(LIGHT), "experiment": experiment}

    def built_day(self) -> Project:
        if self.day is None:
            raise BenchError("day 4 was not built")
        return self.day

    def measure_five(self) -> dict[str, Any]:
        day = self.built_day()
        kept = day.folder / "whole"  # the parts after this one look at the whole lecture
        day.out.rename(kept)
        try:
            return builds.five_minutes(day, self.stem, kept, self.amount.rounds, 60 * self.amount.day / 3)
        finally:
            builds.replace(day.out, kept)

    def piece(self, name: str, seconds: float | None) -> films.Part:
        if name not in self.pieces:
            day = self.built_day()
            work = Work.of(day.out / self.stem.partition("_")[0])
            self.pieces[name] = films.Part.of(work, self.folder / name, seconds, day.folder)
        return self.pieces[name]

    def measure_part(self) -> dict[str, Any]:
        piece = self.piece("part", self.amount.film)
        return films.compare(piece, self.rivals, self.amount.rounds, 60 * self.amount.rivals, self.amount.fast_ones)

    def measure_whole(self) -> dict[str, Any]:
        piece = self.piece("whole", None)
        return films.whole_film(piece, self.rivals, self.amount.rounds, 120, self.options.whole)

    def measure_floors(self) -> dict[str, Any]:
        return films.floors(self.piece("part", self.amount.film))

    def measure_clip_floor(self) -> dict[str, Any]:
        program, report = Path(__file__).with_name("clip_floor.py"), self.folder / "clip_floor.json"
        if not program.exists():
            raise BenchError("there is no tests/bench/clip_floor.py")
        out = self.built_day().out
        argv = [sys.executable, "-m", "tests.bench.clip_floor", str(out), str(report), str(self.amount.rounds)]
        run(argv, cwd=ROOT, log=self.folder / "clip_floor.log")
        return json.loads(report.read_text())

    def measure_seeks(self) -> dict[str, Any]:
        if not self.pieces:
            raise BenchError("there is no film to seek in")
        few = 20 if self.options.quick else films.SEEKS  # in the rivals' films; the target is that of the whole film
        return {n: films.seek_all(p, films.SEEKS if n == "whole" else few) for n, p in self.pieces.items()}

    def measure_course(self) -> dict[str, Any]:
        return builds.generated(self.small("course"), self.amount.days, self.amount.rounds)

    def measure_fifty(self) -> dict[str, Any]:
        return builds.fifty(self.small("fifty"), FIFTY, self.amount.rounds)

    def small(self, name: str) -> Project:
        """A course of small days, still to be written."""
        return Project(self.folder / name, self.options.source, "all", SMALL, course=self.folder / f"{name}-sources")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about five minutes: few repetitions, a short film")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the page from performance.json")
    parser.add_argument("--minutes", type=float, default=25, help="about how long it may take (25)")
    parser.add_argument("--whole", action="store_true", help="the whole film by moviepy, too (many minutes)")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="PARTS", help=", ".join(PARTS))
    parser.add_argument("--source", type=Path, default=ROOT, help="another checkout whose builds are measured")
    parser.add_argument("--scratch", type=Path, help="where the copies lie (some gigabytes)")
    parser.add_argument("--to", type=Path, default=DATA.parent, help="folder for performance.json and PERFORMANCE.md")
    options = parser.parse_args()
    unknown = set(options.only or ()) - set(PARTS)
    if unknown:
        parser.error(f"--only: no such part: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    options = arguments()
    data_file, page_file = options.to / DATA.name, options.to / PAGE.name
    if options.render:
        data = json.loads(data_file.read_text(encoding="utf-8"))
    else:
        os.environ.pop("OMP_NUM_THREADS", None)  # as a person would call it
        with tempfile.TemporaryDirectory(prefix="dl50-bench-", dir=options.scratch) as folder:
            amount = Amount.of(options.quick, options.minutes)
            data = Bench(amount, options, Path(folder)).measure()
        write_json(data_file, data)
    page_file.write_text(page.render(data, page.load_tunings()), encoding="utf-8")
    print(f"wrote {page_file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
