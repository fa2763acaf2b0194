"""Day 7's functions against torch and against closed forms, its exercises, and a whole smoke run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day07_optimizers")
SHOWN = ("gradient_descent", "sharpness")  # as code on slides
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)) * np.array([3, 1, 1, 0.5, 0.2, 0.1]), RNG.normal(size=(40, 2))


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "device": torch.device("cpu")}
    known |= {"P": type("P", (), {"halvings": 12, "steps": 200, "seed": 7}), "X": X, "Y": Y}
    return LESSON.names(known)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_step_is_that_of_torch(names: dict[str, Any], momentum: float) -> None:
    ours, losses = names["gradient_descent"](X, Y, 0.02, 15, momentum)
    np.testing.assert_allclose(ours, names["torch_descent"](X, Y, 0.02, 15, momentum), atol=1e-13)
    assert losses[0] == pytest.approx(0.5 * (Y**2).sum(axis=1).mean())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_limit_is_two_over_the_curvature(names: dict[str, Any], momentum: float) -> None:
    limit = 2 * (1 + momentum) / np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    assert names["measured_limit"](0.8 * limit, 1.25 * limit, momentum) == pytest.approx(limit, rel=0.02)


def test_the_curve_is_predicted(names: dict[str, Any]) -> None:
    trained = names["gradient_descent"](X, Y, 0.05, 60)[1]
    np.testing.assert_allclose(names["predicted_losses"](X, Y, 0.05, 60), trained, rtol=1e-12)


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.tensor(X), torch.tensor(Y)
    parameters = list(model.parameters())
    shapes = [p.shape for p in parameters]

    def loss_at(flat: torch.Tensor) -> torch.Tensor:
        parts = [p.reshape(s) for p, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
        named = dict(zip([n for n, _ in model.named_parameters()], parts, strict=True))
        return ((torch.func.functional_call(model, named, (x,)) - y) ** 2).sum(dim=1).mean()

    flat = torch.cat([p.detach().flatten() for p in parameters])
    values, vectors = torch.linalg.eigh(torch.func.hessian(loss_at)(flat))
    largest = values.abs().argmax()
    found, v = names["sharpness"](
        model, lambda m: ((m(x) - y) ** 2).sum(dim=1).mean(), torch.randn(len(flat), dtype=torch.double), rounds=400
    )
    assert found == pytest.approx(values[largest].item(), rel=1e-6)
    assert abs(v @ vectors[:, largest]).item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name, columns=82)


SOLUTIONS = {
    "your_limit = None": "your_limit = 2 / 6",
    "return None  # your turn: (new w, new velocity)": (
        "velocity = beta * velocity + gradient\n    return w - lr * velocity, velocity  # "
    ),
    "return None  # your turn: call backward": (
        "half = len(x) // 2\n"
        "    for part in (slice(half), slice(half, None)):\n"
        "        (loss_fn(model(x[part]), y[part]) / 2).backward()\n"
        "    return model[0].weight.grad  # "
    ),
}
WRONG = {
    "your_limit = None": "your_limit = 2 / 3",
    "return None  # your turn: (new w, new velocity)": "return w - lr * gradient, gradient  # ",
    "return None  # your turn: call backward": (
        "half = len(x) // 2\n"
        "    for part in (slice(half), slice(half, None)):\n"
        "        loss_fn(model(x[part]), y[part]).backward()\n"
        "    return model[0].weight.grad  # "
    ),
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    torch.manual_seed(0)
    given = {"train_x": torch.randn(64, 784), "train_y": torch.randint(10, (64,)), "loss_fn": nn.CrossEntropyLoss()}
    return LESSON.exercises({**names, **given}, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"limit", "spectrum", "steep", "edge", "batches", "forgotten", "optimizers"}
    assert m["limit"] == pytest.approx(2 / m["steepest"])
    assert m["limit_momentum"] == pytest.approx(m["limit"] * (1 + m["beta"]))
    assert m["loss_at_1_1"] > m["loss_at_1_01"] > m["loss_at_0_99"]
    assert m["torch_difference"] < 1e-12 and m["prediction_error"] < 1e-9 and m["sharpness_error"] < 1e-6
    assert m["directions_done"] < m["directions"] <= m["images"]
    assert m["decayed"] == pytest.approx(3 - 0.1 * 0.5 * 3)
    assert m["edge_parameters"] == 784 * 50 + 50 + 50 * 50 + 50 + 50 * 10 + 10
    assert record.claims["forgetting zero_grad is momentum one, to the last digits"]


@pytest.mark.slow
def test_the_arrays_of_the_animations_are_gradient_descent(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    curvature, limit = arrays["bowl_curvature"], record.metrics["limit"]
    for name, times in (("0_5", 0.5), ("0_99", 0.99), ("1_01", 1.01)):
        path = arrays[f"bowl_{name}"]
        factor = 1 - times * limit * curvature
        np.testing.assert_allclose(path[1:], path[:-1] * factor, atol=1e-9)
    assert arrays["edge_sharpness"].shape == (3, len(arrays["edge_looks"]))
    assert arrays["edge_loss"].shape == (3, record.metrics["edge_steps"] + 1)
    assert list(arrays["edge_rates"]) == record.metrics["edge_rates"]
