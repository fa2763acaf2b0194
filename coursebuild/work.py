"""What happens on a worker: one step is executed, its products are verified and renamed into place."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coursebuild.digests import content
from coursebuild.errors import CourseError, of_the_machine
from coursebuild.files import put, remove, temporary
from coursebuild.flow import Step
from coursebuild.reads import noting

THREAD_CAPS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
SAMPLE_SECONDS = 0.25  # how often a step's memory is looked at


@dataclass(frozen=True)
class Done:
    """What a step took, and what it used of its inputs."""

    seconds: float  # wall clock
    cpu_seconds: float  # user and system, child processes included
    peak_bytes: int  # the most resident memory at one moment, child processes included
    reads: dict[str, list[str]] = field(default_factory=dict)  # input: the parts of it that were read
    products: dict[str, str | None] = field(default_factory=dict)  # name: digest


def verify(step: Step, name: str, path: Path) -> None:
    """A product is there and not empty; CourseError otherwise (the step's own checks went before)."""
    there = any(path.iterdir()) if path.is_dir() else path.exists() and path.stat().st_size > 0
    if not there:
        raise CourseError(f"step {step.name} ended without its product `{name}` ({path.name})")


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class Memory:
    """Looks at the resident memory of this process and its children while a step runs; `peak` in bytes."""

    def __init__(self) -> None:
        import psutil

        self.process, self.gone, self.peak, self.over = psutil.Process(), psutil.Error, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def look(self) -> None:
        used = 0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(self.gone):  # a child that has just ended
                used += process.memory_info().rss
        self.peak = max(self.peak, used)

    def watch(self) -> None:
        while not self.over.wait(SAMPLE_SECONDS):
            self.look()

    def __enter__(self) -> Memory:
        self.look()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def settings(threads: int, verbose: bool) -> Iterator[None]:
    """The environment that a step and its child processes see: OMP_NUM_THREADS is how many cores it may use."""
    wanted = dict.fromkeys(THREAD_CAPS, str(threads)) | ({"DL50_VERBOSE": "1"} if verbose else {})
    before = {name: os.environ.get(name) for name in (*THREAD_CAPS, "DL50_VERBOSE")}
    os.environ.pop("DL50_VERBOSE", None)
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def execute(step: Step, cache: Path, threads: int, verbose: bool = False) -> Done:
    """Run one step here. Raises what the step raises, leaves nothing half-written."""
    module, _, function = step.function.partition(":")
    begin, spent = time.monotonic(), cpu_seconds()
    parts = {name: temporary(path) for name, path in step.products.items()}
    try:
        for path in parts.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        with settings(threads, verbose), Memory() as memory, noting() as noted:
            getattr(importlib.import_module(module), function)(step.inputs, parts, step.params, cache)
        read = {name: sorted(found) for name, found in noted.items()}
        for name, path in parts.items():
            verify(step, name, path)
        made = {name: content(path) for name, path in parts.items()}  # before anybody else can touch them
        for name, path in parts.items():
            put(path, step.products[name])
    except Exception as error:
        told = portable(error, step)
        if told is error:
            raise
        raise told from error
    finally:
        for path in parts.values():
            with contextlib.suppress(OSError):
                remove(path)
    return Done(time.monotonic() - begin, cpu_seconds() - spent, memory.peak, read, made)


def portable(error: Exception, step: Step) -> Exception:
    """The error as it can travel to the builder: what the machine refused as a CourseError, and no foreign classes."""
    if isinstance(error, CourseError):
        return error
    if told := of_the_machine(error, next(iter(step.products.values()))):
        return told
    try:
        pickle.loads(pickle.dumps(error))  # fails for those that take other arguments than they keep
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
