"""The kit's bent grid. Oracles: the page's own geometry, and maps whose result is known."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.theme import THEME_FILE

pytest.importorskip("manim")

from kit.bend import BentCurve, BentGrid, Cloud, View, line_through
from kit.theme import Theme, on_page

VIEW = View((100.0, 200.0, 200.0, 100.0), (-1, 1), (0, 1))


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme.load("dark", THEME_FILE)


def ends(path) -> np.ndarray:
    """First and last place of a path, on the page."""
    return np.array([on_page(*path.points[i][:2]) for i in (0, -1)])


def test_a_window_has_its_corners_and_y_upwards() -> None:
    np.testing.assert_allclose(VIEW.page(np.array([[-1, 0], [1, 1], [0, 0.5]])), [[100, 300], [300, 200], [200, 250]])
    assert VIEW.inside(np.array([[0, 0.5], [1.2, 0.5]])).tolist() == [True, False]
    assert VIEW.inside(np.array([[1.2, 0.5]]), margin=0.3).all()


def test_a_grid_has_its_lines_and_follows_the_map(theme: Theme) -> None:
    grid = BentGrid(theme, (0, 1), (0, 1), every=0.5, fineness=11).show(VIEW.page)
    fine, strong = grid
    assert len(fine.points) == 2 * 10 * 4  # x = 0.5 and y = 0.5
    assert len(strong.points) == 4 * 10 * 4  # the four sides
    np.testing.assert_allclose(ends(fine), [[250, 300], [300, 250]])
    before = fine.points.copy()
    grid.show(lambda places: VIEW.page(places**2))
    np.testing.assert_allclose(on_page(*fine.points[0][:2]), VIEW.page(np.array([[0.25, 0]]))[0])
    assert fine.points.shape == before.shape


def test_discs_have_their_centres_and_their_size(theme: Theme) -> None:
    cloud = Cloud(theme, "accent", 5.0).show(np.array([[100.0, 200.0], [300.0, 250.0]]))
    places = np.array([on_page(*p[:2]) for p in cloud.points]).reshape(2, 16, 2)
    np.testing.assert_allclose(places[:, ::4].mean(axis=1), [[100, 200], [300, 250]])
    np.testing.assert_allclose(np.linalg.norm(places[0, ::4] - [100, 200], axis=1), 5)


def test_a_gap_in_a_curve_stays_open(theme: Theme) -> None:
    points = np.array([[0, 0], [1, 0], [np.nan, np.nan], [3, 0], [4, 0], [5, 0]])
    assert len(BentCurve(theme, "text").show(points).points) == 4 * 3


def test_a_line_is_where_its_weights_say() -> None:
    places = line_through(np.array([3.0, -2.0]), 0.5, 4.0)
    np.testing.assert_allclose(places @ [3.0, -2.0], 0.5)
    assert np.linalg.norm(places[0] - places[-1]) == pytest.approx(8)
