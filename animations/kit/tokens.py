"""A row of words in boxes, such as a sentence that a model reads or writes; and bars that belong to its words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import Animation, VGroup, VMobject

from kit.heatmap import _rectangles
from kit.theme import MARGIN, PAGE_WIDTH, at, stroke
from kit.typeset import Typeset, Typesetter, plain

SMALLEST, PADDING, RADIUS = 12.0, 7.0, 5.0  # points: of type; inside a box; of its corners


class TokenRow(VGroup):
    """Words in boxes, in one row: `row[i]` is word i (box and text), so that single words can fade in.

    `box` is (left, top, width, height) in points. By default every box is as wide as its word needs (and at least
    `narrowest`) and the row begins at the left; `even` gives all words columns of the same width.
    Words that do not fit are set smaller, all of them alike. `top(i)` and `bottom(i)` are where lines can end, in
    points; `light(i, role)` colours a word's frame. `columns` has left and width of each.
    """

    def __init__(
        self,
        type_: Typesetter,
        words: Sequence[str],
        box: tuple[float, float, float, float] = (MARGIN, 150.0, PAGE_WIDTH - 2 * MARGIN, 32.0),
        *,
        size: float = 17,
        role: str = "muted",
        colour: str = "text",
        even: bool = False,
        narrowest: float = 0.0,
        gap: float = 6.0,
    ) -> None:
        super().__init__()
        self.theme, self.tokens, self.box, self.narrowest = type_.theme, list(words), box, narrowest
        left, top, width, height = box
        pieces = [type_.words(plain(word), size, colour) for word in words]
        size = self._fitting(pieces, size, even, gap)
        pieces = [type_.words(plain(word), size, colour) for word in words]
        self.size = size
        self.columns: list[tuple[float, float]] = []
        x = left
        for piece in pieces:
            wide = (width + gap) / len(pieces) - gap if even else max(narrowest, piece.advance + 2 * PADDING)
            self.columns.append((x, wide))
            frame = rounded(x, top, wide, height).set_fill(self.theme["surface"], 1.0)
            frame.set_stroke(self.theme[role], stroke(1.4))
            baseline = top + height / 2 + 0.36 * size
            self.add(VGroup(frame, piece.put(x + wide / 2, baseline, "center")))
            x += wide + gap

    def _fitting(self, pieces: list[Typeset], size: float, even: bool, gap: float) -> float:
        """The largest size, at most `size` and at least SMALLEST, at which all words fit."""
        free = self.box[2] - gap * (len(pieces) - 1)
        advances = np.array([piece.advance for piece in pieces]) / size  # of one point of type
        sizes = np.arange(size, SMALLEST, -0.25)
        widths = np.maximum(self.narrowest, sizes[:, None] * advances + 2 * PADDING)
        needed = widths.max(axis=1) * len(pieces) if even else widths.sum(axis=1)
        fitting = sizes[needed <= free]
        return float(fitting[0]) if len(fitting) else SMALLEST

    def middle(self, i: int) -> float:
        """The x of the middle of a word, in points."""
        left, width = self.columns[i]
        return left + width / 2

    def top(self, i: int) -> tuple[float, float]:
        return self.middle(i), self.box[1]

    def bottom(self, i: int) -> tuple[float, float]:
        return self.middle(i), self.box[1] + self.box[3]

    def light(self, i: int, role: str, width: float = 2.6) -> TokenRow:
        """Give word i a frame of this colour; `unlight` takes it back. Also for `.animate`."""
        self[i][0].set_stroke(self.theme[role], stroke(width))
        return self

    def unlight(self, i: int, role: str = "muted") -> TokenRow:
        return self.light(i, role, 1.4)


class TokenBars(VMobject):
    """A bar for each column of a row, standing on the height `ground` (points); 1 is `height` points high.

    Bars are equally wide, however long their words are: the weight of a long word must not look larger. All of them
    are one path. `show(values)` sets them, `to(values)` is the animation that moves them there.
    """

    def __init__(
        self, type_: Typesetter, columns: Sequence[tuple[float, float]], ground: float, height: float, role="accent"
    ) -> None:
        super().__init__(stroke_width=0, fill_opacity=1.0)
        self.columns, self.ground, self.tallest = np.asarray(columns, float), ground, height
        self.values = np.zeros(len(self.columns))
        self.set_fill(type_.theme[role], 1.0)

    def show(self, values: np.ndarray) -> TokenBars:
        self.values = np.asarray(values, float)
        high = np.clip(self.values, 0.0, None) * self.tallest
        left, width = self.columns.T
        wide = np.full_like(width, 0.6 * width.min())
        boxes = np.stack([left + (width - wide) / 2, self.ground - high, wide, high], axis=1)
        self.points = _rectangles(boxes[high > 0.2]) if (high > 0.2).any() else np.zeros((0, 3))
        return self

    def to(self, values: np.ndarray, **how) -> Animation:
        return Towards(self, values, **how)


class Towards(Animation):
    """Anything with `values` and `show(values)` moves from its values to others."""

    def __init__(self, shown, values: np.ndarray, **how) -> None:
        self.begin_values, self.end_values = np.array(shown.values, float), np.asarray(values, float)
        super().__init__(shown, **how)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        self.mobject.show(self.begin_values + share * (self.end_values - self.begin_values))


def rounded(left: float, top: float, width: float, height: float, radius: float = RADIUS) -> VMobject:
    """A box with round corners, in points."""
    k = 0.5523 * radius  # control points of a quarter of a circle
    right, bottom, r = left + width, top + height, radius
    corners = [
        [(right - r, top), (right - r + k, top), (right, top + r - k), (right, top + r)],
        [(right, bottom - r), (right, bottom - r + k), (right - r + k, bottom), (right - r, bottom)],
        [(left + r, bottom), (left + r - k, bottom), (left, bottom - r + k), (left, bottom - r)],
        [(left, top + r), (left, top + r - k), (left + r - k, top), (left + r, top)],
    ]
    points = []
    for n, arc in enumerate(corners):
        p, q = np.array(corners[n - 1][-1]), np.array(arc[0])
        points += [p, p + (q - p) / 3, p + (q - p) * 2 / 3, q, *map(np.array, arc)]
    path = VMobject(fill_opacity=1.0)
    path.points = np.array([at(x, y) for x, y in points])
    return path
