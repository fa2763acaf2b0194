"""Day 3's functions against torch and against counting, its exercises against their solutions, and a smoke run."""

from __future__ import annotations

import ast
from itertools import pairwise, permutations, product
from math import comb
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day03_multilayer_perceptrons")
SHOWN = ("mlp", "forward")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and tables of the script, without running the lesson."""
    known = {"np": np, "torch": torch, "pairwise": pairwise, "comb": comb, "permutations": permutations}
    known |= {"product": product, "dense_x": np.linspace(-1, 1, 1_001)[None]}
    return LESSON.names(known, tables=("ACTIVATIONS", "SLOPES"))


X = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], float)
Y = np.array([[0.0, 1, 1, 0]])


def test_every_tool_of_the_syllabus_is_used() -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(LESSON.tree) if isinstance(node, ast.Call)}
    assert {"np.matmul", "np.dot", "np.random.randn"} <= calls
    assert "h1 = activation(W1 @ X + b1)" in LESSON.source
    assert "output = W2 @ relu(W1 @ X + b1) + b2" in LESSON.source


def test_lines_can_do_what_cover_counted(names: dict[str, Any]) -> None:
    """All labelings of a few points in general position, and the 16 tables of the square."""
    rng = np.random.default_rng(0)
    for n in (3, 4, 5, 6, 7):
        points = rng.random((n, 2))
        labelings = np.array(list(product([False, True], repeat=n)))
        can = sum(names["separable"](points, labels) for labels in labelings)
        assert can == 2 * (1 + (n - 1) + comb(n - 1, 2))
        assert names["cover"](n) == pytest.approx(can / 2**n)
    tables = np.array(list(product([False, True], repeat=4)))
    assert [t.astype(int).tolist() for t in tables if not names["separable"](X.T, t)] == [[0, 1, 1, 0], [1, 0, 0, 1]]


def test_the_interval_of_a_share(names: dict[str, Any]) -> None:
    low, high = names["wilson"](8, 10)  # known values of Wilson's interval
    assert low == pytest.approx(0.490, abs=1e-3)
    assert high == pytest.approx(0.943, abs=1e-3)
    low, high = names["wilson"](0, 100)
    assert low == 0
    assert high == pytest.approx(0.037, abs=1e-3)


def test_a_network_is_that_of_torch(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    W1, b1, W2, b2 = (p.detach().numpy() for p in net.parameters())
    x = np.random.default_rng(0).standard_normal((3, 7))
    theirs = net(torch.tensor(x.T)).detach().numpy().T
    np.testing.assert_allclose(names["mlp"](x, W1, b1[:, None], W2, b2[:, None], names["relu"]), theirs)
    layers = [(W1, b1[:, None]), (W2, b2[:, None])]
    np.testing.assert_allclose(names["forward"](x, layers, names["relu"])[-1], theirs)
    np.testing.assert_allclose(names["neuron_by_neuron"](x, W1, b1[:, None]), W1 @ x + b1[:, None])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "ReLU", "linear"])
def test_gradients_are_those_of_autograd(names: dict[str, Any], name: str) -> None:
    bent = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu, "linear": lambda z: z}[name]
    layers = names["random_layers"]((2, 4, 3, 1), 3, 1)
    values = names["forward"](X, layers, names["ACTIVATIONS"][name])
    ours = names["gradients"](values, Y, layers, names["SLOPES"][name])
    pairs = [[torch.tensor(p, requires_grad=True) for p in layer] for layer in layers]
    output = names["forward"](torch.tensor(X), pairs, bent)[-1]
    sum(0.5 * ((output[k] - torch.tensor(Y)) ** 2).mean() for k in range(3)).backward()
    for mine, theirs in zip(ours, pairs, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b.grad.numpy(), atol=1e-12)


def test_networks_of_a_stack_learn_as_if_alone(names: dict[str, Any]) -> None:
    layers = names["random_layers"]((2, 3, 1), 4, 2)
    together, kept = names["train"](X, Y, layers, "tanh", 0.3, 50, keep=(0, 10))
    alone, _ = names["train"](X, Y, [(W[2:3], b[2:3]) for W, b in layers], "tanh", 0.3, 50)
    for (W, b), (W2, b2) in zip(together, alone, strict=True):
        np.testing.assert_allclose(W[2:3], W2)
        np.testing.assert_allclose(b[2:3], b2)
    np.testing.assert_array_equal(kept[0][0][0], layers[0][0])  # the start is not changed
    adam, _ = names["train_adam"](X, Y, layers, torch.tanh, 20, 0.03)
    adam_alone, _ = names["train_adam"](X, Y, [(W[1:2], b[1:2]) for W, b in layers], torch.tanh, 20, 0.03)
    np.testing.assert_allclose(adam[0][0][1:2], adam_alone[0][0])


def test_a_flat_bias_goes_along_the_batch(names: dict[str, Any]) -> None:
    """The stacked form of the bug is the bug itself: b of shape (4,) and a batch of four."""
    W, b = np.random.default_rng(0).standard_normal((4, 2)), np.arange(4.0)
    np.testing.assert_array_equal(W @ X + b, (W[None] @ X + b.reshape(1, 1, 4))[0])
    assert not np.allclose(W @ X + b, W @ X + b[:, None])


def test_right_side_asks_for_every_example(names: dict[str, Any]) -> None:
    outputs = np.array([[[0.1, 0.9, 0.6, 0.4]], [[0.1, 0.9, 0.4, 0.4]], [[np.nan] * 4]])
    assert names["right_side"](outputs, Y).tolist() == [True, False, False]


def test_constructed_networks_run_through_the_target(names: dict[str, Any]) -> None:
    knots = np.linspace(-1, 1, 11)[None]
    output = names["mlp"](knots, *names["constructed"](10), names["relu"])
    np.testing.assert_allclose(output, names["target"](knots), atol=1e-12)
    between = names["mlp"](names["dense_x"], *names["constructed"](10), names["relu"])[0]
    np.testing.assert_allclose(between, np.interp(names["dense_x"][0], knots[0], names["target"](knots[0])), atol=1e-12)


def test_disc_and_ring_do_not_touch(names: dict[str, Any]) -> None:
    x, y = names["ring_and_disc"](400, np.random.default_rng(0))
    radius = np.linalg.norm(x, axis=0)
    assert radius[y[0] == 1].max() <= 1 < 1.5 <= radius[y[0] == 0].min()
    x, y = names["two_moons"](300, np.random.default_rng(0), noise=0)
    assert x.shape == (2, 300) and y.sum() == 150


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_xnor = None": "your_xnor = ([[1, 1], [1, 1]], [[0], [-1]], [[-1, 2]], [[1]])",
    "return None  # your turn: (W, b)": "return W2 @ W1, W2 @ b1 + b2",
    "return None  # your turn\n": "return X @ W.T + b\n",
}
WRONG = {
    "your_xnor = None": "your_xnor = ([[1, 1], [1, 1]], [[0], [-1]], [[1, -2]], [[0]])",
    "return None  # your turn: (W, b)": "return W2 @ W1, b1.sum() + b2",
    "return None  # your turn\n": "return W @ X.T + b\n",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    known = {**names, "X": X, "Y": Y}
    return LESSON.exercises(known, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"one_line", "xor_rates", "failures", "ring", "digits", "universal"}
    assert m["gates"] == 14
    assert m["xor_output"] == [0, 1, 1, 0]
    assert m["collapse_difference"] < 1e-10 * max(1, m["collapse_largest"])
    assert m["gradient_difference"] < 1e-12
    assert m["bug_raises"] is True
    assert m["bug_control"] == 0
    assert m["equal_spread"] == 0
    assert m["zero_moved"] == 0
    assert all(m[f"xor_linear_{h}"] == 0 for h in (1, 2, 3, 4, 8))
    assert all(m[f"xor_{name}_1"] == 0 for name in ("sigmoid", "tanh", "relu"))  # one unit that only rises or falls
    assert m["rescued"] <= m["failed"]
    assert 0 <= m["undecided"] <= 4
    assert 1.9 < m["built_rate"] < 2.1  # a polygon through a smooth curve


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    for k in range(len(arrays["xor_steps"])):
        h = np.tanh(arrays["xor_W1"][k] @ X + arrays["xor_b1"][k])
        output = arrays["xor_W2"][k] @ h + arrays["xor_b2"][k]
        assert arrays["xor_loss"][k] == pytest.approx(0.5 * ((output - Y) ** 2).mean())
        assert arrays["xor_right"][k] == ((output > 0.5) == (Y > 0.5)).sum()
    assert (np.diff(arrays["xor_steps"]) > 0).all()
    assert arrays["xor_steps"][-1] == record.metrics["path_steps"]
    assert len(arrays["moons_steps"]) == len(arrays["moons_accuracy"]) == len(arrays["moons_W3"])
    assert arrays["moons_X"].shape == (2, record.metrics["moons_points"])
    assert arrays["moons_accuracy"][-1] == pytest.approx(record.metrics["moons_shown_after"])
