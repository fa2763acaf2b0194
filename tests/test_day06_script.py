"""Day 6's functions against torch, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

import ast
import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day06_loss_functions")
SHOWN = ("mean_squared_error", "binary_cross_entropy", "cross_entropy")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {
        "np": np,
        "nn": nn,
        "torch": torch,
        "copy": copy,
        "device": torch.device("cpu"),
        "LARGEST": 45.0,
        "train_y": None,
    }
    return LESSON.names(known)


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(12, 10)), rng.integers(10, size=12)


def test_losses_are_those_of_torch(names: dict[str, Any], sample: tuple[np.ndarray, np.ndarray]) -> None:
    z, labels = sample
    p, onehot = torch.tensor(z).softmax(1), nn.functional.one_hot(torch.tensor(labels), 10).double()
    assert names["cross_entropy"](z, labels) == pytest.approx(
        nn.functional.cross_entropy(torch.tensor(z), torch.tensor(labels)).item()
    )
    assert names["mean_squared_error"](p.numpy(), onehot.numpy()) == pytest.approx(
        nn.functional.mse_loss(p, onehot).item()
    )
    assert names["binary_cross_entropy"](p.numpy(), onehot.numpy()) == pytest.approx(
        nn.functional.binary_cross_entropy(p, onehot).item()
    )


def test_gradients_are_those_of_finite_differences(
    names: dict[str, Any], sample: tuple[np.ndarray, np.ndarray]
) -> None:
    z, labels = sample
    onehot = np.eye(10)[labels]
    p = np.exp(names["log_softmax"](z))
    cases = (
        (lambda v: names["mean_squared_error"](v, onehot), p, names["squared_error_gradient"](p, onehot)),
        (lambda v: names["binary_cross_entropy"](v, onehot), p, names["binary_gradient"](p, onehot)),
        (lambda v: names["cross_entropy"](v, labels), z, names["cross_entropy_gradient"](z, labels)),
    )
    for loss, at, gradient in cases:
        for place in ((0, 3), (5, labels[5]), (11, 9)):
            nudge = np.zeros_like(at)
            nudge[place] = 1e-6 * max(1e-3, abs(at[place]))
            slope = (loss(at + nudge) - loss(at - nudge)) / (2 * nudge[place])
            assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_log_softmax_does_not_overflow(names: dict[str, Any]) -> None:
    z = np.array([[1_000.0, 0.0, -1_000.0]])
    np.testing.assert_allclose(names["log_softmax"](z), [[0.0, -1_000.0, -2_000.0]])


def test_the_pulls_are_the_formulas_of_the_slide(names: dict[str, Any]) -> None:
    z = torch.linspace(-6, 6, 25, dtype=torch.float64)
    p = torch.sigmoid(z)
    torch.testing.assert_close(names["pull"](names["cross_entropy_on_logit"], z), p)
    torch.testing.assert_close(names["pull"](names["squared_on_sigmoid"], z), 2 * p * p * (1 - p))


def test_whose_pull_it_is_agrees_with_autograd(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    margins = 4 * rng.normal(size=(12, 6))  # the logits of the right answers; only the first ten steps count
    names.update(seven=np.array([True, False] * 3), stuck=0, repairs={"ce": margins, "mse": margins})
    losses = {"ce": names["cross_entropy_on_logit"], "mse": names["squared_on_sigmoid"]}
    for name, loss in losses.items():
        force = names["pull"](loss, torch.tensor(-margins[:10])).numpy()  # a right answer of 0
        assert names["share_of_winners"](name) == pytest.approx(force[:, ::2].sum() / force.sum())


def test_unlearning_counts_steps(names: dict[str, Any]) -> None:
    starts = np.array([0.1, 3.0])
    z, wanted = starts.copy(), [0, 0]
    for step in range(1, 200):
        z -= 0.5 / (1 + np.exp(-z))
        wanted = [w or (step if v < 0 else 0) for w, v in zip(wanted, z, strict=True)]
    assert names["steps_to_unlearn"](names["cross_entropy_on_logit"], starts, 0.5).tolist() == wanted
    assert starts.tolist() == [0.1, 3.0]  # not changed


def test_the_four_contestants(names: dict[str, Any], sample: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = torch.tensor(sample[0]).float(), torch.tensor(sample[1])
    p, rows = logits.softmax(1), torch.arange(12)
    onehot = torch.zeros(12, 10)
    onehot[rows, labels] = 1
    wanted = {
        "ce": -p[rows, labels].log().mean(),
        "mse": ((p - onehot) ** 2).mean(),
        "linear": ((logits - onehot) ** 2).mean(),
        "bug": (p.exp().sum(1).log() - p[rows, labels]).mean(),
    }
    for kind, loss in wanted.items():
        torch.testing.assert_close(names["loss_of"](kind, logits, labels), loss)


def test_steps_to_a_target_lie_between_two_checks(names: dict[str, Any]) -> None:
    history = [(0, 0.1), (10, 0.6), (20, 0.9)]
    assert names["steps_to"](history, 0.8) == pytest.approx(10 + 10 * 2 / 3)
    assert names["steps_to"](history, 0.95) == np.inf
    assert names["steps_to"](history, 0.05) == 0


def test_turning_by_90_degrees_is_numpys(names: dict[str, Any]) -> None:
    picture = torch.rand(1, 28, 28)
    there = names["turned"](picture, torch.tensor([90.0])).reshape(28, 28)
    assert any(np.allclose(there, np.rot90(picture[0], k), atol=1e-4) for k in (1, -1))
    torch.testing.assert_close(names["turned"](picture, torch.tensor([0.0])), picture.flatten(1))


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


def test_every_tool_of_the_syllabus_is_used() -> None:
    used = {ast.unparse(node.func) for node in ast.walk(LESSON.tree) if isinstance(node, ast.Call)}
    losses = {"nn.MSELoss", "nn.BCELoss", "nn.BCEWithLogitsLoss", "nn.CrossEntropyLoss", "nn.NLLLoss"}
    assert losses | {"np.mean", "np.sum", "np.log", "torch.log", "criterion"} <= used
    assert all(f'"{how}"' in LESSON.source for how in ("mean", "sum", "none"))


SOLUTIONS = {
    "your_rate = None": "your_rate = 0.5 / 640",
    "return None  # your turn: the mean Huber loss": (
        "e = np.abs(predicted - y)\n    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))"
    ),
    "return None  # your turn: the mean loss": (
        "targets = (1 - epsilon) * np.eye(10)[labels] + epsilon / 10\n"
        "    return -np.mean(np.sum(targets * log_softmax(z), axis=1))"
    ),
}
WRONG = {
    "your_rate = None": "your_rate = 0.5 / 64",
    "return None  # your turn: the mean Huber loss": "return np.mean(np.abs(predicted - y))",
    "return None  # your turn: the mean loss": "return cross_entropy(z, labels)",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    known = {**names, "rng": np.random.default_rng(0)}
    return LESSON.exercises(known, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert m["uniform_loss"] == pytest.approx(np.log(10))
    assert m["first_loss"] == pytest.approx(np.log(10), rel=0.1)
    assert m["bug_floor"] == pytest.approx(np.log(np.e + 9) - 1, rel=1e-6)
    assert m["bug_end"] > m["bug_floor"]
    assert m["strongest_pull"] == pytest.approx(8 / 27, rel=1e-3)
    assert max(m["value_error"], m["gradient_error"], m["same_by_parts"]) < 1e-9
    assert m["gaussian_constant"] == pytest.approx(np.log(2 * np.pi) / 2)
    assert m["reduction_difference"] < 1e-4
    assert (m["far_bce"], m["far_bce_pull"]) == (100, 0)
    assert (m["far_logits"], m["far_logits_pull"]) == (200, 1)
    assert m["lead"] == pytest.approx(m["test_ce"] - m["test_mse"])
    assert m["lead_least"] <= m["lead"]
    assert 0 < m["neuron_share_ce"] < 1
    assert 0 < m["neuron_share_mse"] < 1
    assert {d["n"] for d in record.provenance["data"]} == {60_000}
    assert len(record.claims) >= 5


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    actors = record.metrics["neuron_actors"]
    for name in ("ce", "mse"):
        assert arrays[f"{name}_margins"].shape == (len(arrays[f"{name}_steps"]), actors)
        assert arrays[f"{name}_steps"][-1] == record.metrics[f"neuron_{name}_steps"]
        assert (np.diff(arrays[f"{name}_steps"]) > 0).all()
    np.testing.assert_allclose(arrays["ce_margins"][0], arrays["mse_margins"][0])
    for kind in np.split(arrays["ce_margins"][0], 2):  # threes, then sevens, each from the most wrong on
        assert (np.diff(kind) >= 0).all()
    assert arrays["actor_pixels"].shape == (actors, 28, 28)
    crowd = arrays["crowd"]
    assert arrays["crowd_pixels"].shape == (len(crowd), 28, 28)
    assert arrays["crowd_squared"][-1] == pytest.approx(crowd.mean(), abs=1.0)
    assert (crowd < 0).sum() == record.metrics["crowd_flipped"]
