"""Many small pictures at once: as a grid of pixels that can change every frame, and as cells that can move."""

from __future__ import annotations

import numpy as np
from manim import RESAMPLING_ALGORITHMS, ImageMobject

from kit.theme import Theme, at, units


class PixelGrid(ImageMobject):
    """Pictures of shape (count, height, width) in rows of `columns`, as one image whose upper left is at (x, y) points.

    `width` is that of the whole grid in points; `gap` lies between two pictures, in pixels of a picture. Grey from 0
    to `scale`, or `signed`: positive and negative in their colours. `show` replaces the values, at little cost, so
    that weights or feature maps can change in every frame.
    """

    def __init__(
        self,
        theme: Theme,
        pictures: np.ndarray,
        columns: int,
        x: float,
        y: float,
        width: float,
        *,
        gap: int = 2,
        signed: bool = False,
        scale: float | None = None,
    ) -> None:
        self.theme, self.columns, self.gap, self.signed = theme, columns, gap, signed
        self.scale_value = float(scale or np.abs(pictures).max() or 1.0)
        self._zoom = max(1, 1200 // ((pictures.shape[2] + gap) * columns))  # or the renderer would blur the pixels
        super().__init__(self._paint(pictures))
        self.set_resampling_algorithm(RESAMPLING_ALGORITHMS["nearest"])
        rows, across = self.pixel_array.shape[:2]
        self.box = (x, y, width, width * rows / across)
        self.height = units(self.box[3])
        self.move_to(at(x + width / 2, y + self.box[3] / 2))

    def show(self, pictures: np.ndarray) -> PixelGrid:
        """Replace the values; the shape must be the same."""
        self.pixel_array = self._paint(pictures)
        return self

    def picture_box(self, index: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of one picture, in points."""
        row, column = divmod(index, self.columns)
        left, top, width, _ = self.box
        high, wide = self._shape
        point = width / (self.columns * (wide + self.gap) - self.gap)
        return (
            left + column * (wide + self.gap) * point,
            top + row * (high + self.gap) * point,
            wide * point,
            high * point,
        )

    def _paint(self, pictures: np.ndarray) -> np.ndarray:
        """RGBA bytes of the whole grid, every pixel of a picture several pixels large; gaps are transparent."""
        count, high, wide = pictures.shape
        self._shape = (high, wide)
        rows = -(-count // self.columns)
        canvas = np.zeros(
            (rows * (high + self.gap) - self.gap, self.columns * (wide + self.gap) - self.gap, 4), np.uint8
        )
        colours = self._colours(np.asarray(pictures, float))
        for index in range(count):
            top, left = (k * (n + self.gap) for k, n in zip(divmod(index, self.columns), (high, wide), strict=True))
            canvas[top : top + high, left : left + wide] = colours[index]
        return canvas.repeat(self._zoom, axis=0).repeat(self._zoom, axis=1)

    def _colours(self, values: np.ndarray) -> np.ndarray:
        ground, grey, more, less = (
            np.array(self.theme[role].to_rgb()) for role in ("surface", "text", "accent", "accent2")
        )
        strength = np.clip(np.abs(values) / self.scale_value, 0.0, 1.0)[..., None]
        ink = np.where((values >= 0)[..., None], more, less) if self.signed else grey
        rgb = 255 * (ground + strength * (ink - ground))
        return np.concatenate([rgb, np.full_like(strength, 255)], axis=-1).round().astype(np.uint8)


def picture_boxes(
    count: int, side: int, columns: int, x: float, y: float, width: float, gap: float = 2.0
) -> np.ndarray:
    """Where the pixels of `count` pictures are, in rows of `columns`, for `kit.heatmap.Cells`: (count * side², 4).

    `gap` lies between two pictures, in pixels of a picture.
    """
    pixel = width / (columns * (side + gap) - gap)
    picture, place = np.divmod(np.arange(count * side * side), side * side)
    row, column = np.divmod(place, side)
    down, across = np.divmod(picture, columns)
    left, top = x + (across * (side + gap) + column) * pixel, y + (down * (side + gap) + row) * pixel
    return np.stack([left, top, np.full(len(left), pixel), np.full(len(left), pixel)], axis=1)


def matrix_boxes(order: np.ndarray, columns: int, x: float, y: float, width: float, height: float) -> np.ndarray:
    """Where the cells of a matrix are in a box of the page, if row i stands in the place `order[i]`."""
    rows = len(order)
    row, column = np.divmod(np.arange(rows * columns), columns)
    wide, high = width / columns, height / rows
    top = y + np.asarray(order)[row] * high
    return np.stack([x + column * wide, top, np.full(len(row), wide), np.full(len(row), high)], axis=1)
