"""An attention map with its words: one row for each output word, one column for each input word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import PI, Group, Rectangle, VGroup

from kit.heatmap import Frame
from kit.pixels import PixelGrid
from kit.record import KitError
from kit.theme import at, stroke, units
from kit.typeset import Typeset, Typesetter, plain

GAP = 8.0  # points between the words and the map


class AttentionMap(Group):
    """Weights of shape (rows, columns) as cells of `cell` points, whose upper left corner is at (x, y) points.

    The colour goes from nothing at 0 to the full accent at 1, always: maps can be compared. Words of rows stand on the
    left, words of columns upright above. `show` replaces the weights, `until` hides the rows that are still to come.
    """

    def __init__(
        self,
        type_: Typesetter,
        weights: np.ndarray,
        rows: Sequence[str],
        columns: Sequence[str],
        x: float,
        y: float,
        cell: float,
        size: float = 17.0,
    ) -> None:
        super().__init__()
        self.weights = np.asarray(weights, float)
        if self.weights.shape != (len(rows), len(columns)):
            raise KitError(f"a map of {self.weights.shape} for {len(rows)} rows and {len(columns)} columns")
        self.type, self.corner, self.cell_size, self.shown = type_, (x, y), cell, float(len(rows))
        width, height = cell * len(columns), cell * len(rows)
        ground = Frame(type_.theme, x, y, width, height, len(rows), len(columns))
        self.image = PixelGrid(type_.theme, self.weights[None], 1, x, y, width, gap=0, signed=True, scale=1.0)
        self.rows = VGroup(*(self._row_word(word, row, size) for row, word in enumerate(rows)))
        self.columns = VGroup(*(self._column_word(word, column, size) for column, word in enumerate(columns)))
        self.ground = VGroup(ground[0])
        self.grid = VGroup(*ground[1:])
        self.add(self.ground, self.image, self.grid, self.rows, self.columns)

    def _row_word(self, word: str, row: int, size: float) -> Typeset:
        x, y = self.corner
        return self.type.words(plain(word), size).put(x - GAP, y + (row + 0.5) * self.cell_size + 0.34 * size, "right")

    def _column_word(self, word: str, column: int, size: float) -> Typeset:
        """Upright, read from below; its end is just above the map."""
        x, y = self.corner
        piece = self.type.words(plain(word), size).put(0, 0)
        middle = at(piece.advance / 2, -0.34 * size)  # of the line, not of its ink: "on" and "dog" stay level
        piece.rotate(PI / 2, about_point=middle)
        return piece.shift(at(x + (column + 0.5) * self.cell_size, y - GAP - piece.advance / 2) - middle)

    # ---------------------------------------------------------------- values

    def show(self, weights: np.ndarray) -> AttentionMap:
        """Replace the weights; the shape must be the same."""
        if weights.shape != self.weights.shape:
            raise KitError(f"the map has shape {self.weights.shape}, not {weights.shape}")
        self.weights = np.asarray(weights, float)
        return self._paint()

    def until(self, rows: float) -> AttentionMap:
        """Show the first `rows` rows; of a broken number, the last one is faint."""
        self.shown = float(rows)
        return self._paint()

    def _paint(self) -> AttentionMap:
        seen = np.clip(self.shown - np.arange(len(self.weights)), 0.0, 1.0)
        self.image.show((self.weights * seen[:, None])[None])
        return self

    # ---------------------------------------------------------------- places

    def cell(self, row: float, column: float) -> tuple[float, float, float, float]:
        """Left, top, width and height of a cell in points."""
        (x, y), side = self.corner, self.cell_size
        return x + column * side, y + row * side, side, side

    def bottom(self) -> float:
        """The lower edge of the map in points."""
        return self.corner[1] + self.cell_size * len(self.weights)

    def right(self) -> float:
        """The right edge of the map in points."""
        return self.corner[0] + self.cell_size * self.weights.shape[1]

    def ring(self, row: int, column: int, role: str = "good", rows: int = 1, columns: int = 1) -> Rectangle:
        """A frame around a cell, or around a block of cells that begins there."""
        left, top, side, _ = self.cell(row, column)
        inset = 2.0
        wide, high = side * columns - 2 * inset, side * rows - 2 * inset
        frame = Rectangle(width=units(wide), height=units(high), stroke_width=stroke(2.4), fill_opacity=0.0)
        frame.set_stroke(self.type.theme[role])
        return frame.move_to(at(left + inset + wide / 2, top + inset + high / 2))
