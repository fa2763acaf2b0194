"""The engine: pytask decides which steps are stale, Dask runs them, here or on a cluster.

pytask's tasks run in threads that do nothing but wait for Dask, so that a CourseError comes back as it was raised.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError
from coursebuild.files import sha256, usable_cores
from coursebuild.flow import Step
from coursebuild.keys import content, source_key
from coursebuild.stamps import fingerprint, params_key, write_stamp
from coursebuild.work import execute

Listener = Callable[[str, Step, float], None]  # ("start" | "done" | "failed"), step, seconds


@dataclass(kw_only=True)
class ContentNode:
    """A file or folder for pytask, whose state is its contents. Signature: where it is.

    A source is `frozen` when the build begins: one that is saved while its step runs counts as changed afterwards.
    """

    name: str
    path: Path
    frozen: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    node_info: Any = None

    @property
    def signature(self) -> str:
        return sha256(f"file:{self.path}")

    def state(self) -> str | None:
        return self.frozen or content(self.path)

    def load(self, is_product: bool = False) -> Path:
        return self.path

    def save(self, value: Any) -> None:
        raise NotImplementedError("steps write their products themselves")


@dataclass(kw_only=True)
class ValueNode:
    """A parameter for pytask. (PythonNodes of tasks without a path share a signature: changes go unseen.)"""

    name: str
    value: str
    attributes: dict[str, Any] = field(default_factory=dict)
    node_info: Any = None

    @property
    def signature(self) -> str:
        return sha256(f"value:{self.name}")

    def state(self) -> str:
        return sha256(self.value)

    def load(self, is_product: bool = False) -> str:
        return self.value

    def save(self, value: Any) -> None:
        raise NotImplementedError("parameters are not written")


@dataclass
class Outcome:
    """What became of each step: "built", "current", "failed", "blocked" (a step before it failed) or "stopped"."""

    states: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        interrupted = 128 + signal.SIGINT
        return interrupted if self.interrupted else 1 if self.errors else 0


class Pool:
    """Dask workers, started when the first step must run: one per job, and one more per GPU that carries its tag."""

    def __init__(self, jobs: int, gpus: int, cache: Path, verbose: bool, address: str | None = None) -> None:
        self.jobs, self.gpus, self.cache, self.verbose, self.address = jobs, gpus, cache, verbose, address
        self.lock, self.closing = threading.Lock(), threading.Lock()
        self.client, self.cluster, self.cancelled = None, None, False
        # Steps wait here and not at a worker: a worker that dies takes all the steps with it that were sent to it.
        cpu = threading.Semaphore(jobs)
        self.slots = {"CPU": cpu, "GPU": threading.Semaphore(gpus) if gpus else cpu}

    def start(self) -> None:
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # inherited by the workers
        import dask
        from distributed import Client, Nanny, Scheduler, SpecCluster

        dask.config.set({"distributed.scheduler.allowed-failures": 0})  # an experiment is not run again in silence
        if self.address:
            self.client = Client(self.address)
            return
        # Dask's resources belong to a worker: with a GPU, runs wait for its worker and the others stay free.
        tags = [{"CPU": 1} if self.gpus else {"CPU": 1, "GPU": 1}] * self.jobs + [{"GPU": 1}] * self.gpus
        here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}  # for nobody else
        options = {**here, "nthreads": 1, "memory_limit": 0, "preload": ["coursebuild.work_preload"]}
        workers = {i: {"cls": Nanny, "options": {**options, "resources": t}} for i, t in enumerate(tags)}
        self.cluster = SpecCluster(workers=workers, scheduler={"cls": Scheduler, "options": here}, silence_logs=50)
        self.client = Client(self.cluster)

    def run(self, step: Step, begin: Callable[[], None]) -> float:
        """Execute a step on a worker and wait for it; calls `begin` first, and raises what the step raised."""
        tag = "GPU" if step.gpu else "CPU"
        with self.slots[tag] if self.address is None else nullcontext():
            with self.lock:
                if self.client is None and not self.cancelled:
                    self.start()
                client = self.client
            if self.cancelled or client is None:
                raise KeyboardInterrupt
            begin()
            return self.wait_for(client, step, tag)

    def wait_for(self, client: Any, step: Step, tag: str) -> float:
        from distributed import KilledWorker

        arguments = (step, self.cache, max(1, usable_cores() // self.jobs), self.verbose)
        how = {"pure": False, "retries": 0, "resources": {tag: 1}, "key": step.name}
        try:
            return client.submit(execute, *arguments, **how).result()
        except KilledWorker:
            what = f"{step.name}: its process was killed, most likely because memory ran out"
            raise CourseError(what, hint="build with --jobs 1, or a smaller preset") from None

    def close(self) -> None:
        """Stop all workers; safe to call twice and from two threads."""
        self.cancelled = True
        with self.closing:
            things, self.client, self.cluster = (self.client, self.cluster), None, None
            for thing in things:
                if thing is not None:
                    with suppress(Exception):  # whatever a half-closed cluster says: it is to be gone
                        thing.close(timeout=5)


def to_pytask(step: Step, makers: dict[Path, str], act: Callable[[Step], None]) -> Any:
    from pytask import TaskWithoutPath

    def node(path: Path) -> ContentNode:
        # a file inside a product stands for that product, so that pytask sees who makes it
        made = next((p for p in (path, *path.parents) if p in makers), None)
        return ContentNode(name=str(made or path), path=made or path, frozen=None if made else content(path))

    files = {n.signature: n for n in map(node, (*step.inputs.values(), *step.watch))}
    code = source_key(step.function.partition(":")[0])
    values = {**params_key(step), "(code)": code}

    def call(files: Any, values: Any, products: Any) -> None:
        act(step)

    return TaskWithoutPath(
        name=step.name,
        function=call,
        depends_on={
            "files": list(files.values()),
            "values": [ValueNode(name=f"{step.name}::{k}", value=v) for k, v in sorted(values.items())],
        },
        produces={"products": [ContentNode(name=str(p), path=p) for p in step.products.values()]},
        attributes={"step": step},
    )


def build(steps: list[Step], pool: Pool, root: Path, out: Path, listen: Listener) -> Outcome:
    """Run what is stale. A failed step blocks only what needs it."""
    import pytask

    outcome = Outcome()

    def act(step: Step) -> None:
        before: dict[str, Any] = {}  # a source that is saved while the step runs is not what it was built from

        def begin() -> None:
            before.update(fingerprint(step, root))
            listen("start", step, 0.0)

        try:
            outcome.seconds[step.name] = pool.run(step, begin)
        except BaseException as error:
            if not outcome.interrupted:
                outcome.errors[step.name] = error
                listen("failed", step, 0.0)
            raise
        write_stamp(step, out, before, outcome.seconds[step.name])
        listen("done", step, outcome.seconds[step.name])

    def stop(*_: Any) -> None:
        outcome.interrupted = True
        threading.Thread(target=pool.close, daemon=True).start()
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    handlers = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)} if main else {}
    pytask.console.quiet = True  # the listener tells what happens
    makers = {path: s.name for s in steps for path in s.products.values()}
    try:
        session = pytask.build(
            tasks=[to_pytask(s, makers, act) for s in steps],
            paths=[],
            verbose=0,
            config=engine_home(out),
            parallel_backend="threads",
            n_workers=len(steps) + 1,
            capture="no",
        )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        pool.close()
    read_reports(session, outcome, root, out)
    for step in steps:
        outcome.states.setdefault(step.name, "stopped")
    return outcome


def engine_home(out: Path) -> Path:
    """pytask keeps what it knows beside its configuration: below out/, so that `make clean` forgets both."""
    config = out / ".engine" / "pyproject.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[tool.pytask.ini_options]\n")
    return config


STATES = {"SUCCESS": "built", "SKIP_UNCHANGED": "current", "SKIP_PREVIOUS_FAILED": "blocked"}


def read_reports(session: Any, outcome: Outcome, root: Path, out: Path) -> None:
    """Fill the outcome from pytask's reports. (pytask itself ends with 0 after Ctrl-C.)"""
    for report in session.execution_reports:
        step = report.task.attributes["step"]
        state = STATES.get(report.outcome.name, "failed")
        outcome.states[step.name] = state
        if state == "current":
            write_stamp(step, out, fingerprint(step, root))
        if state == "failed" and step.name not in outcome.errors and not outcome.interrupted:
            outcome.errors[step.name] = report.exc_info[1]
    if session.exit_code and not outcome.errors and not outcome.interrupted:
        broken = [r.exc_info[1] for r in getattr(session, "collection_reports", []) if r.exc_info]
        outcome.errors["engine"] = broken[0] if broken else RuntimeError(f"the engine stopped: {session.exit_code}")
