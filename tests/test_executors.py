"""Where steps run: how many at once, with how many cores, how much memory and which GPU."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from coursebuild import executors
from coursebuild.estimates import GB, ranks
from coursebuild.executors import Local, default_jobs, gpu_names
from coursebuild.flow import Step
from coursebuild.graph import build
from coursebuild.stamps import read_stamp


def step(folder: Path, name: str, *, gpu: bool = False, cores: int = 1, needs: str = "", **params: Any) -> Step:
    inputs = {n: folder / n for n in needs.split()}
    product = {"y": folder / name}
    return Step(
        f"day01-{name}", 1, "tests.graph_steps:tell", inputs, product, {"name": name, **params}, gpu=gpu, cores=cores
    )


def told(folder: Path, steps: list[Step], executor: Local, state: str = "built") -> dict[str, dict[str, Any]]:
    outcome = build(steps, executor, folder, folder, lambda *_: None)
    assert set(outcome.states.values()) == {state}, outcome
    return {s.kind: json.loads(s.products["y"].read_text()) for s in steps}


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a["begin"] < b["end"] and b["begin"] < a["end"]


@pytest.mark.parametrize(
    ("cores", "memory", "jobs"),
    [(1, 64 * GB, 1), (2, 24 * GB, 2), (8, 16 * GB, 8), (8, 4 * GB, 2), (64, 256 * GB, 16), (64, 8 * GB, 5), (4, 0, 1)],
)
def test_jobs_by_default(cores, memory, jobs):
    assert default_jobs(cores, memory) == jobs


@pytest.mark.slow
def test_steps_run_side_by_side_but_not_more_than_there_are_jobs(tmp_path):
    steps = [step(tmp_path, n, meet="abc".replace(n, "")) for n in "abc"]
    seen = told(tmp_path, steps, Local(2, tmp_path / ".cache"))
    pairs = [overlap(seen[x], seen[y]) for x, y in ("ab", "ac", "bc")]
    assert sum(pairs) in (1, 2) and len({s["pid"] for s in seen.values()}) == 2
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_that_dies_while_idle_is_replaced(tmp_path):
    executor = Local(1, tmp_path / ".cache")
    first, second = step(tmp_path, "first"), step(tmp_path, "second", needs="first")

    def listen(event: str, done: Step, seconds: float) -> None:
        if (event, done.name) == ("done", "day01-first"):
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()
            time.sleep(1)  # the pool is told by the system; a step that is sent before counts as killed with it

    outcome = build([first, second], executor, tmp_path, tmp_path, listen)
    assert outcome.exit_code == 0 and set(outcome.states.values()) == {"built"}


@pytest.mark.slow
def test_memory_is_measured_and_respected(tmp_path):
    steps = [step(tmp_path, n, seconds=0.5, megabytes=300, meet=m) for n, m in ("ab", "ba")]
    seen = told(tmp_path, steps, Local(2, tmp_path / ".cache", memory=4 * GB))
    assert overlap(seen["a"], seen["b"])
    peak = read_stamp(steps[0], tmp_path)["peak_bytes"]
    assert 300 * 2**20 < peak < 700 * 2**20

    for name in "ab":
        (tmp_path / name).unlink()
    seen = told(tmp_path, steps, Local(2, tmp_path / ".cache", memory=int(1.5 * peak)))
    assert not overlap(seen["a"], seen["b"])
    (tmp_path / "a").unlink()
    told_alone = build(steps, Local(2, tmp_path / ".cache", memory=1), tmp_path, tmp_path, lambda *_: None)
    assert told_alone.states["day01-a"] == "built"  # what needs more than there is runs alone


@pytest.mark.slow
def test_a_step_of_many_cores_has_them_for_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "usable_cores", lambda: 2)
    wide = step(tmp_path, "wide", cores=4, seconds=0.5)
    steps = [wide, *(step(tmp_path, n, meet=m) for n, m in ("ab", "ba"))]
    seen = told(tmp_path, steps, Local(2, tmp_path / ".cache"))
    assert seen["wide"]["OMP_NUM_THREADS"] == "2" and seen["a"]["OMP_NUM_THREADS"] == "1"
    assert not overlap(seen["wide"], seen["a"]) and not overlap(seen["wide"], seen["b"])
    assert overlap(seen["a"], seen["b"])


@pytest.mark.slow
def test_each_gpu_has_one_step_at_a_time_and_a_step_sees_one_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    steps = [step(tmp_path, n, gpu=True, cores=4, meet="abc".replace(n, "")) for n in "abc"] + [step(tmp_path, "d")]
    seen = told(tmp_path, steps, Local(1, tmp_path / ".cache"))
    by_gpu = {gpu: [s for s in seen.values() if s["CUDA_VISIBLE_DEVICES"] == gpu] for gpu in ("3", "5")}
    assert sorted(len(steps) for steps in by_gpu.values()) == [1, 2]
    assert all(not overlap(*pair) for pair in by_gpu.values() if len(pair) == 2)
    assert seen["d"]["CUDA_VISIBLE_DEVICES"] == "3,5"  # it asks for no GPU and is given no share of one


def test_gpus_that_are_hidden_are_not_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_names() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2a,1")
    assert gpu_names() == ["GPU-8f2a", "1"]


def test_the_longest_chain_comes_first(tmp_path):
    steps = [step(tmp_path, "short"), step(tmp_path, "long"), step(tmp_path, "last", needs="long")]
    before = {"day01-short": set(), "day01-long": set(), "day01-last": {"day01-long"}}
    found = ranks(steps, before, {"day01-short": 3.0, "day01-long": 2.0, "day01-last": 5.0})
    assert found == {"day01-short": 3.0, "day01-long": 7.0, "day01-last": 5.0}
