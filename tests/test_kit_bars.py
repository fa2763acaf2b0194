"""The kit's signed bars. Oracle: the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.bars import SignedBars, Toward  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402


def bars() -> SignedBars:
    return SignedBars(
        Theme.load("dark", THEME_FILE), [200.0, 240.0, 280.0], x=500.0, reach=100.0, scale=4.0, thick=10.0
    )


def corners(path: manim.VMobject) -> np.ndarray:
    return np.array([on_page(*point[:2]) for point in path.points])


def test_a_bar_is_as_long_as_its_value_on_the_side_of_its_sign() -> None:
    shown = bars().show(np.array([2.0, -1.0, 0.0]))
    more, less = corners(shown.more), corners(shown.less)
    assert (more[:, 0].min(), more[:, 0].max()) == pytest.approx((500, 550))
    assert (less[:, 0].min(), less[:, 0].max()) == pytest.approx((475, 500))
    assert (more[:, 1].min(), more[:, 1].max()) == pytest.approx((195, 205))
    assert less[:, 1].mean() == pytest.approx(240)


def test_what_is_larger_than_the_scale_is_cut_off() -> None:
    shown = bars().show(np.array([9.0, -9.0, 0.0]))
    assert corners(shown.more)[:, 0].max() == pytest.approx(600) == shown.end(9.0)
    assert corners(shown.less)[:, 0].min() == pytest.approx(400) == shown.end(-9.0)


def test_bars_pass_through_all_values_between() -> None:
    shown = bars().show(np.array([4.0, 0.0, 0.0]))
    change = Toward(shown, np.array([-4.0, 2.0, 0.0]), rate_func=lambda t: t)
    change.interpolate_mobject(0.5)
    np.testing.assert_allclose(shown.values, (0, 1, 0), atol=1e-12)
    change.interpolate_mobject(1.0)
    np.testing.assert_allclose(shown.values, (-4, 2, 0), atol=1e-12)
    assert corners(shown.less)[:, 0].min() == pytest.approx(400)
