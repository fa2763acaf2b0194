"""The kit's training curve and its many small pictures. Oracles: NumPy and the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.curve import TrainingCurve  # noqa: E402
from kit.heatmap import Cells  # noqa: E402
from kit.pixels import PixelGrid, matrix_boxes, picture_boxes  # noqa: E402
from kit.theme import Theme, on_page  # noqa: E402
from kit.typeset import Typesetter  # noqa: E402

BOX = (100.0, 200.0, 300.0, 120.0)


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme.load("dark", THEME_FILE)


@pytest.fixture(scope="module")
def setter(theme: Theme) -> Typesetter:
    return Typesetter(theme, [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")])


def curve(setter: Typesetter, scale: str = "log") -> TrainingCurve:
    xs, ys = np.array([1, 10, 100]), np.array([2.0, 1.0, 0.5])
    return TrainingCurve(
        setter, BOX, xs, ys, x_ticks={1: "1", 100: "100"}, y_ticks={0: "0", 2: "2"}, y_range=(0, 2), step_scale=scale
    )


def end(drawn: TrainingCurve) -> tuple[float, float]:
    return on_page(*drawn.line.points[-1][:2])


def test_the_curve_ends_where_the_training_is(setter: Typesetter) -> None:
    drawn = curve(setter)
    assert len(drawn.line.points) == 0
    assert end(drawn.until(10)) == pytest.approx((250, 260))  # half way of two decades; 1 of 0 to 2
    assert end(drawn.until(10**1.5)) == pytest.approx((325, 275))  # the line between two points, as it is drawn
    assert end(drawn.until(1e6)) == pytest.approx((400, 290))  # no further than the last point
    assert on_page(*drawn.head.get_center()[:2]) == pytest.approx((400, 290))
    assert len(drawn.until(0.5).line.points) == 0
    assert drawn.head.get_fill_opacity() == 0


def test_a_linear_axis_is_linear(setter: Typesetter) -> None:
    drawn = curve(setter, "linear")
    assert end(drawn.until(10))[0] == pytest.approx(100 + 300 * 9 / 99)
    assert drawn.value(55) == pytest.approx(0.75)


def test_values_beyond_the_axis_stay_in_the_box(setter: Typesetter) -> None:
    xs = np.array([1, 2])
    drawn = TrainingCurve(setter, BOX, xs, np.array([9.0, -9.0]), x_ticks={}, y_ticks={}, y_range=(0, 2))
    heights = [on_page(*point[:2])[1] for point in drawn.until(2).line.points]
    assert min(heights) == pytest.approx(200)
    assert max(heights) == pytest.approx(320)


@pytest.mark.parametrize("xs", [[1], [1, 1], [2, 1]])
def test_a_curve_needs_increasing_x(setter: Typesetter, xs: list[int]) -> None:
    with pytest.raises(ValueError, match="increasing"):
        TrainingCurve(setter, BOX, np.array(xs), np.zeros(len(xs)), x_ticks={}, y_ticks={}, y_range=(0, 1))


def test_pixels_have_the_colours_of_their_values(theme: Theme) -> None:
    pictures = np.zeros((3, 2, 2))
    pictures[1, 0, 1], pictures[2, 1, 0] = 1.0, -0.5
    grid = PixelGrid(theme, pictures, 2, 100, 150, 200, gap=1, signed=True, scale=1.0)
    zoom = grid.pixel_array.shape[1] // 5  # two pictures of two pixels, and a gap
    seen = grid.pixel_array[zoom // 2 :: zoom, zoom // 2 :: zoom]
    colours = {role: np.array(theme[role].to_rgb()) * 255 for role in ("surface", "accent", "accent2")}
    np.testing.assert_allclose(seen[0, 0, :3], colours["surface"], atol=1)
    np.testing.assert_allclose(seen[0, 4, :3], colours["accent"], atol=1)  # second picture, upper right
    np.testing.assert_allclose(seen[4, 0, :3], (colours["surface"] + colours["accent2"]) / 2, atol=1)
    assert seen[0, 2, 3] == 0  # the gap
    assert seen[3, 3, 3] == 0  # no fourth picture
    before = seen.copy()
    grid.show(-pictures)
    assert (grid.pixel_array[zoom // 2 :: zoom, zoom // 2 :: zoom][0, 4] != before[0, 4]).any()


def test_pictures_lie_where_they_say(theme: Theme) -> None:
    grid = PixelGrid(theme, np.ones((4, 3, 3)), 2, 100, 150, 160, gap=2)
    assert grid.picture_box(0) == pytest.approx((100, 150, 60, 60))
    assert grid.picture_box(3) == pytest.approx((200, 250, 60, 60))
    left, top = on_page(*grid.get_corner(manim.UL)[:2])
    assert (left, top) == pytest.approx((100, 150), abs=0.5)
    assert grid.width / grid.height == pytest.approx(1.0, rel=0.01)


def test_boxes_of_pictures_and_of_a_matrix(theme: Theme) -> None:
    boxes = picture_boxes(4, 2, 2, 10, 20, 50, gap=1)  # 5 pixels of 10 points
    assert boxes.shape == (16, 4)
    assert boxes[0].tolist() == [10, 20, 10, 10]
    assert boxes[7].tolist() == [50, 30, 10, 10]  # second picture, its last pixel
    assert boxes[8, :2].tolist() == [10, 50]  # third picture
    rows = matrix_boxes(np.array([1, 0]), 4, 0, 0, 40, 10)
    assert rows[0].tolist() == [0, 5, 10, 5]  # the first row stands in the second place
    assert rows[4, 1] == 0
    Cells(theme, np.ones((4, 4))).put(boxes)  # as many boxes as cells
