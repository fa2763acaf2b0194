"""The engine: what is stale, in which order, and what becomes of it. Executors run the steps.

Whether a step must run is decided when all that it needs has ended, by contents: a step that gave what it gave before
wakes nothing after it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from coursebuild import estimates
from coursebuild.errors import CourseError, machine_errors
from coursebuild.executors import Executor
from coursebuild.files import sweep
from coursebuild.flow import Step, makers
from coursebuild.stamps import fingerprint, label, reasons, settle, write_stamp
from coursebuild.work import Done

LOOK_SECONDS = 10.0  # between two looks at an executor while nothing ends
Listener = Callable[[str, Step, float], None]  # ("start" | "done" | "failed"), step, seconds


@dataclass
class Outcome:
    """What became of each step: "built", "current", "failed", "blocked" (a step before it failed) or "stopped"."""

    states: dict[str, str] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    stopped_by: int | None = None  # a signal

    @property
    def exit_code(self) -> int:
        return 128 + self.stopped_by if self.stopped_by else 1 if self.errors else 0


class Stopped(BaseException):
    """A signal asks for an end."""


@contextmanager
def stoppable(outcome: Outcome) -> Iterator[None]:
    """Ctrl-C and SIGTERM raise Stopped, once: what is done then to end the build is not disturbed."""

    def stop(number: int, _: Any) -> None:
        if outcome.stopped_by is None:
            outcome.stopped_by = number
            raise Stopped

    main = threading.current_thread() is threading.main_thread()
    handlers = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)} if main else {}
    try:
        yield
    except Stopped:
        pass
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Build:
    """One build: its loop and what it keeps."""

    def __init__(self, steps: list[Step], executor: Executor, root: Path, out: Path, listen: Listener) -> None:
        self.executor, self.root, self.out, self.listen = executor, root, out, listen
        self.steps = {s.name: s for s in steps}
        self.before = makers(steps)
        self.made = {path for s in steps for path in s.products.values()}
        self.ranks = estimates.ranks(steps, self.before, {s.name: estimates.seconds(s, out) for s in steps})
        self.peaks = {s.name: estimates.peak_bytes(s, out) for s in steps}
        self.order = TopologicalSorter(self.before)
        self.order.prepare()
        self.outcome = Outcome()
        self.waiting: list[Step] = []
        self.running: dict[Future[Done], tuple[Step, dict[str, Any], dict[str, Any]]] = {}

    def go(self) -> Outcome:
        with stoppable(self.outcome):
            try:
                while self.order.is_active():
                    for name in self.order.get_ready():
                        self.look_at(self.steps[name])
                    self.start_what_fits()
                    if self.running:
                        ended = wait(self.running, LOOK_SECONDS, FIRST_COMPLETED).done
                        for future in ended:
                            self.end(future)
                        if not ended:
                            self.look()
            except BaseException:
                self.executor.kill()
                raise
            finally:
                self.executor.close()
                if self.running or self.outcome.errors:  # something was killed, or may have been
                    sweep(self.out)
        for name in self.steps:
            self.outcome.states.setdefault(name, "stopped")
        return self.outcome

    def settle(self, step: Step, state: str) -> None:
        self.outcome.states[step.name] = state
        self.order.done(step.name)

    def look_at(self, step: Step) -> None:
        """All that the step needs has ended: is there something to do?"""
        if any(self.outcome.states[name] in ("failed", "blocked") for name in self.before[step.name]):
            self.settle(step, "blocked")
        elif reasons(step, self.root, self.out):
            self.waiting.append(step)
        else:
            self.settle(step, "current")

    def start_what_fits(self) -> None:
        """Longest chain first. A step that finds no room keeps the others of its kind from taking it away."""
        self.waiting.sort(key=lambda s: -self.ranks[s.name])
        full: set[str] = set()
        for step in list(self.waiting):
            lane, peak = self.executor.lane(step), self.peaks[step.name]
            if lane in full or not self.executor.room(step, peak):
                full.add(lane)
                continue
            self.waiting.remove(step)
            # noted now: a source that is saved while its step runs is not what it was built from
            noted, saved = fingerprint(step, self.root), self.saved(step)
            self.listen("start", step, 0.0)
            self.running[self.executor.submit(step, peak)] = (step, noted, saved)

    def saved(self, step: Step) -> dict[str, tuple[int, ...]]:
        """When the step's sources were saved: one that is changed and changed back meanwhile may have been read."""
        found = {}
        for name, path in step.inputs.items():
            if path.is_file() and not any(p in self.made for p in (path, *path.parents)):
                status = path.stat()
                found[label(name, path, self.root)] = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return found

    def look(self) -> None:
        """Nothing has ended for a while: do not wait for what cannot end."""
        try:
            self.executor.look([step for step, *_ in self.running.values()])
        except CourseError as error:
            for step, *_ in self.running.values():
                self.fail(step, error)
            self.running.clear()

    def fail(self, step: Step, error: BaseException) -> None:
        self.outcome.errors[step.name] = error
        self.listen("failed", step, 0.0)
        self.settle(step, "failed")

    def end(self, future: Future[Done]) -> None:
        step, noted, saved = self.running.pop(future)
        try:
            done = self.executor.result(step, future)
            now = self.saved(step)
            noted["inputs"] |= {name: "saved meanwhile" for name, when in saved.items() if now.get(name) != when}
            with machine_errors(self.out):
                write_stamp(step, self.out, noted, done)
        except Exception as error:
            self.fail(step, error)
            return
        self.outcome.done[step.name] = done
        self.listen("done", step, done.seconds)
        self.settle(step, "built")


def build(steps: list[Step], executor: Executor, root: Path, out: Path, listen: Listener) -> Outcome:
    """Run what is stale. A failed step blocks only what needs it."""
    outcome = Build(steps, executor, root, out, listen).go()
    settle(steps)
    return outcome
