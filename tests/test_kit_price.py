"""Rings, circles and diamonds in the plane of two weights: all their points have the same loss, or pay the same."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("manim")

from kit.plane import Plane
from kit.price import BestDeal, Budget, Ring
from kit.theme import Theme
from kit.typeset import Typesetter

H, MINIMUM = np.array([[2.0, 0.8], [0.8, 1.0]]), np.array([0.6, -0.3])


@pytest.fixture(scope="module")
def plane() -> Plane:
    return Plane(Typesetter(Theme.load("dark"), []), (60.0, 150.0, 300.0, 300.0), (-1.5, 1.5), (-1.5, 1.5))


def values(plane: Plane, points: np.ndarray) -> np.ndarray:
    """The pairs of values at the ends of a path's curves."""
    origin, unit = plane.at(0, 0), plane.at(1, 1) - plane.at(0, 0)
    return ((points - origin)[:, :2] / unit[:2])[::4]


def test_a_ring_is_a_line_of_equal_loss_inside_the_box(plane: Plane) -> None:
    w = np.array([0.2, 0.4])
    ring = Ring(plane, H, MINIMUM).through(w)
    away = values(plane, ring.points) - MINIMUM
    loss = 0.5 * np.einsum("ki,ij,kj->k", away, H, away)
    np.testing.assert_allclose(loss, 0.5 * (w - MINIMUM) @ H @ (w - MINIMUM), rtol=1e-6)
    assert np.abs(values(plane, ring.draw(3.0).points)).max() <= 1.5 + 1e-6
    assert len(ring.draw(50.0).points) == 0


@pytest.mark.parametrize(("shape", "order"), [("circle", 2), ("diamond", 1)])
def test_a_budget_is_what_pays_the_same(plane: Plane, shape: str, order: int) -> None:
    w = np.array([0.3, -0.5])
    corners = values(plane, Budget(plane, shape).through(w).points)
    np.testing.assert_allclose(np.linalg.norm(corners, order, axis=1), np.linalg.norm(w, order), rtol=1e-6)


def test_the_best_deal_goes_along_its_path(plane: Plane) -> None:
    path = np.array([[0.6, -0.3], [0.4, 0.0], [0.2, 0.0]])
    best = BestDeal(plane, H, MINIMUM, path, "diamond", "accent")
    np.testing.assert_allclose(best.place(0.25), [0.5, -0.15])
    np.testing.assert_allclose(best.until(0.75).ball.get_center(), plane.at(0.3, 0.0), atol=1e-6)
    np.testing.assert_allclose(best.budget.size(best.place(0.75)), 0.3)
    np.testing.assert_allclose(values(plane, best.line.points)[:2], path[:2], atol=1e-6)


def test_a_line_is_cut_into_the_pieces_inside(plane: Plane) -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert [piece.tolist() for piece in plane.pieces(line)] == [line[:2].tolist(), line[3:].tolist()]
