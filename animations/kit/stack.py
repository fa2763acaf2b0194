"""Sheets: one picture of an image or a feature map, and many of them behind one another, as a layer's output is drawn.

    photo = Sheet(theme, rgb, 60, 200, 120)                             # (height, width, 3), from 0 to 1
    red = Sheet(theme, rgb[:, :, 0], 220, 150, 110, tint="bad")         # grey from 0, in a tint
    maps = MapStack(theme, feature_maps, 640, 180, 110, signed=True)    # (count, height, width); the first is in front
    maps.show(feature_maps_after_the_relu)                              # new values in place, also in every frame
    self.play(*maps.spread((4.0, 4.0)))                                 # from a pile to a stack with depth

Sheets are bitmaps of about the size at which they are seen, so that a stack of 32 stays cheap.
"""

from __future__ import annotations

import numpy as np
from manim import RESAMPLING_ALGORITHMS, Animation, Group, ImageMobject, Rectangle

from kit.theme import Theme, at, stroke, units

DENSITY = 2.0  # pixels of the bitmap for a point of the page, at least: what a film in 1080 lines shows


class Sheet(Group):
    """One picture with a thin border, its upper left at (x, y), `width` points wide.

    Values of shape (h, w): grey from 0 to `scale` (or in the colour `tint` instead of grey), or `signed`. Values of
    shape (h, w, 3): a photograph, from 0 to 1.
    """

    def __init__(
        self,
        theme: Theme,
        values: np.ndarray,
        x: float,
        y: float,
        width: float,
        *,
        signed: bool = False,
        scale: float | None = None,
        tint: str = "text",
        border: float = 1.0,
    ) -> None:
        self.theme, self.signed, self.tint = theme, signed, tint
        self.scale_value = float(scale or np.abs(values).max() or 1.0)
        high, wide = values.shape[:2]
        self._zoom = max(1, int(np.ceil(DENSITY * width / wide)))
        self.size = (width, width * high / wide)
        self.image = ImageMobject(self._paint(values)).set_resampling_algorithm(RESAMPLING_ALGORITHMS["nearest"])
        self.image.height = units(self.size[1])
        self.border = Rectangle(width=units(width), height=units(self.size[1]), fill_opacity=0.0)
        self.border.set_stroke(theme["line"], stroke(border))
        super().__init__(self.image, self.border)
        self.put(x, y)

    def put(self, x: float, y: float) -> Sheet:
        """Move the upper left corner to (x, y) points."""
        return self.move_to(at(*self._middle(x, y)))

    def go(self, x: float, y: float) -> Animation:
        """The animation that moves the upper left corner there."""
        return self.animate.move_to(at(*self._middle(x, y)))

    def show(self, values: np.ndarray) -> Sheet:
        """Replace the values; the shape must be the same."""
        self.image.pixel_array = self._paint(values)
        return self

    def _middle(self, x: float, y: float) -> tuple[float, float]:
        return x + self.size[0] / 2, y + self.size[1] / 2

    def _paint(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, float)
        if values.ndim == 3:
            rgb = 255 * np.clip(values, 0, 1)
        else:
            ground, ink, more, less = (
                np.array(self.theme[role].to_rgb()) for role in ("surface", self.tint, "accent", "accent2")
            )
            strength = np.clip(np.abs(values) / self.scale_value, 0, 1)[..., None]
            colour = np.where((values >= 0)[..., None], more, less) if self.signed else ink
            rgb = 255 * (ground + strength * (colour - ground))
        rgba = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255.0)], axis=2).round().astype(np.uint8)
        return rgba.repeat(self._zoom, axis=0).repeat(self._zoom, axis=1)


class MapStack(Group):
    """Pictures of shape (count, h, w) behind one another; the first is in front, at (x, y), `width` points wide.

    Each lies `step` = (right, up) points behind the one before it. All share one scale, so that they can be compared.
    """

    def __init__(
        self,
        theme: Theme,
        pictures: np.ndarray,
        x: float,
        y: float,
        width: float,
        *,
        step: tuple[float, float] = (6.0, 6.0),
        signed: bool = False,
        scale: float | None = None,
    ) -> None:
        self.corner, self.step = (x, y), step
        scale = float(scale or np.abs(pictures).max() or 1.0)
        self.sheets = [Sheet(theme, p, x, y, width, signed=signed, scale=scale) for p in pictures]
        super().__init__(*reversed(self.sheets))  # what is added last is drawn on top
        for index, sheet in enumerate(self.sheets):
            sheet.put(*self.place(index))

    def place(self, index: int, step: tuple[float, float] | None = None) -> tuple[float, float]:
        """The upper left corner of a picture, in points."""
        right, up = step or self.step
        return self.corner[0] + index * right, self.corner[1] - index * up

    def show(self, pictures: np.ndarray) -> MapStack:
        """Replace the values of all pictures."""
        for sheet, picture in zip(self.sheets, pictures, strict=True):
            sheet.show(picture)
        return self

    def pile(self) -> MapStack:
        """Put all pictures on the place of the first; `spread` takes them apart."""
        for sheet in self.sheets:
            sheet.put(*self.corner)
        return self

    def spread(self, step: tuple[float, float] | None = None) -> list[Animation]:
        """The animations that move every picture to its place in the stack (with another step, if given)."""
        self.step = step or self.step
        return [sheet.go(*self.place(index)) for index, sheet in enumerate(self.sheets)]
