"""The kit's rows of words, bars and beams. Oracles: the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.beams import Beams  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402
from kit.tokens import SMALLEST, TokenBars, TokenRow  # noqa: E402
from kit.typeset import Typesetter  # noqa: E402

BOX = (60.0, 150.0, 400.0, 30.0)


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme.load("dark", THEME_FILE)


@pytest.fixture(scope="module")
def setter(theme: Theme) -> Typesetter:
    return Typesetter(theme, [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")])


def page(points: np.ndarray) -> np.ndarray:
    return np.array([on_page(*p[:2]) for p in points])


def test_boxes_hold_their_words(setter: Typesetter) -> None:
    row = TokenRow(setter, ["a", "black", "dog", "#1 *"], BOX)
    for i, (left, width) in enumerate(row.columns):
        frame, word = row[i]
        ink = word.ink()
        assert left < ink[0] and ink[2] < left + width
        assert BOX[1] < ink[1] and ink[3] < BOX[1] + BOX[3]
        assert page(frame.points)[:, 0].min() == pytest.approx(left)
    assert row.bottom(0) == (row.middle(0), 180.0)
    assert row.columns[1][0] > row.columns[0][0] + row.columns[0][1]


@pytest.mark.parametrize("even", [True, False])
def test_a_long_sentence_is_set_smaller_and_fits(setter: Typesetter, even: bool) -> None:
    row = TokenRow(setter, ["september"] * 7, (60, 150, 570, 30), even=even)
    assert SMALLEST <= row.size < 17
    left, width = row.columns[-1]
    assert left + width <= 630 + 0.5
    assert len({round(width, 3) for _, width in row.columns}) == 1


def test_bars_stand_on_the_ground(setter: Typesetter) -> None:
    bars = TokenBars(setter, [(0, 10), (20, 10), (40, 10)], 300, 80).show(np.array([0.5, 0.0, 1.0]))
    seen = page(bars.points)
    assert seen[:, 1].max() == pytest.approx(300)
    assert seen[seen[:, 0] < 15][:, 1].min() == pytest.approx(260)
    assert seen[seen[:, 0] > 35][:, 1].min() == pytest.approx(220)
    assert not ((seen[:, 0] > 15) & (seen[:, 0] < 35)).any()  # no bar for zero
    move = bars.to(np.array([0.0, 1.0, 0.0]))
    move.interpolate_mobject(1.0)
    assert bars.values.tolist() == [0, 1, 0]


def test_bars_of_long_words_are_no_wider(setter: Typesetter) -> None:
    seen = page(TokenBars(setter, [(0, 10), (20, 50)], 300, 80).show(np.array([0.5, 0.5])).points)
    short, long = seen[seen[:, 0] < 15][:, 0], seen[seen[:, 0] > 15][:, 0]
    assert np.ptp(long) == pytest.approx(np.ptp(short))
    assert (long.min() + long.max()) / 2 == pytest.approx(45)


def test_a_beam_is_as_wide_as_its_weight(theme: Theme) -> None:
    beams = Beams(theme, [(100, 200), (300, 200)], [(200, 400)], widest=40).show([0.75, 0.25])
    seen = page(beams.points)
    above, below = seen[np.isclose(seen[:, 1], 200)], seen[np.isclose(seen[:, 1], 400)]
    first = above[above[:, 0] < 200][:, 0]
    assert np.ptp(first) == pytest.approx(30)
    assert np.ptp(above[above[:, 0] > 200][:, 0]) == pytest.approx(10)
    assert below[:, 0].min() == pytest.approx(180)  # side by side, 40 points together
    assert below[:, 0].max() == pytest.approx(220)


def test_weights_of_nothing_draw_nothing(theme: Theme) -> None:
    beams = Beams(theme, [(100, 200), (300, 200)], [(200, 400), (220, 400)])
    assert len(beams.show(np.zeros((2, 2))).points) == 0
    assert len(beams.show(np.array([[1, 0], [0, 0.001]])).points) == 16
    with pytest.raises(ValueError, match="reshape"):
        beams.show([1, 2, 3])
