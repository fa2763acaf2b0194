"""Day 12's functions against closed forms and torch, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from itertools import combinations, pairwise
from math import ceil, comb
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day12_hyperparameter_tuning")
TABLES = ("OPTIMIZERS", "SCHEDULES", "loss_fn", "LOWEST", "BATCHES", "SGD_RATES")
CONFIG = {"lr": 0.01, "batch_size": 8, "hidden_size": 6, "depth": 2, "epochs": 3}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script over a small problem."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 784, generator=generator)
    y = torch.randint(10, (60,), generator=generator)
    settings = type("P", (), {"val_images": 10, "seed": 12, "rates_per_decade": 2, "redraws": 3})
    known = {"np": np, "torch": torch, "nn": nn, "lr_scheduler": lr_scheduler, "pairwise": pairwise, "comb": comb}
    known |= {"ceil": ceil, "device": torch.device("cpu"), "P": settings, "RUNGS": [1, 2, 4, 8], "VAL": 10, "cells": 8}
    known |= {"train_x": x[:24], "train_y": y[:24], "held_x": x[24:], "held_y": y[24:], "log": []}
    known |= {"val_x": x[24:34], "val_y": y[24:34], "rng": np.random.default_rng(0)}
    known |= {"DEFAULTS": {"depth": 1, "epochs": 2, "optimizer": "Adam", "schedule": "constant"}}
    return LESSON.names(known | {"deepcopy": deepcopy, "partial": partial}, TABLES)


def test_a_config_says_what_the_model_is(names: dict[str, Any]) -> None:
    model = names["make_model"](CONFIG)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(784, 6), (6, 6), (6, 10)]
    assert sum(isinstance(layer, nn.ReLU) for layer in model) == 2
    assert isinstance(model[-1], nn.Linear)


def test_the_same_config_and_seed_give_the_same_run(names: dict[str, Any]) -> None:
    names["log"].clear()
    one, again, other = (names["run"](CONFIG, seed) for seed in (1, 1, 2))
    assert np.array_equal(one["answers"], again["answers"])
    assert one["loss"] == again["loss"] != other["loss"]
    assert one["val"] == one["answers"][:10].mean()
    assert one["fresh"] == one["answers"][10:].mean()
    assert len(one["curve"]) == 2  # after 1 and 2 of 3 epochs
    assert len(names["log"]) == 3
    assert "answers" not in names["log"][0]
    assert {"lr", "batch_size", "hidden_size", "seed", "optimizer"} <= set(names["log"][0])


def test_a_step_is_plain_gradient_descent(names: dict[str, Any]) -> None:
    model, optimizer, _ = names["new_training"](names["DEFAULTS"] | CONFIG | {"optimizer": "SGD"}, 0)
    batch = torch.arange(5)
    before = [p.detach().clone() for p in model.parameters()]
    loss = nn.functional.cross_entropy(model(names["train_x"][batch]), names["train_y"][batch])
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert names["step"](model, optimizer, batch) == pytest.approx(loss.item())
    for p, old, g in zip(model.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(p.detach(), old - 0.01 * g)


def test_schedules(names: dict[str, Any]) -> None:
    for schedule, last in (("constant", 0.01), ("cosine", 0.0)):
        _, optimizer, scheduler = names["new_training"](names["DEFAULTS"] | CONFIG | {"schedule": schedule}, 0)
        for _ in range(3):
            optimizer.step()
            scheduler.step()
        assert scheduler.get_last_lr()[0] == pytest.approx(last)


def test_grid_and_random_configs(names: dict[str, Any]) -> None:
    grid = names["grid_configs"]([0.1, 0.2], [3, 4, 5])
    assert [(c["lr"], c["hidden_size"]) for c in grid] == [(r, w) for r in (0.1, 0.2) for w in (3, 4, 5)]
    drawn = names["random_configs"](4_000, np.random.default_rng(1))
    rates, widths = (np.log10([c[name] for c in drawn]) for name in ("lr", "hidden_size"))
    assert np.histogram(rates, [-5, -4, -3, -2, -1])[0].min() > 900
    assert 5 <= 10 ** widths.min() < 10 ** widths.max() <= 200.1
    assert np.mean(widths) == pytest.approx(np.log10(5 * 40**0.5), abs=0.02)


def test_coarse_grids_lie_in_the_fine_one(names: dict[str, Any]) -> None:
    fours, twos = names["coarse_grids"](4), names["coarse_grids"](2)
    assert len(fours) == 2  # of eight rates every second, all four widths
    assert len(twos) == 4 * 2
    table = np.arange(32).reshape(8, 4)
    assert sorted(np.concatenate([table[g].ravel() for g in fours])) == list(range(32))
    assert all(table[g].shape == (2, 2) for g in twos)


def test_a_rate_between_two_cells_is_interpolated_in_its_exponent(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = names["at_rate"].__globals__
    monkeypatch.setitem(known, "rates", np.array([1e-4, 1e-2]))
    monkeypatch.setitem(known, "fine_val", np.array([[0.2, 0.5], [0.6, 0.9]]))  # (rates, widths)
    np.testing.assert_allclose(names["at_rate"](1e-3), [0.4, 0.7])
    np.testing.assert_allclose(names["at_rate"](1e-2), [0.6, 0.9])


def test_the_variance_is_split_exactly(names: dict[str, Any]) -> None:
    rows, columns = np.array([0.0, 1, 5])[:, None], np.array([0.0, 2])[None]
    share_rows, share_columns, rest = names["explained"](rows + columns)
    assert share_rows == pytest.approx(rows.var() / (rows.var() + columns.var()))
    assert share_columns == pytest.approx(columns.var() / (rows.var() + columns.var()))
    assert rest == pytest.approx(0)


def test_seeds_needed(names: dict[str, Any]) -> None:
    n = names["seeds_needed"](0.01, 0.01)
    assert n == 8
    assert 2 * 0.01 * np.sqrt(2 / n) <= 0.01 < 2 * 0.01 * np.sqrt(2 / (n - 1))


def test_best_of_n_is_the_mean_over_all_choices(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    val, fresh = rng.random(7), rng.random(7)
    for n in (1, 3, 7):
        picks = [np.array(pick) for pick in combinations(range(7), n)]
        winners = [pick[val[pick].argmax()] for pick in picks]
        promise, truth = names["best_of"](n, val, fresh)
        assert promise == pytest.approx(val[winners].mean())
        assert truth == pytest.approx(fresh[winners].mean())


def test_a_chance_to_win_counts_ties_half(names: dict[str, Any]) -> None:
    chance = names["chance_to_win"]
    assert chance(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert chance(np.array([1.0]), np.array([2.0])) == 0


def test_successive_halving_pays_and_keeps_what_it_says(names: dict[str, Any]) -> None:
    curves = np.linspace(0.1, 0.9, 16)[:, None] + np.zeros((16, 4))
    winner, paid = names["successive_halving"](curves)
    assert (winner, paid) == (15, 40)  # the answer of the quiz
    slow = curves.copy()
    slow[15, 0] = 0.0  # the best one starts slowly, and is cut
    assert names["successive_halving"](slow)[0] == 14


def test_the_range_test_grows_evenly_and_suggests_a_tenth(names: dict[str, Any]) -> None:
    rates, losses = names["range_test"](names["DEFAULTS"] | CONFIG, seed=0, steps=20, low=1e-4, high=1.0)
    np.testing.assert_allclose(rates, np.geomspace(1e-4, 1.0, 20), rtol=1e-6)
    assert losses.shape == (20,)
    shape = np.abs(np.arange(20) - 12.0)
    assert names["suggested"](rates, shape) == pytest.approx(rates[12] / 10)


def test_early_stopping_keeps_the_best_epoch(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 2.0, 2.5, 1.5, 1.6, 1.7, 1.0])
    monkeypatch.setitem(names["train_until"].__globals__, "loss_on", lambda *_: next(losses))
    config = names["DEFAULTS"] | CONFIG | {"epochs": 7}
    _, best, history = names["train_until"](config, 0, patience=2)
    assert (best["epoch"], best["loss"]) == (4, 1.5)
    assert history == [3.0, 2.0, 2.5, 1.5, 1.6, 1.7]


def test_slopes_of_scaling(names: dict[str, Any]) -> None:
    assert names["slope_of"]((16, 32, 64), np.array([0.1, 0.2, 0.4])) == pytest.approx(1)
    assert names["slope_of"]((16, 64), np.array([0.1, 0.2])) == pytest.approx(0.5)
    table = np.full((1, 8), 0.5)
    table[0, 3:5] = 0.8
    expected = np.sqrt(names["SGD_RATES"][3] * names["SGD_RATES"][4])
    assert names["best_rates"](table) == pytest.approx([expected])


@pytest.mark.parametrize("name", ["run", "successive_halving"])
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


STARTERS = (
    "return None  # your turn: one number",
    "your_runs = None",
    "return None  # your turn: True or False",
)
SOLUTIONS = (
    "return 10 ** rng.uniform(-5, -1)  # ",
    "your_runs = 59",
    "return abs(a.mean() - b.mean()) > 2 * (a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)) ** 0.5  # ",
)
WRONG = (
    "return rng.uniform(1e-5, 1e-1)  # ",
    "your_runs = 20",
    "return abs(a.mean() - b.mean()) > 0.02  # ",
)


def test_exercises_know_right_from_wrong() -> None:
    world = {"np": np}
    assert LESSON.exercises(world, {}).count("not solved yet") == 3
    assert LESSON.exercises(world, dict(zip(STARTERS, SOLUTIONS, strict=True))).count(" solved") == 3
    assert LESSON.exercises(world, dict(zip(STARTERS, WRONG, strict=True))).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {
        "luck", "landscape", "searches", "curse", "range_test", "halving", "batch_map", "architecture",
        "exam",
    }  # fmt: skip
    assert m["parameters"] == 784 * 128 + 128 + 128 * 10 + 10
    assert m["share_rate"] + m["share_width"] <= 1 + 1e-9
    assert m["luck_val_min"] <= m["luck_val"] <= m["luck_val_max"]
    assert 0 <= m["grid_miss_16"] <= m["grid_miss_4"] <= 1
    assert m["scaling_slope_least"] <= m["scaling_slope_most"]
    assert m["miss_16"] == pytest.approx((1 - m["plateau_share"]) ** 16)
    assert m["halving_all_epochs"] == m["halving_start"] * m["epochs"] > m["halving_epochs"]
    assert m["logged_runs"] >= m["fine_runs"] + m["luck_seeds"] + m["random_runs"]
    assert 0.5 < m["exam_test"] < 1
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    m = record.metrics
    assert arrays["scene_grid"].shape == arrays["scene_random"].shape == (16, 3)
    assert len(np.unique(arrays["scene_grid"][:, 0])) == m["grid_rates"] == 4
    assert len(np.unique(arrays["scene_random"][:, 0])) == m["scene_random_rates"]
    assert arrays["luck_val"].mean() == pytest.approx(m["luck_val"])
    assert arrays["luck_curse"].shape == arrays["search_curse"].shape == (2, len(arrays["curse_counts"]))
    promise, truth = arrays["luck_curse"]
    assert (np.diff(promise) > 0).all()  # the best of more runs promises more
    assert promise[0] == pytest.approx(truth[0], abs=0.02)  # the best of one promises nothing
    assert promise[-1] - truth[-1] == pytest.approx(m["luck_optimism"])
