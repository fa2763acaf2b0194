"""A kernel's window over a picture, and small grids whose numbers can be read: what a convolution or a pooling does.

    digit = PixelGrid(theme, picture[None], 1, 60, 170, 252)            # 28 pixels of 9 points
    window = Window(theme, 60, 170, 9, size=3, stride=2, padding=1)     # over it
    patch = NumberGrid(self.type, window.patch(picture, 4, 7), 414, 150, (44, 32))
    self.play(window.slide(4, 7))                                       # where output pixel (4, 7) is computed
    patch.show(window.patch(picture, 4, 7))

Places are those of the OUTPUT: row and column of the output pixel, whatever stride and padding are.
"""

from __future__ import annotations

import numpy as np
from manim import Animation, Line, ManimColor, Rectangle, VGroup, color_to_int_rgb

from kit.theme import Theme, at, stroke, units
from kit.typeset import Typeset, Typesetter

DEEPEST = 0.8  # of the colours of a signed grid: numbers on them stay readable


class NumberGrid(VGroup):
    """A grid of cells, coloured by value, each with its number; for some 3 x 3 to 8 x 8 pixels.

    Its upper left is at (x, y) points, a cell is `cell` = (width, height) points. Grey from 0 to `scale`, or `signed`.
    `show` replaces the values in place. `cell(i, j)` is one cell with its number, to fade in or to move.
    `places` are decimals; without `numbers` only the colours are shown, which is cheap enough for every frame.
    """

    def __init__(
        self,
        type_: Typesetter,
        values: np.ndarray,
        x: float,
        y: float,
        cell: tuple[float, float],
        *,
        size: float = 15,
        places: int = 2,
        signed: bool = False,
        scale: float | None = None,
        numbers: bool = True,
    ) -> None:
        super().__init__()
        self.type, self.theme, self.corner, self.cell_size = type_, type_.theme, (x, y), cell
        self.size, self.places, self.signed = size, places, signed
        self.scale_value = float(scale or np.abs(values).max() or 1.0)
        self.rows, self.columns = np.shape(values)
        for i in range(self.rows):
            for j in range(self.columns):
                box = Rectangle(width=units(cell[0]), height=units(cell[1]), stroke_width=stroke(1.0), fill_opacity=1)
                box.set_stroke(self.theme["line"]).move_to(at(*self.centre(i, j)))
                self.add(VGroup(box))
        self.show(values, numbers)

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """The middle of a cell, in points."""
        return (
            self.corner[0] + (column + 0.5) * self.cell_size[0],
            self.corner[1] + (row + 0.5) * self.cell_size[1],
        )

    def cell(self, row: int, column: int) -> VGroup:
        """One cell: its box and, if it is shown, its number."""
        return self.submobjects[row * self.columns + column]

    def show(self, values: np.ndarray, numbers: bool = True) -> NumberGrid:
        """Replace the values; the shape must be the same."""
        if np.shape(values) != (self.rows, self.columns):
            raise ValueError(f"a grid of {self.rows} x {self.columns} cells cannot show {np.shape(values)}")
        for k, value in enumerate(np.asarray(values, float).reshape(-1)):
            cell = self.submobjects[k]
            cell[0].set_fill(self.colour(value), 1.0)
            cell.submobjects[1:] = [self._number(value, *divmod(k, self.columns))] if numbers else []
        return self

    def colour(self, value: float) -> ManimColor:
        """The colour of a cell with this value."""
        share = min(abs(value) / self.scale_value, 1.0)
        if self.signed:
            return self.theme.mix("surface", "accent" if value >= 0 else "accent2", DEEPEST * share)
        return self.theme.mix("surface", "text", share)

    def _number(self, value: float, row: int, column: int) -> Typeset:
        shown = f"{value:.{self.places}f}"
        if float(shown) == 0:
            shown = "0"
        colours = {role: _contrast(self.theme[role], self.colour(value)) for role in ("text", "bg")}
        role = max(colours, key=colours.__getitem__)
        x, y = self.centre(row, column)
        return self.type.words(shown.replace("-", "−"), self.size, role).put(x, y + 0.36 * self.size, "center")


class Window(VGroup):
    """The outline of a kernel's window over a picture whose upper left is at (x, y), with pixels of `pixel` points."""

    def __init__(
        self,
        theme: Theme,
        x: float,
        y: float,
        pixel: float,
        size: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
        role: str = "good",
        width: float = 2.6,
    ) -> None:
        super().__init__()
        self.corner, self.pixel, self.kernel, self.stride, self.padding = (x, y), pixel, size, stride, padding
        side = units(size * pixel)
        self.add(Rectangle(width=side, height=side, fill_opacity=0.0).set_stroke(theme[role], stroke(width)))
        self.put(0, 0)

    def box(self, row: float, column: float) -> tuple[float, float, float, float]:
        """Left, top, width and height of the window for an output pixel; fractions are places on the way."""
        left, top = (
            origin + (place * self.stride - self.padding) * self.pixel
            for origin, place in zip(self.corner, (column, row), strict=True)
        )
        return left, top, self.kernel * self.pixel, self.kernel * self.pixel

    def put(self, row: float, column: float) -> Window:
        """Move at once."""
        left, top, width, height = self.box(row, column)
        self.move_to(at(left + width / 2, top + height / 2))
        return self

    def slide(self, row: float, column: float) -> Animation:
        """The animation that moves the window there in a straight line."""
        left, top, width, height = self.box(row, column)
        return self.animate.move_to(at(left + width / 2, top + height / 2))

    def patch(self, picture: np.ndarray, row: int, column: int) -> np.ndarray:
        """The pixels in the window; zeros where it sticks out into the padding."""
        padded = np.pad(picture, self.padding)
        top, left = row * self.stride, column * self.stride
        return padded[top : top + self.kernel, left : left + self.kernel]


class Rays(VGroup):
    """Two thin lines from the right side of a window to the left side of its enlarged picture; follows the window."""

    def __init__(self, theme: Theme, window: Window, grid: NumberGrid) -> None:
        super().__init__()
        x, y = grid.corner
        self.ends = at(x, y), at(x, y + grid.rows * grid.cell_size[1])
        for end in self.ends:
            self.add(Line(window.get_center(), end, stroke_width=stroke(1.2)).set_stroke(theme["good"], opacity=0.7))
        self.follow(window)
        self.add_updater(lambda rays: rays.follow(window))

    def follow(self, window: Window) -> Rays:
        right, half = window.get_right(), np.array([0.0, window.height / 2, 0.0])
        for line, start, end in zip(self.submobjects, (right + half, right - half), self.ends, strict=True):
            line.put_start_and_end_on(start, end)
        return self


def revealed(values: np.ndarray, done: float) -> np.ndarray:
    """A map of which the first `done` pixels, row by row, have been computed; the others are 0 (not yet there)."""
    flat = np.zeros(values.size)
    count = int(np.clip(done, 0, values.size))
    flat[:count] = values.reshape(-1)[:count]
    return flat.reshape(values.shape)


def place(done: float, columns: int) -> tuple[int, int]:
    """Row and column of the output pixel that is computed as number `done` (from 0)."""
    return divmod(int(done), columns)


def _contrast(one: ManimColor, other: ManimColor) -> float:
    """The contrast ratio of two colours, as WCAG defines it."""

    def luminance(colour: ManimColor) -> float:
        rgb = np.asarray(color_to_int_rgb(colour)) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
