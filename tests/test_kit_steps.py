"""Lines of equal loss of narrow and turned bowls, and bars on a logarithmic meter."""

from __future__ import annotations

import numpy as np
import pytest
from kit.meter import LogMeter
from kit.plane import Plane
from kit.steps import LevelLines, MeterBars
from kit.theme import Theme, on_page
from kit.typeset import Typesetter

BOX = (60.0, 150.0, 400.0, 200.0)
LEVELS = (0.02, 0.3)


@pytest.fixture(scope="module")
def type_() -> Typesetter:
    return Typesetter(Theme.load("dark"), [])


def losses(line: object, plane: Plane, hessian: np.ndarray) -> np.ndarray:
    """x.H.x / 2 at the corners of a line."""
    left, top, width, height = plane.box
    (x0, x1), (y0, y1) = plane.x_range, plane.y_range
    places = np.array([on_page(*p[:2]) for p in line.points[::4]])
    x = x0 + (places[:, 0] - left) / width * (x1 - x0)
    y = y1 - (places[:, 1] - top) / height * (y1 - y0)
    assert (np.abs(x) <= x1 + 1e-6).all() and (np.abs(y) <= y1 + 1e-6).all()
    xy = np.stack([x, y], axis=1)
    return 0.5 * (xy @ hessian * xy).sum(axis=1)


@pytest.mark.parametrize("condition", [1.0, 9.0, 5_000.0])
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_level_lines_have_their_level_inside_the_box(type_: Typesetter, condition: float, angle: float) -> None:
    plane = Plane(type_, BOX, (-2, 2), (-1, 1))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hessian = turn @ np.diag([1.0, condition]) @ turn.T / condition
    lines = LevelLines(plane, np.eye(2), LEVELS).show(hessian)
    assert len(lines) == len(LEVELS)
    for line, level in zip(lines, LEVELS, strict=True):
        assert len(line.points) % 4 == 0 and len(line.points) > 40
        np.testing.assert_allclose(losses(line, plane, hessian), level, rtol=1e-6)


def test_a_bar_ends_at_its_value(type_: Typesetter) -> None:
    meter = LogMeter(type_, (100.0, 200.0, 200.0, 120.0), (-4, 0), [150.0, 250.0])
    bars = MeterBars(meter, 40.0).show([1e-1, 1e-9])
    for bar, x, top in zip(bars, (150.0, 250.0), (200.0 + 120 / 4, 319.0), strict=True):
        places = np.array([on_page(*p[:2]) for p in bar.points])
        np.testing.assert_allclose(places[:, 1].min(), top, atol=1e-3)
        np.testing.assert_allclose(places[:, 1].max(), 320.0, atol=1e-3)
        np.testing.assert_allclose([places[:, 0].min(), places[:, 0].max()], [x - 20, x + 20], atol=1e-3)
