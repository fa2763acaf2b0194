"""Day 2's functions against closed forms and plain loops, its exercises, its slides' code, and a whole smoke run."""

from __future__ import annotations

import ast
import itertools
from typing import Any

import numpy as np
import pytest

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day02_perceptron")
SHOWN = ("step_function", "forward", "fit")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    known = {"np": np, "itertools": itertools, "CORNERS": corners}
    return LESSON.names(known)


def clouds(seed: int, n: int = 60, d: int = 5, gap: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Points that a line separates with a margin, the 1 for the bias in the last column."""
    random = np.random.default_rng(seed)
    X = np.concatenate([random.normal(size=(4 * n, d)), np.ones((4 * n, 1))], axis=1)
    z = X @ random.normal(size=d + 1)
    kept = np.abs(z) > gap
    return X[kept][:n], 1 * (z[kept][:n] > 0)


def test_the_step_says_yes_from_zero_on(names: dict[str, Any]) -> None:
    assert names["step_function"](np.array([-1e-9, 0.0, 2.0])).tolist() == [0, 1, 1]
    assert names["forward"](np.array([1.0, 2.0]), np.array([3.0, -1.0]), -1.0) == 1
    assert names["forward"](np.array([1.0, 2.0]), np.array([3.0, -1.0]), -1.1) == 0


@pytest.mark.parametrize("seed", range(4))
def test_both_loops_are_the_same_rule_and_keep_the_bound(names: dict[str, Any], seed: int) -> None:
    X, y = clouds(seed)
    w, b, history = names["fit"](X[:, :-1], y, epochs=500)
    fast, times, passes = names["train"](X, y, 500)
    np.testing.assert_allclose(fast, [*w, b], atol=1e-9)
    assert history == np.bincount(times // len(X), minlength=passes).tolist()
    assert history[-1] == 0
    assert names["settled"](times, X, passes)
    assert (names["step_function"](X @ fast) == y).all()
    sides = (2 * y - 1)[:, None] * X
    margin = (sides @ fast).min() / np.linalg.norm(fast)
    assert len(times) <= (np.linalg.norm(X, axis=1).max() / margin) ** 2


def test_the_weights_are_the_sum_of_the_mistakes(names: dict[str, Any]) -> None:
    X, y = clouds(5)
    w, times, _ = names["train"](X, y, 500)
    np.testing.assert_allclose(w, (2 * y[times % len(X)] - 1) @ X[times % len(X)], atol=1e-9)


def test_a_margin_asks_for_more_than_being_right(names: dict[str, Any]) -> None:
    X, y = clouds(6)
    w, times, passes = names["train"](X, y, 5_000, margin=3.0)
    assert names["settled"](times, X, passes)
    assert ((2 * y - 1) * (X @ w) >= 3.0).all()


def test_it_gives_up_after_so_many_mistakes(names: dict[str, Any]) -> None:
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
    _, times, passes = names["train"](X, np.array([0, 1, 1, 0]), 1_000, most=50)
    assert len(times) == 50
    assert not names["settled"](times, X, passes)


def test_the_average_is_the_mean_over_all_visits(names: dict[str, Any]) -> None:
    X, y = clouds(7, n=40, gap=0.01)
    epochs = 4
    w, visits, table = np.zeros(X.shape[1]), [], []
    for _ in range(epochs):
        for x, target in zip(X, y, strict=True):
            w = w + (target - (w @ x >= 0)) * x
            visits.append(w)
        errors = ((X @ w >= 0) != y).sum()
        table.append((errors, w, np.mean(visits, axis=0)))
    read = names["remedies"](X, y, epochs)
    _, _, passes = names["train"](X, y, epochs)
    for epoch in range(passes):
        np.testing.assert_allclose(read[epoch, 0], table[epoch][1], atol=1e-9)
        np.testing.assert_allclose(read[epoch, 2], table[epoch][2], atol=1e-9)
    best = min(table[:passes], key=lambda row: row[0])[1]
    np.testing.assert_allclose(read[-1, 1], best, atol=1e-9)


def test_the_template_is_the_nearer_mean(names: dict[str, Any]) -> None:
    X, y = clouds(8)
    w = names["template"](X, y)
    m0, m1 = (X[y == k, :-1].mean(axis=0) for k in (0, 1))
    nearer = np.linalg.norm(X[:, :-1] - m1, axis=1) < np.linalg.norm(X[:, :-1] - m0, axis=1)
    assert ((X @ w > 0) == nearer).all()


def test_gates_are_counted_as_in_the_literature(names: dict[str, Any]) -> None:
    for bits, known in ((1, 4), (2, 14), (3, 104)):  # the numbers of threshold functions
        verdict, mistakes, _ = names["all_gates"](bits, 2_000)
        assert (verdict == 1).sum() == known
        assert (verdict == -1).sum() == len(verdict) - known
        assert (mistakes[verdict == -1] > 0).all()
    two, _, _ = names["all_gates"](2, 100)
    assert np.flatnonzero(two == -1).tolist() == [0b0110, 0b1001]  # XOR and its opposite


def test_the_orbit_of_xor_by_hand(names: dict[str, Any]) -> None:
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    states = names["orbit"](X, np.array([0, 1, 1, 0]), 12)
    assert states[:5].tolist() == [[0, 0, 0], [0, 0, -1], [0, 1, 0], [0, 1, 0], [-1, 0, -1]]
    assert states[8].tolist() == states[12].tolist() == [-1, 0, 0]


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "nand_w, nand_b = None, None": "nand_w, nand_b = [-1, -1], 1.5",
    "def distance_to_line(x, w, b):\n    return None": (
        "def distance_to_line(x, w, b):\n    return (w @ x + b) / np.linalg.norm(w)"
    ),
    "def weights_from_mistakes(X, y, times):\n    return None": (
        "def weights_from_mistakes(X, y, times):\n    return sum((2 * y[i] - 1) * X[i] for i in times % len(X))"
    ),
}
WRONG = {
    "nand_w, nand_b = None, None": "nand_w, nand_b = [1, 1], -1.5",
    "def distance_to_line(x, w, b):\n    return None": "def distance_to_line(x, w, b):\n    return w @ x + b",
    "def weights_from_mistakes(X, y, times):\n    return None": (
        "def weights_from_mistakes(X, y, times):\n    return X[times % len(X)].sum(axis=0)"
    ),
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    X, y = clouds(9)
    w, times, _ = names["train"](X, y, 500)
    run_of = {"plane_X": X, "plane_y": y, "plane_times": times, "plane_w": w}
    return LESSON.exercises({**names, **run_of}, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


def test_the_syllabus_apis_are_used() -> None:
    calls = {ast.unparse(n.func) for n in ast.walk(LESSON.tree) if isinstance(n, ast.Call)}
    assert {"np.dot", "np.sum", "np.array", "plt.plot", "step_function"} <= calls


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {
        "sum_of_mistakes", "geometry", "proof", "pairs", "coin_labels", "gates", "xor_orbit", "remedies",
    }  # fmt: skip
    assert len(record.claims) >= 5
    assert record.claims["a perceptron learns exactly 14 of the 16 gates with two inputs"]
    assert m["gates3_learned"] == 104
    assert m["and_wrong_without_bias"] >= 1
    assert m["zero_one_mistakes"] <= m["own_bound"]
    assert m["zero_one_mistakes"] <= m["strict_bound"]
    assert m["squeezed"] == 1.0
    assert m["zero_one_distinct"] <= m["zero_one_mistakes"]
    assert m["rate_difference"] < 1e-9
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    points, labels = arrays["plane_points"].astype(float), arrays["plane_labels"].astype(int)
    path, order = arrays["plane_path"].astype(float), arrays["plane_order"].astype(int)
    assert len(path) == len(order) + 1
    assert len(arrays["plane_pictures"]) == len(points) == record.metrics["plane_images"]
    for k, i in enumerate(order):  # every update is that of a misclassified point
        said = points[i] @ path[k, :2] + path[k, 2] >= -1e-6
        assert said != labels[i] or abs(points[i] @ path[k, :2] + path[k, 2]) < 1e-5
        np.testing.assert_allclose(path[k + 1] - path[k], (2 * labels[i] - 1) * np.append(points[i], 1), atol=1e-5)
    states, corners = arrays["xor_states"].astype(int), arrays["xor_corners"].astype(int)
    for t in range(len(states) - 1):
        x = np.append(corners[t % 4], 1)
        error = arrays["xor_targets"][t % 4] - (states[t] @ x >= 0)
        np.testing.assert_array_equal(states[t + 1] - states[t], error * x)
    first, again = (4 * (record.metrics[f"xor_{name}_pass"] - 1) for name in ("first", "again"))
    np.testing.assert_array_equal(states[first], states[again])
    assert again - first == record.metrics["xor_period"]
