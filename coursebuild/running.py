"""`build.py run`: the experiments alone, for a GPU machine that has nothing but torch and matplotlib."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from coursebuild.course import Day, find_days, select
from coursebuild.errors import CourseError, machine_errors, printable
from coursebuild.files import ROOT, put, remove, sweep, temporary
from coursebuild.lock import build_lock
from coursebuild.model import Record
from coursebuild.reading import CONTROL
from coursebuild.shapes import Wrong, plain
from coursebuild.steps.run import run

KEPT = ("record.json", "arrays.npz", "stdout.log")  # of a record, besides the figures' SVGs


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="build.py run", description="Run the experiments of DAYS, nothing else.")
    p.add_argument("days", nargs="?", default="all", help="4, 1-7, 4,8, week3 or all")
    p.add_argument("--preset", choices=("smoke", "quick", "full"), help="default: full where CUDA is found, else quick")
    p.add_argument("--record", action="store_true", help="keep what was measured under records/, to be committed")
    p.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    p.add_argument("--out", type=Path, help="default: out/ of the course")
    p.add_argument("--data", type=Path, help="your own folder with data sets and models; the same as DL50_DATA")
    p.add_argument("--root", type=Path, default=ROOT)
    return p


def read_settings(pairs: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """`epochs=3` -> {"epochs": 3}; a value that is no JSON is a text. Raises CourseError for what is no setting."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise CourseError(f"--set {pair}: not of the form name=value", hint="write --set epochs=3")
        try:
            found[name] = plain(json.loads(value))
        except Wrong as error:  # NaN, an infinity
            raise CourseError(f"--set {name}: {error.what}", hint="write --set epochs=3") from None
        except (ValueError, RecursionError):
            found[name] = value
        if CONTROL.search(pair):
            raise CourseError(f"--set {pair}: holds a character that cannot be shown", hint="write --set epochs=3")
    return found


def keep(day: Day, record: Path) -> Path:
    """Copy what is worth committing of a record to records/dayNN; returns the folder."""
    target = day.root / "records" / f"day{day.number:02d}"
    sweep(target.parent)
    fresh = temporary(target)
    (fresh / "figures").mkdir(parents=True)
    try:
        for name in KEPT:
            shutil.copyfile(record / name, fresh / name)
        for figure in sorted((record / "figures").glob("*.svg")):
            shutil.copyfile(figure, fresh / "figures" / figure.name)
        put(fresh, target)
    finally:
        remove(fresh)
    return target


def run_day(day: Day, out: Path, preset: str | None, settings: dict[str, Any]) -> Path:
    """Run a day's script; its record replaces the old one only when it is complete."""
    target = out / f"day{day.number:02d}" / "record"
    part = temporary(target)
    try:
        params = {"preset": preset, "settings": settings, "limit": None, "again": True}
        run({"script": day.source("script")}, {"record": part}, params, out / ".cache")
        put(part, target)
    finally:
        remove(part)
    return target


def tell(day: Day, record: Record, seconds: float) -> None:
    where = record.provenance
    print(f"day {day.number}: {where['preset']} run on {where['device']}, {seconds:.1f} s")
    for name, value in sorted(record.metrics.items()):
        print(printable(f"  {name} = {value:.6g}" if isinstance(value, float) else f"  {name} = {value}"))
    for sentence, held in record.claims.items():
        print(printable(f"  CLAIM {sentence} -> {'HELD' if held else 'DID NOT HOLD'}"))


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 if every experiment ran."""
    args = parser().parse_args(argv)
    root = args.root.resolve()
    if args.data:
        os.environ["DL50_DATA"] = str(args.data.resolve())
    failed = 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # by way of what cleans up
    try:
        days = select(args.days, find_days(root))
        settings = read_settings(args.settings)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    for day in days:
        begin = time.monotonic()
        try:
            day.check()
            out = (args.out or root / "out").resolve()
            with build_lock(out), machine_errors(out):
                folder = run_day(day, out, args.preset, settings)
            tell(day, Record.load(folder / "record.json"), time.monotonic() - begin)
            if args.record:
                with machine_errors(root / "records"):
                    print(f"  kept in {keep(day, folder)}")
        except CourseError as error:
            print(error, file=sys.stderr)
            failed = 1
        except KeyboardInterrupt:
            print(f"day {day.number}: stopped; its last record stays", file=sys.stderr)
            return 128 + signal.SIGINT
    return failed
