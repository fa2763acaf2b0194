"""What the scripts share besides data: settings, timing, plots."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from lab import plots, settings, timing

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
