"""Several days from nothing on this machine: how long, and where the time goes.

    python -m tests.bench.weeks 1-14

builds them with empty caches (downloads included) in a folder that is then removed, or in the new folder `--keep`, and
writes the table of docs/SCALING.md. Quick preset, draft quality, the default voice.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from coursebuild.files import ROOT, read_json
from tests.bench import machine
from tests.bench.builds import film_minutes
from tests.bench.meter import run
from tests.bench.scaling import put, words
from tests.bench.tables import number, table

BEGIN, END = "<!-- weeks -->", "<!-- end of weeks -->"
OPTIONS = ("--preset", "quick", "--quality", "draft")
APART = ("run", "narrate", "animate")  # kinds of steps with a column of their own
LONGEST = 3 * 3600.0  # seconds that the build may take


def costs(out: Path) -> dict[int, dict[str, float]]:
    """For each day below `out`: CPU seconds by kind of step ("rest": all others), and minutes of film."""
    found: dict[int, dict[str, float]] = {}
    for stamp in sorted((out / ".stamps").glob("day*.json")):
        day, kind = re.fullmatch(r"day(\d+)-(\w+)", stamp.stem).groups()
        spent = found.setdefault(int(day), dict.fromkeys((*APART, "rest"), 0.0))
        spent[kind if kind in APART else "rest"] += read_json(stamp)["cpu_seconds"]
    for day, spent in found.items():
        spent["film"] = film_minutes(out / f"day{day:02d}")
    return found


def text(days: str, measured: dict[int, dict[str, float]], usage: Any, load: tuple[float, float]) -> str:
    """Markdown: what was built where, how long it took, and a row for each day."""
    m = machine.machine()
    kinds = (*APART, "rest")
    total = {kind: sum(spent[kind] for spent in measured.values()) for kind in (*kinds, "film")}
    rows = [(f"day {day}", spent) for day, spent in measured.items()] + [("all", total)]
    cells = [
        [name, *(number(spent[k]) for k in kinds), number(sum(spent[k] for k in kinds)), number(spent["film"])]
        for name, spent in rows
    ]
    return (
        f"`build.py {days} {' '.join(OPTIONS)}`, nothing in `out/` and no downloads kept: **{words(usage.wall)}** for"
        f" {len(measured)} days with {total['film']:.0f} minutes of film; {usage.cpu:,.0f} CPU seconds, at most"
        f" {usage.peak / 2**30:.1f} GiB.\n{m['processor']}, {m['cores']} cores, {m['system']},"
        f" {datetime.datetime.now(datetime.UTC).date()}; load average {load[0]:g} at the start, {load[1]:g} at the end."
        "\n\n" + table(["CPU seconds", *kinds, "together", "minutes of film"], cells)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("days", help="as build.py takes them: 1-14, week2, all")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a new folder, in which the build stays")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dl50-weeks-") as name:
        folder = Path(name)
        if wanted.keep:
            folder = wanted.keep.resolve()
            folder.mkdir(parents=True)  # an existing one may hold caches
        argv = [sys.executable, "build.py", wanted.days, *OPTIONS, "--out", folder / "out"]
        before = machine.load()
        env = {"DL50_CACHE": str(folder / "cache")}
        usage = run(argv, cwd=ROOT, log=folder / "build.log", env=env, timeout=LONGEST)
        found = text(wanted.days, costs(folder / "out"), usage, (before, machine.load()))
    put(found, BEGIN, END)
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
