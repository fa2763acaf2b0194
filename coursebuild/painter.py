"""Pictures of inks (`coursebuild.inks`), painted only where they differ from the picture before.

A new list of inks is compared with the list that is shown. What lies around the differences is painted again, on top
of a picture of all the inks below the first difference, which is kept. The pixels are those of manim's own camera;
only where a mobject has a `z_index` above one that moves does manim paint it below nevertheless.

Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cairo
import numpy as np

from coursebuild.inks import Ink, Pixels

Box = tuple[int, int, int, int]  # pixels: left, top, right, bottom; the last two are just outside


@dataclass(frozen=True)
class Stage:
    """What all pictures of a scene share."""

    width: int  # pixels
    height: int
    frame_width: float  # manim's units
    frame_height: float
    background: tuple[int, int, int, int]


class Painter:
    """The picture of a list of inks: `pixels` (height, width, RGBA)."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.scale = stage.width / stage.frame_width, stage.height / stage.frame_height  # pixels in a unit
        self.pixels: Pixels = np.empty((stage.height, stage.width, 4), np.uint8)
        self.pixels[:] = stage.background
        self._below, self._depth = Layer(self.pixels.copy()), 0  # the picture of the first `_depth` inks
        self._work = Layer(self.pixels.copy())
        self._shown: list[Ink] = []

    def show(self, inks: list[Ink]) -> Box | None:
        """Paint the picture of these inks; where it differs from the one before, None if nowhere."""
        box, first = self._difference(inks)
        self._shown = inks
        if first < self._depth:
            self._below.pixels[:] = self.stage.background
            self._depth = 0
        if box is None:  # what differs lies outside the picture
            return None
        self._below.paint(inks[self._depth : first], self._matrix)
        self._depth = first
        # Whole outlines are painted, also where the picture stays: Cairo's coverage of a pixel depends on all edges
        # in its row and on the rows before, so an outline that is cut off is not painted quite alike.
        left, top, right, bottom = box
        self._work.pixels[top:bottom, left:right] = self._below.pixels[top:bottom, left:right]
        self._work.paint([ink for ink in inks[first:] if _meet(self._box(ink), box)], self._matrix)
        return self._take_over(box)

    def _take_over(self, box: Box) -> Box | None:
        """Copy what changed from the picture that was painted; the smallest box around it."""
        left, top, right, bottom = box
        pairs = slice(left // 2, right // 2)  # two pixels are compared as one number
        new, old = (p.reshape(len(p), -1).view(np.uint64)[top:bottom, pairs] for p in (self._work.pixels, self.pixels))
        differs = new != old
        rows = np.flatnonzero(differs.any(axis=1))
        if not len(rows):
            return None
        columns = np.flatnonzero(differs.any(axis=0))
        top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
        left, right = left + 2 * int(columns[0]), left + 2 * int(columns[-1]) + 2
        self.pixels[top:bottom, left:right] = self._work.pixels[top:bottom, left:right]
        return left, top, right, bottom

    @property
    def _matrix(self) -> cairo.Matrix:
        return cairo.Matrix(self.scale[0], 0, 0, -self.scale[1], self.stage.width / 2, self.stage.height / 2)

    def _difference(self, inks: list[Ink]) -> tuple[Box | None, int]:
        """Where the new list may look other than the one shown, and how many inks at its begin are the same."""
        first, many = 0, min(len(inks), len(self._shown))
        while first < many and inks[first] is self._shown[first]:
            first += 1
        old = {id(ink): position for position, ink in enumerate(self._shown[first:])}
        kept, last, boxes = set(), -1, []
        for ink in inks[first:]:
            position = old.get(id(ink), -1)
            if position > last:  # still there, and above all those that are still there and were below it
                kept.add(last := position)
            else:
                boxes.append(self._box(ink))
        boxes += [self._box(ink) for position, ink in enumerate(self._shown[first:]) if position not in kept]
        boxes = [b for b in boxes if b[0] < b[2] and b[1] < b[3]]
        if not boxes:
            return None, first
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return (min(lefts) // 2 * 2, min(tops), -(-max(rights) // 2) * 2, max(bottoms)), first  # see `_take_over`

    def _box(self, ink: Ink) -> Box:
        left, low, right, high = ink.extent
        width, height = self.stage.width, self.stage.height
        (across, down), x, y = self.scale, width / 2, height / 2
        return (
            int(max(0, left * across + x - 1)),
            int(max(0, y - high * down - 1)),
            int(min(width, max(0, right * across + x + 2))),
            int(min(height, max(0, y - low * down + 2))),
        )


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


class Layer:
    """Pixels and what paints on them."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        height, width = pixels.shape[:2]
        self._context = cairo.Context(
            cairo.ImageSurface.create_for_data(pixels.data, cairo.FORMAT_ARGB32, width, height)
        )

    def paint(self, inks: Iterable[Ink], matrix: cairo.Matrix) -> None:
        """Paint inks, the later ones on top."""
        self._context.set_matrix(matrix)
        for ink in inks:
            ink.paint(self._context, self.pixels)
