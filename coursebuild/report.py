"""What a person sees of a build: live progress in a terminal, plain lines in a log, a table at the end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from coursebuild import estimates
from coursebuild.errors import CourseError, printable
from coursebuild.flow import Step
from coursebuild.graph import Outcome

COLOURS = {"built": "green", "current": "dim", "failed": "bold red", "blocked": "yellow", "stopped": "yellow"}
NAMES = {"current": "up to date", "blocked": "not tried"}


class Watch:
    """Listens to a build. `stale` are the steps that will run, `jobs` how many run at once."""

    def __init__(self, console: Console, stale: list[Step], out: Path, jobs: int) -> None:
        self.console, self.jobs = console, jobs
        self.left = {s.name: estimates.seconds(s, out) for s in stale}
        self.running: dict[str, float] = {}
        self.begin = time.monotonic()
        self.live = console.is_terminal and not os.environ.get("CI")
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.bar = Progress(*columns, TextColumn("{task.fields[left]}"), console=console, transient=True)
        self.task = self.bar.add_task("", total=len(stale), left="")

    def __enter__(self) -> Watch:
        if self.live:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def time_left(self) -> str:
        """The work that is left, spread over the jobs, but no less than the longest running step still needs."""
        now = time.monotonic()
        rest = {n: max(0.0, s - (now - self.running[n]) if n in self.running else s) for n, s in self.left.items()}
        seconds = max([sum(rest.values()) / self.jobs, *rest.values()], default=0.0)
        return f"about {seconds:.0f} s left" if seconds >= 1 else ""

    def __call__(self, event: str, step: Step, seconds: float) -> None:
        now = time.monotonic()
        if event == "start":
            self.running[step.name] = now
        else:
            self.running.pop(step.name, None)
            self.left.pop(step.name, None)
        if self.live:
            names = ", ".join(self.running) or "looking"
            done = 0 if event == "start" else 1
            self.bar.update(self.task, advance=done, description=names, left=self.time_left())
        else:
            word = {"start": "start", "done": f"done in {seconds:.1f} s", "failed": "FAILED"}[event]
            self.console.print(f"[{now - self.begin:6.1f} s] {step.name}: {word}", markup=False, highlight=False)


def table(steps: list[Step], outcome: Outcome, out: Path) -> Table:
    """Per day and step: what became of it, seconds, and where the product is."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("day", "right"), ("step", "left"), ("", "left"), ("seconds", "right"), ("product", "left")):
        shown.add_column(name, justify=justify)
    for step in steps:
        state = outcome.states[step.name]
        done = outcome.done.get(step.name)
        product = next(iter(step.products.values()))
        where = Path(os.path.relpath(product)) if product.is_relative_to(out) else product
        shown.add_row(
            str(step.day or ""),
            step.kind,
            f"[{COLOURS[state]}]{NAMES.get(state, state)}[/]",
            f"{done.seconds:.1f}" if done else "",
            str(where) if state in ("built", "current") else "",
        )
    return shown


def explain_error(error: BaseException, step: str) -> str:
    """An author's mistake as file:line; anything else is a defect of the builder and says so."""
    if isinstance(error, CourseError):
        return str(error)
    what = printable(f"{step}: {type(error).__name__}: {error}")
    return f"{what}\n  -> this is a defect of the builder; --verbose shows where"


def summary(outcome: Outcome) -> dict[str, Any]:
    """The machine-readable report."""
    return {
        "states": outcome.states,
        "seconds": {k: round(d.seconds, 2) for k, d in outcome.done.items()},
        "cpu_seconds": {k: round(d.cpu_seconds, 2) for k, d in outcome.done.items()},
        "peak_bytes": {k: d.peak_bytes for k, d in outcome.done.items()},
        "errors": {k: explain_error(e, k) for k, e in outcome.errors.items()},
        "exit_code": outcome.exit_code,
    }
