"""Steps on the workers of a Dask scheduler that share the project's folder."""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from coursebuild.digests import content
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, atomic, key_of, usable_cores
from coursebuild.flow import Step
from coursebuild.keys import source_key
from coursebuild.work import Done, execute

CONNECT_SECONDS = 10
LOST_SECONDS = 60  # so long a step waits for a worker that could take it, once there is none any more
HANDED_ON = ("DL50_DATA", "DL50_FONTS", "DL50_OFFLINE")  # what a step may see of the builder's environment
SAME = "all must use the same checkout, and the environment that requirements.lock describes; then start them again"
START = "start workers in the checkout: PYTHONPATH=.:scripts .venv/bin/dask worker ADDRESS --nthreads 1"


class Cluster:
    """Workers of one thread each; those with `--resources GPU=1` get the experiments, which go anywhere without any.

    Dask starts a step whose worker was lost on another one.
    """

    def __init__(self, address: str, out: Path, cache: Path, verbose: bool = False) -> None:
        from distributed import Client

        self.cache, self.verbose, self.digest = cache, verbose, project()
        self.running: set[Future[Done]] = set()
        self.lost_since: float | None = None
        try:
            self.client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            hint = "start one with `dask scheduler`, see docs/SCALING.md"
            raise CourseError(f"no Dask scheduler answers at {address}: {error}", hint=hint) from None
        try:
            workers = self.check(out)
        except BaseException:
            self.client.close()
            raise
        hosts = [w["host"] for w in workers]
        self.neighbours = max(hosts.count(h) for h in hosts)  # workers that share the cores of the fullest machine
        self.gpu = {"GPU": 1} if any("GPU" in w["resources"] for w in workers) else {}
        wanted = ((True, self.gpu), (False, {}))
        self.places = {tag: self.client.get_executor(pure=False, resources=r) for tag, r in wanted}

    def seen(self) -> list[dict[str, Any]]:
        """The workers that the scheduler knows now; none if it does not answer."""
        try:
            return list(self.client.scheduler_info(n_workers=-1)["workers"].values())
        except (OSError, ValueError, KeyError):
            return []

    def check(self, out: Path) -> list[dict[str, Any]]:
        """The workers; CourseError if one of them could not do the work as this machine would."""
        workers = self.seen()
        if not workers:
            raise CourseError("the cluster has no workers", hint=START)
        if many := [w["name"] for w in workers if w["nthreads"] != 1]:
            raise CourseError(f"worker {many[0]} has several threads", hint="start workers with --nthreads 1")
        out.mkdir(parents=True, exist_ok=True)
        with atomic(out / ".token") as token:
            token.write_text(word := secrets.token_hex(8))
        try:
            views = self.client.run(view, out / ".token")
        except Exception as error:  # whatever a worker that lacks the project says
            raise CourseError(f"a worker cannot look at the project: {error!r}", hint=START) from None
        for worker, (read, digest) in views.items():
            if read != word:
                hint = "the folder must be shared by all, at the same path"
                raise CourseError(f"worker {worker} does not see {out}", hint=hint)
            if digest != self.digest:
                raise CourseError(f"worker {worker} has another project or other versions than this machine", hint=SAME)
        return workers

    def lane(self, step: Step) -> str:
        return "GPU" if step.gpu and self.gpu else "CPU"

    def room(self, step: Step, peak_bytes: int) -> bool:
        """As many steps are handed out as there are workers: so the longest chain is first on a cluster, too."""
        return len(self.running) < max(1, len(self.seen()))

    def submit(self, step: Step, peak_bytes: int) -> Future[Done]:
        told = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        arguments = (step, self.cache, self.neighbours, self.verbose, self.digest, told)
        future = self.places[step.gpu].submit(on_a_worker, *arguments)
        self.running.add(future)
        return future

    def result(self, step: Step, future: Future[Done]) -> Done:
        from distributed import KilledWorker

        self.running.discard(future)
        try:
            return future.result()
        except KilledWorker as error:
            what = f"{step.name}: {error.allowed_failures + 1} workers died of it, most likely because memory ran out"
            raise CourseError(what, hint="give the workers more memory, or choose a smaller preset") from None
        except CancelledError:
            what = f"{step.name}: the scheduler was lost"
            raise CourseError(what, hint="start it again, and the same command: what is finished stays") from None

    def look(self, steps: Iterable[Step]) -> None:
        workers = self.seen()
        gpus = [w for w in workers if "GPU" in w["resources"]]
        if workers and (gpus or not any(self.lane(s) == "GPU" for s in steps)):
            self.lost_since = None
            return
        now = time.monotonic()
        self.lost_since = now if self.lost_since is None else self.lost_since
        if now - self.lost_since >= LOST_SECONDS:
            what = "no worker with a GPU is left" if workers else "no worker is left"
            raise CourseError(f"{what}; waited {LOST_SECONDS} s for another one", hint=START)

    def kill(self) -> None:
        """Take back what waits. A step that a machine has begun ends there, and counts for nothing."""
        for place in self.places.values():
            place.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        self.client.close()


@functools.cache  # of what this process has loaded: a worker that is older than its sources must be started again
def project() -> str:
    """Digest of the builder's code with all steps, of the versions of its tools, and of the templates."""
    steps = sorted((ROOT / "coursebuild" / "steps").glob("*.py"))
    names = ["coursebuild.cli", *(f"coursebuild.steps.{p.stem}" for p in steps if p.stem != "__init__")]
    return key_of([source_key(name) for name in names], content(ROOT / "templates"))


def view(token: Path) -> tuple[str, str]:
    """What a worker sees: the token in the shared folder, and its project."""
    return token.read_text() if token.exists() else "", project()


def on_a_worker(
    step: Step, cache: Path, neighbours: int, verbose: bool, digest: str, environment: dict[str, str]
) -> Done:
    """`execute` with this worker's share of its machine's cores, if it has the project that the builder has."""
    if project() != digest:
        raise CourseError(f"{step.name}: its worker has another project or other versions", hint=SAME)
    for name in HANDED_ON:
        os.environ.pop(name, None)
    os.environ.update(environment)
    return execute(step, cache, max(1, usable_cores() // neighbours), verbose)
