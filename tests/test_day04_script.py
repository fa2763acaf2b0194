"""Day 4's functions against PyTorch's autograd, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from lab import images

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day04_backpropagation")
SHOWN = ("forward", "backward", "train_step", "finite_difference")  # as code on slides


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    return LESSON.names({"np": np, "pairwise": pairwise, "LEARNING_RATE": 3.0})


@pytest.fixture
def problem(functions: dict[str, Any]) -> tuple[list, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    layers = [(W.astype(np.float64), b.astype(np.float64)) for W, b in functions["initial_layers"]((7, 5, 4, 3), rng)]
    return layers, rng.standard_normal((6, 7)), np.eye(3)[rng.integers(0, 3, 6)]


def torch_gradients(layers: list, X: np.ndarray, Y: np.ndarray) -> tuple[float, list[list[np.ndarray]]]:
    tensors = [[torch.tensor(t, requires_grad=True) for t in layer] for layer in layers]
    A = torch.tensor(X)
    for W, b in tensors:
        A = torch.sigmoid(torch.nn.functional.linear(A, W, b))
    loss = 0.5 * (A - torch.tensor(Y)).pow(2).sum(1).mean()
    loss.backward()
    return loss.item(), [[t.grad.numpy() for t in layer] for layer in tensors]


def test_backward_is_the_gradient(functions: dict[str, Any], problem: tuple) -> None:
    layers, X, Y = problem
    loss, wanted = torch_gradients(layers, X, Y)
    activations = functions["forward"](X, layers)
    assert functions["quadratic_loss"](activations[-1], Y) == pytest.approx(loss, rel=1e-12)
    for ours, theirs in zip(functions["backward"](activations, Y, layers), wanted, strict=True):
        for mine, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-14)


def test_the_bug_is_one(functions: dict[str, Any], problem: tuple) -> None:
    layers, X, Y = problem
    wanted = torch_gradients(layers, X, Y)[1]
    got = functions["backward_with_bug"](functions["forward"](X, layers), Y, layers)
    np.testing.assert_allclose(got[-1][0], wanted[-1][0], rtol=1e-9)  # the last layer has nothing to forget
    assert not np.allclose(got[0][0], wanted[0][0], rtol=0.1)


def test_a_step_is_torch_sgd(functions: dict[str, Any], problem: tuple) -> None:
    layers, X, Y = problem
    wanted = torch_gradients(layers, X, Y)[1]
    before = [(W.copy(), b.copy()) for W, b in layers]
    after = functions["train_step"](X, Y, layers, 0.5)
    for (W, b), (W_after, b_after), (dW, db) in zip(before, after, wanted, strict=True):
        np.testing.assert_allclose(W_after, W - 0.5 * dW, rtol=1e-9)
        np.testing.assert_allclose(b_after, b - 0.5 * db, rtol=1e-9)
    for (W, b), (W_kept, b_kept) in zip(before, layers, strict=True):  # the old network is left alone
        assert (W_kept == W).all()
        assert (b == b_kept).all()


def test_finite_differences_leave_the_network_alone(functions: dict[str, Any], problem: tuple) -> None:
    layers, X, Y = problem
    wanted = torch_gradients(layers, X, Y)[1]
    kept = layers[1][0].copy()
    measured = functions["finite_difference"](X, Y, layers, 1, 2, 3, 1e-5)
    assert measured == pytest.approx(wanted[1][0][2, 3], rel=1e-6)
    assert (layers[1][0] == kept).all()


def test_sigmoid_does_not_overflow(functions: dict[str, Any]) -> None:
    z = np.array([-1000.0, -3, 0, 3, 1000], dtype=np.float32)
    with np.errstate(all="raise"):
        ours = functions["sigmoid"](z)
    np.testing.assert_allclose(ours, torch.sigmoid(torch.tensor(z)).numpy(), atol=1e-7)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


TURN = "    return None  # your turn"
SOLUTIONS = {
    f"def tanh_slope(a):\n{TURN}": "def tanh_slope(a):\n    return 1 - a**2",
    f"def softmax_delta(p, y):\n{TURN}": "def softmax_delta(p, y):\n    return p - y",
    f"def decayed_gradient(dL_dW, W, weight_decay):\n{TURN}": (
        "def decayed_gradient(dL_dW, W, weight_decay):\n    return dL_dW + weight_decay * W"
    ),
}
WRONG = {
    f"def tanh_slope(a):\n{TURN}": "def tanh_slope(a):\n    return a * (1 - a)",
    f"def softmax_delta(p, y):\n{TURN}": "def softmax_delta(p, y):\n    return (p - y) * p * (1 - p)",
    f"def decayed_gradient(dL_dW, W, weight_decay):\n{TURN}": "def decayed_gradient(dL_dW, W, _):\n    return dL_dW",
}


def exercises(answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    rng = np.random.default_rng(1)
    return LESSON.exercises({"np": np, "check_layers": [None, (rng.standard_normal((10, 30)), None)]}, answers)


def test_exercises_know_right_from_wrong() -> None:
    assert exercises({}).count("not solved yet") == 3
    assert exercises(SOLUTIONS).count(": solved") == 3
    assert exercises(WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"gradient_check", "cost", "learning_curve", "wrong_gradient", "gradient_flow"}
    assert len(record.claims) >= 5
    assert m["parameters"] == 784 * 30 + 30 + 30 * 10 + 10
    assert m["graph_a"] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert m["graph_dw"] == pytest.approx((m["graph_a"] - 1) * m["graph_a"] * (1 - m["graph_a"]) * 2)
    assert m["autograd_max_relative_error"] < 1e-10
    assert m["autograd_compared"] + m["autograd_zero"] == m["parameters"]
    assert m["cost_backward_per_forward_min"] <= m["cost_backward_per_forward"] <= m["cost_backward_per_forward_max"]
    assert m["cost_differences_per_sweep"] < m["cost_differences_per_backward"]
    assert m["cost_sweep_ms"] == pytest.approx(m["cost_forward_ms"] + m["cost_backward_ms"], rel=0.5)
    assert m["curve_loss_median"] < m["curve_loss_start_median"]
    assert m["bug_gentle_wins"] == sum(price <= 0 for price in m["bug_gentle_price_each"])
    assert m["bug_last_worst"] <= m["bug_last_median"] <= m["bug_last_best"]
    assert m["paths_sum"] == pytest.approx(m["paths_backward"], rel=1e-9)
    assert m["curve_last_mean"] == pytest.approx(np.mean(m["curve_last_each"]))
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animation_are_a_true_gradient(smoke: tuple[Record, dict]) -> None:
    arrays = {name: array.astype(np.float64) for name, array in smoke[1].items()}
    image, label = arrays["flow_image"], int(arrays["flow_label"])
    assert image.shape == (28, 28)
    assert 0 <= image.min() < image.max() <= 1
    for when in ("early", "late"):
        layers = [(arrays[f"flow_{when}_W{k}"], arrays[f"flow_{when}_b{k}"]) for k in (1, 2, 3)]
        assert [W.shape for W, _ in layers] == [(16, 784), (16, 16), (10, 16)]
        loss, wanted = torch_gradients(layers, image.reshape(1, 784), np.eye(10)[[label]])
        assert arrays[f"flow_{when}_loss"] == pytest.approx(loss, rel=1e-4)
        for k, (dW, db) in enumerate(wanted, start=1):
            scale = np.abs(dW).max()
            np.testing.assert_allclose(arrays[f"flow_{when}_dW{k}"], dW, atol=1e-4 * scale)
            np.testing.assert_allclose(arrays[f"flow_{when}_delta{k}"], db, atol=1e-4 * np.abs(db).max())
        eta = float(arrays["flow_eta"])
        stepped = [(W - eta * dW, b - eta * db) for (W, b), (dW, db) in zip(layers, wanted, strict=True)]
        after = torch_gradients(stepped, image.reshape(1, 784), np.eye(10)[[label]])[0]
        assert arrays[f"flow_{when}_loss_after"] == pytest.approx(after, rel=1e-3)
        assert after < 0.9 * loss


@pytest.mark.slow
def test_the_lost_digit_is_diagnosed(smoke: tuple[Record, dict]) -> None:
    m = smoke[0].metrics
    for when in ("worst_digit_start", "worst_digit", "best_seed_digit"):
        mean = m[f"{when}_activation"]
        assert 0 < m[f"{when}_slope"] <= mean * (1 - mean) + 1e-12  # a (1 - a) is concave: Jensen
    assert 800 < m["worst_digit_images"] < 1200


@pytest.mark.slow
def test_the_animated_digit_is_one_nobody_learnt_from(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    number = record.metrics["flow_image_number"]
    assert 50_000 <= number < 60_000
    assert "training images 50,000 to 59,999" in record.metrics["flow_source"]
    image, label = arrays["flow_image"], int(arrays["flow_label"])
    official = images.mnist(train=True)
    assert int(official.targets[number]) == label == record.metrics["flow_label"]
    assert (np.rint(image * 255) == official.data[number].numpy()).all()
