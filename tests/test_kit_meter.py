"""The kit's histograms of layers and its logarithmic meter. Oracle: the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.meter import LayerHistograms, LogMeter, Reshape  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402
from kit.typeset import Typesetter  # noqa: E402


@pytest.fixture(scope="module")
def setter() -> Typesetter:
    theme = Theme.load("dark", THEME_FILE)
    return Typesetter(theme, [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")])


def heights(shape: manim.VMobject) -> list[float]:
    """The y of the corners, in points of the page, without repetitions."""
    return sorted({round(on_page(*point[:2])[1], 3) for point in shape.get_anchors()})


def test_histograms_share_one_scale_and_stand_in_their_box(setter: Typesetter) -> None:
    drawn = LayerHistograms(setter.theme, np.array([[1.0, 4.0], [2.0, 2.0]]), (100, 200, 200, 80))
    assert drawn.centres == [150, 250]
    assert heights(drawn.shapes[0]) == pytest.approx([200, 260, 280])  # 4 fills the height, 1 a quarter of it
    assert heights(drawn.shapes[1]) == pytest.approx([240, 280])
    across = [on_page(*point[:2])[0] for point in drawn.shapes[0].get_anchors()]
    assert (min(across), max(across)) == pytest.approx((150 - 44, 150 + 44))
    assert heights(drawn.show(np.array([[8.0, 0.0], [0.0, 0.0]])).shapes[0]) == pytest.approx([200, 280])  # cut off


def test_reshaping_mixes_the_counts(setter: Typesetter) -> None:
    drawn = LayerHistograms(setter.theme, np.array([[0.0, 4.0]]), (0, 0, 100, 100))
    animation = Reshape(drawn, np.array([[4.0, 0.0]]), rate_func=manim.linear)
    animation.begin()
    animation.interpolate(0.25)
    np.testing.assert_allclose(drawn.counts, [[1.0, 3.0]])
    animation.interpolate(1.0)
    np.testing.assert_allclose(drawn.counts, [[4.0, 0.0]])


def test_the_scale_is_logarithmic_and_ends(setter: Typesetter) -> None:
    meter = LogMeter(setter, (100, 200, 300, 160), (-7, 1), [100, 200, 300])
    assert meter.height_of(10) == pytest.approx(200)
    assert meter.height_of(1e-3) == pytest.approx(280)
    assert meter.height_of(0) == meter.height_of(1e-9) == pytest.approx(360)
    assert meter.height_of(1e9) == pytest.approx(200)


@pytest.mark.parametrize("backward", [False, True])
def test_a_trail_passes_the_layers_in_order(setter: Typesetter, backward: bool) -> None:
    meter = LogMeter(setter, (100, 200, 300, 160), (-7, 1), [100, 200, 300])
    trail = meter.trail(np.array([1e-2, 1e-1, 1.0]), "violet", backward=backward)
    places = [(100, 260), (200, 240), (300, 220)]
    places = places[::-1] if backward else places
    assert trail.head.get_fill_opacity() == 0
    for t, place in enumerate(places):
        trail.until(t)
        assert on_page(*trail.head.get_center()[:2]) == pytest.approx(place)
        assert sum(knot.get_fill_opacity() for knot in trail.knots) == t + 1
    trail.until(0.5)
    assert on_page(*trail.head.get_center()[:2]) == pytest.approx(np.mean(places[:2], axis=0))
    assert on_page(*trail.line.points[-1][:2]) == pytest.approx(np.mean(places[:2], axis=0))
