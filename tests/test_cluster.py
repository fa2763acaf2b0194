"""`--cluster`: a scheduler and workers in processes of their own, on this machine, as they would be on others."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coursebuild.cluster import Cluster
from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.flow import Step
from coursebuild.graph import Outcome, build
from coursebuild.scaffold import create_day
from tests.test_course import SYLLABUS

pytestmark = pytest.mark.slow
START_SECONDS = 60
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}


class Machines:
    """A Dask scheduler, and workers by name."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self.folder, self.processes = f"tcp://127.0.0.1:{port}", folder, {}
        self.launch("scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")

    def worker(self, name: str, *options: str) -> None:
        self.launch(name, "worker", self.address, "--name", name, "--no-dashboard", "--no-nanny", *options)

    def launch(self, name: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "dask", *arguments]
        log = (self.folder / f"{name}.log").open("w")
        # a folder of its own: what a step finds by a relative path, it would not find on another machine
        self.processes[name] = subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stdout=log, stderr=log)

    def wait_for(self, workers: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=START_SECONDS, set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers, timeout=START_SECONDS)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    made = Machines(folder)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines")) as made:
        made.worker("plain", "--nthreads", "1")
        made.worker("gpu", "--nthreads", "1", "--resources", "GPU=1")
        made.wait_for(2)
        yield made


def steps_of(root: Path, texts: dict[str, str], gpu: str = "") -> list[Step]:
    """Each text is a step of its own; `all` joins what they made."""
    out = root / "out"

    def step(name: str, inputs: dict[str, Path]) -> Step:
        params = {"mark": "", "log": str(root / "log"), "name": name}
        return Step(
            f"day01-{name}", 1, "tests.graph_steps:join", inputs, {"y": out / name}, params, gpu=name in gpu.split()
        )

    for name, text in texts.items():
        (root / f"{name}.txt").write_text(text)
    made = [step(name, {"x": root / f"{name}.txt"}) for name in texts]
    return [*made, step("all", {name: out / name for name in texts})]


def run(address: str, steps: list[Step], root: Path) -> Outcome:
    out = root / "out"
    return build(steps, Cluster(address, out, out / ".cache"), root, out, lambda *_: None)


def test_a_build_on_the_cluster_and_nothing_to_do_afterwards(cluster, tmp_path):
    steps = steps_of(tmp_path, {"a": "one ", "b": "two "})
    outcome = run(cluster.address, steps, tmp_path)
    assert outcome.exit_code == 0 and set(outcome.states.values()) == {"built"}
    assert (tmp_path / "out" / "all").read_text() == "ONE TWO "
    assert all(d.seconds >= 0 and d.peak_bytes > 10**6 for d in outcome.done.values())
    again = run(cluster.address, steps, tmp_path)
    assert set(again.states.values()) == {"current"}


def test_experiments_go_to_the_worker_with_a_gpu(cluster, tmp_path):
    steps = steps_of(tmp_path, dict.fromkeys("abcd", "WORKER"), gpu="a b c d")
    assert run(cluster.address, steps, tmp_path).exit_code == 0
    assert {(tmp_path / "out" / name).read_text() for name in "abcd"} == {"GPU"}


def test_a_mistake_comes_back_as_it_was_raised(cluster, tmp_path):
    outcome = run(cluster.address, steps_of(tmp_path, {"a": "FAIL", "b": "two"}), tmp_path)
    assert outcome.states == {"day01-a": "failed", "day01-b": "built", "day01-all": "blocked"}
    assert isinstance(outcome.errors["day01-a"], CourseError) and "fails on purpose" in str(outcome.errors["day01-a"])


def test_the_last_worker_with_a_gpu_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("coursebuild.cluster.LOST_SECONDS", 3)
    monkeypatch.setattr("coursebuild.graph.LOOK_SECONDS", 1)
    with machines(tmp_path) as made:
        made.worker("plain", "--nthreads", "1")
        made.worker("gpu", "--nthreads", "1", "--resources", "GPU=1")
        made.wait_for(2)
        outcome = run(made.address, steps_of(tmp_path, {"a": "DIE ONCE", "b": "two"}, gpu="a"), tmp_path)
    assert outcome.states == {"day01-a": "failed", "day01-b": "built", "day01-all": "blocked"}
    assert "no worker with a GPU is left" in str(outcome.errors["day01-a"])


def test_a_worker_with_another_project_does_nothing(cluster, tmp_path, monkeypatch):
    place = Cluster(cluster.address, tmp_path / "out", tmp_path / "out" / ".cache")
    place.digest = "of another project"
    outcome = build(steps_of(tmp_path, {"a": "one"}), place, tmp_path, tmp_path / "out", lambda *_: None)
    assert "its worker has another project" in str(outcome.errors["day01-a"])


def test_a_lost_worker_s_step_is_done_elsewhere(tmp_path):
    with machines(tmp_path) as made:
        made.worker("first", "--nthreads", "1")
        made.wait_for(1)
        steps = steps_of(tmp_path, {"a": "DIE ONCE"})
        made.worker("second", "--nthreads", "1")
        made.wait_for(2)
        outcome = run(made.address, steps, tmp_path)
        dead = [made.processes[n].poll() for n in ("first", "second")]
    assert outcome.exit_code == 0 and set(outcome.states.values()) == {"built"}
    assert sorted(map(str, dead)) == [str(-signal.SIGKILL), "None"]
    assert (tmp_path / "log").read_text().split().count("a") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the cluster has no workers"),
        (["--nthreads", "2"], "several threads"),
    ],
)
def test_what_cannot_work_is_said_at_once(tmp_path, options, message):
    with machines(tmp_path) as made:
        if options:
            made.worker("w", *options)
        made.wait_for(1 if options else 0)
        with pytest.raises(CourseError, match=message):
            Cluster(made.address, tmp_path / "out", tmp_path / "cache")


def test_nobody_at_the_address(tmp_path, monkeypatch):
    monkeypatch.setattr("coursebuild.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(CourseError, match="no Dask scheduler answers at tcp://") as caught:
        Cluster("tcp://127.0.0.1:9", tmp_path / "out", tmp_path / "cache")
    assert "dask scheduler" in str(caught.value)


def test_a_whole_day_gives_the_same_report(cluster, tmp_path):
    """The toy day of `build.py new`, here and on the cluster: the same states, the same decks."""
    root = tmp_path / "course"
    (root / "lectures").mkdir(parents=True)
    (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
    create_day(1, "lines", root)

    def report(where: str, *options: str) -> dict:
        small = ("--preset", "smoke", "--quality", "draft", "--voice", "silent")
        command = [sys.executable, "build.py", "1", *small, "--root", str(root), "--out", str(tmp_path / where)]
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / where / "report.json").read_text())

    there, here = report("there", "--cluster", cluster.address), report("here")
    assert there["states"] == here["states"] and set(there["states"].values()) == {"built"}
    assert there.keys() == here.keys() and there["seconds"].keys() == here["seconds"].keys()
    for product in ("day01/work/timeline.json", "day01/work/geometry.json", "day01/day01_lines.vtt"):
        assert (tmp_path / "there" / product).read_bytes() == (tmp_path / "here" / product).read_bytes()
