"""Day 10's prices on weights against torch, brute force and optimality conditions; its exercises; a smoke run."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day10_regularization")
SHOWN = ("shrink_step", "l1_step", "parameter_groups")  # as code on slides
H, MINIMUM = np.array([[1.0, 0.6], [0.6, 1.0]]), np.array([0.8, 0.3])


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "optim": optim, "copy": copy, "device": torch.device("cpu")}
    known |= {"loss_fn": nn.CrossEntropyLoss(), "P": SimpleNamespace(seed=10, linear_steps=40), "LINEAR_RATE": 0.5}
    return LESSON.names(known)


def test_the_best_weight_is_that_of_a_search(names: dict[str, Any]) -> None:
    tried = np.linspace(-3, 3, 60_001)
    for a in (-1.7, -0.4, 0.0, 0.3, 0.9):
        loss = 0.5 * (tried - a) ** 2
        assert names["shrink"](a, 0.4) == pytest.approx(tried[(loss + 0.4 * tried**2).argmin()], abs=2e-4)
        found = names["soft_threshold"](np.array(a), 0.4)
        assert found == pytest.approx(tried[(loss + 0.4 * np.abs(tried)).argmin()], abs=2e-4)


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.4, 0.7, 1.5])
def test_lasso_meets_the_conditions_of_optimality(names: dict[str, Any], strength: float) -> None:
    w = names["lasso"](H, MINIMUM, strength)
    gradient = H @ (w - MINIMUM)
    for value, slope in zip(w, gradient, strict=True):
        if value == 0:
            assert abs(slope) <= strength + 1e-9  # the data pull less than the price
        else:
            assert slope == pytest.approx(-strength * np.sign(value), abs=1e-9)
    gradient_of_ridge = H @ (names["ridge"](H, MINIMUM, strength) - MINIMUM)
    np.testing.assert_allclose(gradient_of_ridge, -2 * strength * names["ridge"](H, MINIMUM, strength), atol=1e-12)


def test_the_shrink_step_is_weight_decay_and_half_the_penalty(names: dict[str, Any]) -> None:
    ways = {way: names["small_network"](1).double() for way in ("by hand", "argument", "penalty")}
    x, y = torch.rand(12, 784, dtype=torch.double), torch.arange(12) % 10
    for way, model in ways.items():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.2 if way == "argument" else 0)
        for _ in range(3):
            loss = nn.functional.cross_entropy(model(x), y)
            if way == "by hand":
                names["shrink_step"](model, loss, 0.1, 0.2)
                continue
            loss = loss + (0.1 * names["l2_penalty"](model) if way == "penalty" else 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for way in ("by hand", "penalty"):
        for ours, theirs in zip(ways[way].parameters(), ways["argument"].parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("way", ["slope", "threshold"])
def test_a_step_with_the_price_of_sizes(names: dict[str, Any], way: str) -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(5, 3), torch.randn(8, 5), torch.arange(8) % 3
    w = model.weight.detach().clone().requires_grad_()
    nn.functional.cross_entropy(x @ w.T + model.bias.detach(), y).backward()
    names["l1_step"](model, names["loss_fn"](model(x), y), optim.SGD(model.parameters(), lr=0.5), 0.3, way)
    if way == "slope":
        wanted = w - 0.5 * (w.grad + 0.3 * w.sign())
    else:
        wanted = nn.functional.softshrink(w - 0.5 * w.grad, 0.15)  # torch's own soft threshold
        assert (wanted == 0).any()
    torch.testing.assert_close(model.weight.detach(), wanted.detach())


def test_only_the_smallest_weights_are_cut(names: dict[str, Any]) -> None:
    model = nn.Linear(6, 4)
    cut = names["cut_smallest"](model, 7).weight
    assert (cut != 0).sum() == 7
    assert cut[cut != 0].abs().min() > model.weight[cut == 0].abs().max()
    assert torch.equal(cut[cut != 0], model.weight[cut != 0])


def test_wrong_labels_are_all_wrong_and_so_many(names: dict[str, Any]) -> None:
    y = torch.arange(1_000) % 10
    given, wrong = names["wrong_labels"](y, 0.3, seed=4)
    assert wrong.sum() == 300
    assert torch.equal(given != y, wrong)
    others = torch.bincount((given[wrong] - y[wrong]) % 10, minlength=10)
    assert others[0] == 0 and others[1:].min() > 15  # every other digit is drawn


def test_biases_do_not_pay(names: dict[str, Any]) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optim.SGD(names["parameter_groups"](model, 0.5), lr=0.2).step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (0.9 if "weight" in name else 1.0))


def test_a_scaled_network_has_scaled_logits(names: dict[str, Any]) -> None:
    model, x = names["small_network"](2), torch.randn(20, 784)
    small = names["scaled"](model, 0.3)
    torch.testing.assert_close(small(x), 0.09 * model(x), rtol=1e-4, atol=1e-6)
    assert names["size_of"](small) < 0.31 * names["size_of"](model)


def test_one_step_of_each_optimiser(names: dict[str, Any]) -> None:
    assert names["one_step"](optim.SGD, 0.5) == pytest.approx(3 - 0.1 * 0.5 * 3)
    assert names["one_step"](optim.AdamW, 0.5) == pytest.approx(3 - 0.1 * 0.5 * 3)
    assert names["one_step"](optim.Adam, 0.5) == pytest.approx(3 - 0.1, abs=1e-6)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


ELASTIC = "w = w * (1 - lr * weight_decay) - lr * gradient\n    return soft_threshold(w, {})  # "
SOLUTIONS = {
    "your_weight_decay = None": "your_weight_decay = 0.002",
    "return None  # your turn: the new weights": ELASTIC.format("lr * l1"),
    "return None  # your turn: a list of two": "return parameter_groups(model, weight_decay)  # ",
}
WRONG = {
    "your_weight_decay = None": "your_weight_decay = 0.001",
    "return None  # your turn: the new weights": ELASTIC.format("l1"),
    "return None  # your turn: a list of two": (
        "return [{'params': list(model.parameters()), 'weight_decay': weight_decay}]  # "
    ),
}


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert LESSON.exercises(names, {}).count("not solved yet") == 3
    assert LESSON.exercises(names, SOLUTIONS).count(" solved") == 3
    assert LESSON.exercises(names, WRONG).count("not right yet") == 3
    left_out = "return parameter_groups(model, weight_decay)[:1]  # "  # biases would never learn
    assert "not right yet" in LESSON.exercises(names, {"return None  # your turn: a list of two": left_out})


def test_overlap_by_luck_is_that_of_random_selections(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    ink = [np.arange(784) < 600, np.arange(784) >= 100]
    found = []
    for _ in range(20):
        a, b = (inside & (rng.random((10, 784)) < share) for inside, share in zip(ink, (0.3, 0.5), strict=True))
        found.append(((a & b).sum() / (a | b).sum(), names["overlap_by_luck"](a, b, *ink)))
    assert np.mean(found, axis=0)[0] == pytest.approx(np.mean(found, axis=0)[1], abs=0.01)


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"pulls", "sparsity", "mask", "sweep", "fates", "early", "ridge"}
    assert record.claims["weight_decay is the shrink step, and the penalty wd/2 times the sum of squares, to 1e-12"]
    assert m["penalty_ratio"] == pytest.approx(2, abs=0.05)
    assert m["step_sgd"] == pytest.approx(2.85) and m["step_adamw"] == pytest.approx(2.85)
    assert m["linear_plain_zero"] == 0
    assert m["linear_threshold_zero"] == pytest.approx(m["threshold_zeros"] / m["linear_weights"], abs=1e-4)
    assert m["sparse_zero"] == pytest.approx(1 - m["sparse_left"] / m["linear_weights"], abs=1e-4)
    assert m["tiny_repeats"] == pytest.approx(m["repeats_first"], abs=0.02)
    assert m["size_tiny"] < 0.6 * m["size_gentle"]
    assert m["clean_gain"] == pytest.approx(m["clean_decay_test"] - m["clean_nothing"])
    assert m["wrong_images"] == 0.3 * m["images"]
    assert m["decay_against_short"] == pytest.approx(m["wrong_decay_test"] - m["short_test"])
    assert m["constant_against_early"] == pytest.approx(m["constant_decay_test"] - m["constant_early"])
    assert m["total_shrunk"] <= m["total_memoriser"] and m["total_tiny"] > m["loss_tiny"]
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    H, minimum = arrays["slice_curvature"], arrays["slice_minimum"]
    for path, strengths, order in (("l2", "slice_l2_strengths", 2), ("l1", "slice_l1_strengths", 1)):
        points = arrays[f"slice_{path}_path"]
        np.testing.assert_allclose(points[0], minimum, atol=1e-6)
        away = points - minimum
        price = (np.abs(points) ** order).sum(axis=1)
        total = 0.5 * np.einsum("ki,ij,kj->k", away, H, away) + arrays[strengths] * price
        for step in ([1e-4, 0], [-1e-4, 0], [0, 1e-4], [0, -1e-4]):  # no neighbour is a better deal
            near = points + step
            away = near - minimum
            price = (np.abs(near) ** order).sum(axis=1)
            assert (0.5 * np.einsum("ki,ij,kj->k", away, H, away) + arrays[strengths] * price >= total - 1e-12).all()
    assert (arrays["slice_l1"] == 0).any(axis=1).mean() == pytest.approx(record.metrics["slice_l1_zero"])
    for way in ("L2", "slope", "threshold"):
        assert arrays[f"weights_{way}"].shape == (len(arrays["snapshots"]), 10, 784)
        assert len(arrays[f"zeros_{way}"]) == len(arrays[f"accuracy_{way}"]) == len(arrays["snapshots"])
        assert len(arrays[f"tail_{way}"]) == record.metrics["tail_steps"] + 1
    assert arrays["tail_threshold"][-1] == 0
    assert arrays["zeros_slope"].max() == 0 and arrays["zeros_threshold"][-1] > 0
