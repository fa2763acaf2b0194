"""The attention map of the scenes: its colours are its weights, and its words stand at their rows and columns."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.alignment import AttentionMap  # noqa: E402
from kit.record import KitError  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402
from kit.typeset import Typesetter  # noqa: E402

FONTS = [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")]
WEIGHTS = np.array([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
X, Y, CELL = 300.0, 200.0, 40.0


@pytest.fixture(scope="module")
def setter() -> Typesetter:
    return Typesetter(Theme.load("dark", THEME_FILE), FONTS)


@pytest.fixture
def shown(setter: Typesetter) -> AttentionMap:
    return AttentionMap(setter, WEIGHTS, ["un", "chien"], ["a", "black", "dog"], X, Y, CELL)


def colours(shown: AttentionMap) -> np.ndarray:
    """The colour in the middle of every cell, 0 to 255."""
    pixels = shown.image.pixel_array
    side = pixels.shape[0] // len(WEIGHTS)
    return pixels[side // 2 :: side, side // 2 :: side, :3].astype(float)


def mixed(setter: Typesetter, weights: np.ndarray) -> np.ndarray:
    ground, ink = (255 * np.array(setter.theme[role].to_rgb()) for role in ("surface", "accent"))
    return ground + weights[..., None] * (ink - ground)


def test_a_weight_has_the_same_colour_in_every_map(setter: Typesetter, shown: AttentionMap) -> None:
    np.testing.assert_allclose(colours(shown), mixed(setter, WEIGHTS), atol=1)
    faint = 0.1 * WEIGHTS  # the colours are not stretched to what is there
    np.testing.assert_allclose(colours(shown.show(faint)), mixed(setter, faint), atol=1)


def test_rows_that_are_still_to_come_are_empty(setter: Typesetter, shown: AttentionMap) -> None:
    np.testing.assert_allclose(colours(shown.until(1)), mixed(setter, WEIGHTS * [[1], [0]]), atol=1)
    np.testing.assert_allclose(colours(shown.until(1.5)), mixed(setter, WEIGHTS * [[1], [0.5]]), atol=1)
    np.testing.assert_allclose(colours(shown.until(2)), mixed(setter, WEIGHTS), atol=1)


def test_words_stand_at_their_rows_and_columns(shown: AttentionMap) -> None:
    for row, word in enumerate(shown.rows):
        left, top, right, bottom = word.ink()
        assert right < X
        assert Y + row * CELL < top < bottom < Y + (row + 1) * CELL
        assert left < right
    for column, word in enumerate(shown.columns):
        left, top, right, bottom = word.ink()
        assert bottom < Y
        assert X + column * CELL < left < right < X + (column + 1) * CELL
    assert shown.columns[1].ink()[3] - shown.columns[1].ink()[1] > 30  # "black" stands upright
    assert (shown.right(), shown.bottom()) == (X + 3 * CELL, Y + 2 * CELL)


def test_a_ring_lies_inside_its_cells(shown: AttentionMap) -> None:
    ring = shown.ring(1, 0, columns=2)
    x, y = on_page(*ring.get_center()[:2])
    assert (x, y) == (pytest.approx(X + CELL), pytest.approx(Y + 1.5 * CELL))


def test_weights_must_fit_the_words(setter: Typesetter, shown: AttentionMap) -> None:
    with pytest.raises(KitError, match="2 rows and 2 columns"):
        AttentionMap(setter, WEIGHTS, ["un", "chien"], ["a", "dog"], X, Y, CELL)
    with pytest.raises(KitError, match="shape"):
        shown.show(WEIGHTS.T)
