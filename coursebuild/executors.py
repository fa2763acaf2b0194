"""Where steps run: in processes of this machine, or (`coursebuild.cluster`) on a Dask cluster.

Both are `concurrent.futures` underneath.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from coursebuild.errors import CourseError
from coursebuild.files import die_with_parent, usable_cores
from coursebuild.flow import Step
from coursebuild.memory import free_bytes
from coursebuild.work import Done, execute

MOST_JOBS = 16  # by default; more steps at once have nothing to do but to wait for the disk
JOB_BYTES = 3 * 2**29  # what a job is taken to need before anything was measured: 1.5 GB


class Executor(Protocol):
    """What a build asks of the place where its steps run."""

    def lane(self, step: Step) -> str:
        """Steps of one lane wait for the same places: where the first finds none, the others keep waiting."""

    def room(self, step: Step, peak_bytes: int) -> bool:
        """Could the step start now?"""

    def submit(self, step: Step, peak_bytes: int) -> Future[Done]:
        """Start the step."""

    def result(self, step: Step, future: Future[Done]) -> Done:
        """What an ended step returned, or raise what it raised; its place is free again."""

    def look(self, steps: Iterable[Step]) -> None:
        """Called while nothing ends: CourseError if these running steps cannot end any more."""

    def kill(self) -> None:
        """End all that runs, at once."""

    def close(self) -> None:
        """End the workers, none of which is busy."""


# ------------------------------------------------------------------ this machine


def default_jobs(cores: int | None = None, memory: int | None = None) -> int:
    """As many steps at once as there are cores, and memory for each; at most MOST_JOBS."""
    cores = cores or usable_cores()
    memory = free_bytes() if memory is None else memory
    return max(1, min(cores, memory // JOB_BYTES, MOST_JOBS))


def gpu_names() -> list[str]:
    """The GPUs that steps may use, as CUDA_VISIBLE_DEVICES names them; torch is not imported."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [n for n in named.split(",") if n.strip() not in ("", "-1")]
    return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def begin_worker(gpu: str | None) -> None:
    """Runs first in every process: it ends with the builder, leaves Ctrl-C to it, and sees one GPU at most."""
    if builder := multiprocessing.parent_process():
        die_with_parent(builder.pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


class Slot:
    """A process that runs one step at a time. If it dies, only that step is lost, and the next gets a new process."""

    def __init__(self, gpu: str | None = None) -> None:
        self.gpu, self.pool = gpu, None

    def submit(self, *arguments: Any) -> Future[Done]:
        if self.pool is None:
            spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
            self.pool = ProcessPoolExecutor(1, spawn, begin_worker, (self.gpu,))
        try:
            return self.pool.submit(execute, *arguments)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.close()
            return self.submit(*arguments)

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.pool = None


class Local:
    """Processes of this machine: at most `jobs` steps, no more cores and memory than there are, a GPU to a step."""

    def __init__(self, jobs: int, cache: Path, verbose: bool = False, memory: int | None = None) -> None:
        self.jobs, self.cache, self.verbose = jobs, cache, verbose
        self.cores, self.memory = usable_cores(), free_bytes() if memory is None else memory
        self.idle = {"CPU": [Slot() for _ in range(jobs)], "GPU": [Slot(name) for name in gpu_names()]}
        self.has_gpus = bool(self.idle["GPU"])
        self.slots = [*self.idle["CPU"], *self.idle["GPU"]]
        self.busy: dict[Slot, tuple[int, int]] = {}  # cores and bytes
        self.slot_of: dict[Future[Done], Slot] = {}

    def lane(self, step: Step) -> str:
        return "GPU" if step.gpu and self.has_gpus else "CPU"

    def share(self, step: Step) -> int:
        """Cores that a step takes: those that it can use. (One on a GPU takes none from the others.)"""
        return min(step.cores, self.cores) if self.lane(step) == "CPU" else 0

    def room(self, step: Step, peak_bytes: int) -> bool:
        taken = list(self.busy.values())
        cores = sum(c for c, _ in taken) + self.share(step)
        memory = sum(m for _, m in taken) + peak_bytes
        fits = cores <= max(self.cores, self.jobs) and memory <= self.memory
        return bool(self.idle[self.lane(step)]) and (fits or not taken)

    def submit(self, step: Step, peak_bytes: int) -> Future[Done]:
        slot = self.idle[self.lane(step)].pop()  # the one that worked last: what it has imported is still there
        self.busy[slot] = (self.share(step), peak_bytes)
        future = slot.submit(step, self.cache, self.share(step) or self.cores, self.verbose)
        self.slot_of[future] = slot
        return future

    def result(self, step: Step, future: Future[Done]) -> Done:
        slot = self.slot_of.pop(future)
        del self.busy[slot]
        self.idle[self.lane(step)].append(slot)
        try:
            return future.result()
        except BrokenProcessPool:
            slot.close()
            what = f"{step.name}: its process was killed, most likely because memory ran out"
            raise CourseError(what, hint="build with --jobs 1, or a smaller preset") from None

    def look(self, steps: Iterable[Step]) -> None:
        """A process that dies is noticed at once; limits are the steps' own."""

    def kill(self) -> None:
        import psutil

        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "resource_tracker" not in " ".join(process.cmdline()):  # Python's own: ends with us, not before
                    process.kill()

    def close(self) -> None:
        for slot in self.slots:
            slot.close()
