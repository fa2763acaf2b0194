"""The kit's plane with a moving line. Oracles: the geometry of lines, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.plane import Arrow, Boundary, Plane, Points, Swing, Turn, crossing, half  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402
from kit.typeset import Typesetter  # noqa: E402

SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)


@pytest.fixture(scope="module")
def plane() -> Plane:
    fonts = [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")]
    return Plane(Typesetter(Theme.load("dark", THEME_FILE), fonts), (100, 200, 200, 200), (-1, 1), (-1, 1), "x", "y")


def place(point: np.ndarray) -> tuple[float, float]:
    return on_page(float(point[0]), float(point[1]))


def test_places_of_the_data(plane: Plane) -> None:
    assert place(plane.at(-1, -1)) == pytest.approx((100, 400))
    assert place(plane.at(0.5, 0.5)) == pytest.approx((250, 250))
    assert plane.scale_of == 100


def test_a_line_cuts_a_square() -> None:
    ends = crossing(SQUARE, np.array([1.0, 0.0]), -0.25)  # x = 1/4
    assert sorted(map(tuple, ends.round(6))) == [(0.25, -1.0), (0.25, 1.0)]
    assert len(crossing(SQUARE, np.array([1.0, 0.0]), -2)) == 0
    assert len(crossing(SQUARE, np.zeros(2), 1.0)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_two_sides_make_up_the_square(seed: int) -> None:
    random = np.random.default_rng(seed)
    w, b = random.normal(size=2), random.normal() * 0.3

    def area(polygon: np.ndarray) -> float:
        x, y = polygon.T
        return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 if len(polygon) > 2 else 0.0

    more, less = half(SQUARE, w, b), half(SQUARE, -w, -b)
    assert area(more) + area(less) == pytest.approx(4.0)
    assert (more @ w + b >= -1e-9).all()
    assert (less @ w + b <= 1e-9).all()


def test_the_line_swings_evenly_and_ends_where_it_should(plane: Plane) -> None:
    line = Boundary(plane, np.array([1.0, 0.0]), 0.0)
    swing = Swing(line, np.array([1.0, 2.0]), -1.0, rate_func=manim.linear)
    swing.begin()
    swing.interpolate(0.5)
    assert line.w.tolist() == [1.0, 1.0]
    assert line.b == -0.5
    for point in line.line.points:  # what is drawn lies on the line
        x, y = place(point)
        assert (x - 200) / 100 + (300 - y) / 100 == pytest.approx(0.5)
    swing.finish()
    assert line.w.tolist() == [1.0, 2.0]
    foot = line.foot(np.array([1.0, 1.0]))
    assert line.w @ foot + line.b == pytest.approx(0.0)
    way = np.array([1.0, 1.0]) - foot
    assert way[0] * line.w[1] - way[1] * line.w[0] == pytest.approx(0.0)  # parallel to the normal


def test_without_weights_there_is_no_line(plane: Plane) -> None:
    line = Boundary(plane, np.zeros(2), 0.0)
    assert len(line.line.points) == 0
    assert len(line.arrow.points) == 0


def test_the_normal_points_to_the_positive_side(plane: Plane) -> None:
    line = Boundary(plane, np.array([0.0, -2.0]), 0.0)
    begin, end = line.arrow.begin_xy, line.arrow.end_xy
    assert (end - begin) @ line.w > 0
    assert (end - begin)[0] == pytest.approx(0.0)


def test_discs_are_round_and_move(plane: Plane) -> None:
    xy = np.array([[0.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    dots = Points(plane, xy, ["accent", "accent2"], np.array([0, 1, 0]), radius=5)
    assert [len(part.points) for part in dots] == [32, 16]
    for point in dots[1].points[::4]:
        assert np.hypot(*np.subtract(place(point), (250, 250))) == pytest.approx(5.0)
    dots.put(-xy)
    assert place(dots[1].points.mean(axis=0)) == pytest.approx((150, 350), abs=1e-3)


def test_an_arrow_turns(plane: Plane) -> None:
    arrow = Arrow(plane, (0, 0), (1, 0))
    turn = Turn(arrow, (0, 0), (0, 1), rate_func=manim.linear)
    turn.begin()
    turn.interpolate(0.5)
    assert arrow.end_xy.tolist() == [0.5, 0.5]
    assert place(arrow.points[3]) == pytest.approx((250, 250))
    assert len(arrow.span((0, 0), (0, 0)).points) == 0
