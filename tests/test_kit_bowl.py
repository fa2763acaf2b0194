"""Paths in a bowl: they show what was taken, up to the moment, and end at the edge of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from kit.bowl import Rings, Trail
from kit.plane import Plane
from kit.theme import Theme
from kit.typeset import Typesetter

BOX = (60.0, 150.0, 400.0, 200.0)


@pytest.fixture(scope="module")
def plane() -> Plane:
    return Plane(Typesetter(Theme.load("dark"), []), BOX, (-2, 2), (-1, 1))


def end_of(trail: Trail) -> np.ndarray:
    return trail.line.points[-1][:2]


def test_a_trail_is_the_path_up_to_the_moment(plane: Plane) -> None:
    path = np.array([[1.5, 0.5], [0.5, -0.5], [0.0, 0.0]])
    trail = Trail(plane, path)
    np.testing.assert_allclose(trail.ball.get_center(), plane.at(1.5, 0.5), atol=1e-6)
    trail.until(1.5)
    np.testing.assert_allclose(end_of(trail), plane.at(0.25, -0.25)[:2], atol=1e-6)
    assert len(trail.marks.points) == 2 * 16  # the start and one step; a disc has four curves of four points
    trail.until(99)
    np.testing.assert_allclose(trail.ball.get_center(), plane.at(0, 0), atol=1e-6)
    assert trail.leaves == 2.0 and trail.ball.get_fill_opacity() == 1.0


def test_a_trail_ends_at_the_edge_of_the_picture(plane: Plane) -> None:
    trail = Trail(plane, np.array([[0.0, 0.0], [1.0, 0.5], [3.0, 1.5], [9.0, 9.0]]))
    assert trail.leaves == 2.0
    for time in (2.0, 3.0):
        trail.until(time)
        np.testing.assert_allclose(end_of(trail), plane.at(2.0, 1.0)[:2], atol=1e-6)
        assert trail.ball.get_fill_opacity() == 0.0


def test_rings_are_lines_of_equal_loss_inside_the_box(plane: Plane) -> None:
    a, b = 1.0, 9.0
    *rings, _ = Rings(plane, (a, b), count=5)
    losses = set()
    for ring in rings:
        starts = ring.points[::4]
        x, y = (starts[:, 0] - plane.at(0, 0)[0]), (starts[:, 1] - plane.at(0, 0)[1])
        scale = np.linalg.norm(plane.at(1, 0) - plane.at(0, 0))
        loss = (a * x**2 + b * y**2) / scale**2
        assert np.ptp(loss) < 1e-6 * loss.max() + 1e-9
        losses.add(round(float(loss[0]), 4))
        assert np.abs(x).max() <= 2 * scale + 1e-6 and np.abs(y).max() <= scale + 1e-6
    assert len(losses) == 5
