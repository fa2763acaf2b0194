"""The kit's sliding window, its readable grids, and its stacks of maps. Oracles: torch and the page's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

manim = pytest.importorskip("manim")

from kit.stack import MapStack, Sheet  # noqa: E402
from kit.theme import Theme, on_page, units  # noqa: E402
from kit.typeset import Typeset, Typesetter  # noqa: E402
from kit.window import NumberGrid, Rays, Window, place, revealed  # noqa: E402


@pytest.fixture(scope="module", params=["dark", "light"])
def theme(request: pytest.FixtureRequest) -> Theme:
    return Theme.load(request.param, THEME_FILE)


@pytest.fixture(scope="module")
def setter(theme: Theme) -> Typesetter:
    return Typesetter(theme, [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")])


def upper_left(mobject: manim.Mobject) -> tuple[float, float]:
    return on_page(*mobject.get_corner(manim.UL)[:2])


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (2, 2, 0), (5, 1, 2)])
def test_patches_under_the_window_give_the_convolution(theme: Theme, size: int, stride: int, padding: int) -> None:
    picture, kernel = torch.randn(9, 7), torch.randn(size, size)
    maps = F.conv2d(picture[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    window = Window(theme, 100, 200, 10, size, stride=stride, padding=padding)
    for row, column in np.ndindex(*maps.shape):
        patch = window.patch(picture.numpy(), row, column)
        assert (patch * kernel.numpy()).sum() == pytest.approx(float(maps[row, column]), abs=1e-4)


def test_the_window_lies_over_its_pixels(theme: Theme) -> None:
    window = Window(theme, 100, 200, 10, 3, stride=2, padding=1)
    assert window.box(0, 0) == (90, 190, 30, 30)  # in the ring
    window.put(1, 3)
    assert upper_left(window) == pytest.approx((150, 210))
    assert window.width == pytest.approx(units(30))
    assert window.box(0.5, 0)[1] == 200  # on its way


def test_rays_follow_the_window(theme: Theme, setter: Typesetter) -> None:
    window, grid = Window(theme, 100, 200, 10), NumberGrid(setter, np.ones((3, 3)), 300, 150, (40, 30))
    rays = Rays(theme, window, grid)
    window.put(2, 4)
    rays.follow(window)
    assert on_page(*rays[0].get_start()[:2]) == pytest.approx((170, 220))
    assert on_page(*rays[1].get_start()[:2]) == pytest.approx((170, 250))
    assert on_page(*rays[1].get_end()[:2]) == pytest.approx((300, 240))


def test_a_grid_shows_its_numbers_in_its_cells(theme: Theme, setter: Typesetter) -> None:
    grid = NumberGrid(setter, np.array([[0.25, -1.0], [0.001, 0.5]]), 100, 200, (50, 40), signed=True)
    numbers = [cell[1] for cell in grid]
    assert [n.source for n in numbers] == ["0.25", "−1.00", "0", "0.50"]
    for cell, number in zip(grid, numbers, strict=True):
        (left, top), (right, bottom) = upper_left(cell[0]), on_page(*cell[0].get_corner(manim.DR)[:2])
        ink = number.ink()
        assert left < ink[0] < ink[2] < right
        assert top < ink[1] < ink[3] < bottom
    grid.show(np.zeros((2, 2)), numbers=False)
    assert not [m for m in grid.get_family() if isinstance(m, Typeset)]
    assert grid.cell(1, 1)[0].get_fill_color().to_hex() == theme["surface"].to_hex()
    with pytest.raises(ValueError, match="2 x 2"):
        grid.show(np.zeros((3, 3)))


def test_numbers_can_be_read_on_every_colour(theme: Theme, setter: Typesetter) -> None:
    """At least 3 : 1, as large words need; half-bright cells allow no more."""
    from kit.window import _contrast

    for signed, values in ((False, np.linspace(0, 1, 16)), (True, np.linspace(-1, 1, 16))):
        grid = NumberGrid(setter, values.reshape(4, 4), 100, 150, (50, 40), signed=signed, scale=1.0)
        worst = min(_contrast(cell[1][0].get_fill_color(), cell[0].get_fill_color()) for cell in grid)
        assert worst >= 3.0, (theme.name, signed, worst)


def test_a_map_is_revealed_row_by_row() -> None:
    values = np.arange(1.0, 7).reshape(2, 3)
    assert revealed(values, 0).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert revealed(values, 4.7).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert revealed(values, 99).tolist() == values.tolist()
    assert place(4.2, 3) == (1, 1)


def test_sheets_have_the_colours_of_their_values(theme: Theme) -> None:
    sheet = Sheet(theme, np.array([[1.0, -1.0]]), 100, 200, 40, signed=True)
    pixels = sheet.image.pixel_array
    np.testing.assert_allclose(pixels[0, 0, :3], np.array(theme["accent"].to_rgb()) * 255, atol=1)
    np.testing.assert_allclose(pixels[0, -1, :3], np.array(theme["accent2"].to_rgb()) * 255, atol=1)
    sheet.show(np.array([[0.0, 0.0]]))
    np.testing.assert_allclose(sheet.image.pixel_array[0, 0, :3], np.array(theme["surface"].to_rgb()) * 255, atol=1)
    photo = Sheet(theme, np.array([[[1.0, 0.5, 0.0]]]), 100, 200, 40)
    assert photo.image.pixel_array[0, 0].tolist() == [255, 128, 0, 255]
    assert upper_left(photo) == pytest.approx((100, 200), abs=0.5)


def test_a_stack_has_the_first_map_in_front(theme: Theme) -> None:
    stack = MapStack(theme, np.ones((3, 4, 4)), 100, 300, 50, step=(6, 8))
    assert stack[-1] is stack.sheets[0]
    assert upper_left(stack.sheets[2].image) == pytest.approx((112, 284), abs=0.5)
    stack.pile()
    assert upper_left(stack.sheets[2].image) == pytest.approx((100, 300), abs=0.5)
    assert len(stack.spread((1, 2))) == 3
    assert stack.place(2) == (102, 296)
    before = stack.sheets[1].image.pixel_array.copy()
    stack.show(np.zeros((3, 4, 4)))
    assert (stack.sheets[1].image.pixel_array != before).any()
