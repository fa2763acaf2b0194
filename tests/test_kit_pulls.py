"""The kit's pulled dots. Oracle: the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.pulls import PulledDots  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402

BOX = (100.0, 200.0, 300.0, 120.0)


def dots() -> PulledDots:
    return PulledDots(Theme.load("dark", THEME_FILE), 3, BOX, (-3.0, 3.0), reach=50.0, radius=4.0)


def corners(path: manim.VMobject) -> np.ndarray:
    return np.array([on_page(*point[:2]) for point in path.points])


def test_a_dot_stands_at_its_value_on_its_side() -> None:
    shown = dots().show(np.array([-3.0, 0.0, 1.5]))
    wrong, right = corners(shown.wrong), corners(shown.right)
    assert len(wrong) == 16
    assert len(right) == 32
    np.testing.assert_allclose(wrong.mean(axis=0), (100, 220), atol=1e-6)
    np.testing.assert_allclose(np.ptp(wrong, axis=0), (8, 8), atol=1e-6)
    np.testing.assert_allclose(right[16:].mean(axis=0), (325, 300), atol=1e-6)
    assert len(shown.bars.points) == 0


def test_a_bar_is_as_long_as_the_pull_and_shows_its_sign() -> None:
    shown = dots().show(np.array([0.0, 0.0, 0.0]), np.array([1.0, -0.5, 0.0]))
    bars = corners(shown.bars).reshape(3, 16, 2)
    assert (bars[0, :, 0].min(), bars[0, :, 0].max()) == pytest.approx((250, 300))
    assert (bars[1, :, 0].min(), bars[1, :, 0].max()) == pytest.approx((225, 250))
    assert np.ptp(bars[2, :, 0]) == pytest.approx(0)


def test_what_leaves_the_axis_stays_at_its_end() -> None:
    shown = dots().show(np.array([-9.0, 0.0, 9.0]))
    assert corners(shown.wrong)[:, 0].mean() == pytest.approx(100)
    assert corners(shown.right)[16:, 0].mean() == pytest.approx(400)
