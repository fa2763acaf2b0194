"""Beams between places, as thick as the weight that passes along them: attention from words to words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import Animation, VMobject

from kit.theme import Theme, at
from kit.tokens import Towards

FAINTEST = 0.004  # a weight below this draws nothing


class Beams(VMobject):
    """Beams from every start to every end (places in points), drawn as one path.

    `values` has the shape (ends, starts), like a matrix of attention with a row for each query; for a single end a
    plain list will do. A value of 1 is `widest` points wide. `show(values)` sets the widths, `to(values)` is the
    animation that changes them, `move_ends(ends)` lets the same beams end elsewhere:

        beams = Beams(theme, [row.bottom(i) for i in range(len(row.tokens))], [(480, 420)])
        self.play(beams.to(alpha[0]))
    """

    def __init__(
        self,
        theme: Theme,
        starts: Sequence[tuple[float, float]],
        ends: Sequence[tuple[float, float]],
        *,
        widest: float = 26.0,
        role: str = "accent",
        opacity: float = 0.75,
    ) -> None:
        super().__init__(stroke_width=0)
        self.starts, self.ends, self.widest = np.asarray(starts, float), np.asarray(ends, float), widest
        self.values = np.zeros((len(self.ends), len(self.starts)))
        self.set_fill(theme[role], opacity)

    def show(self, values: np.ndarray) -> Beams:
        self.values = np.asarray(values, float).reshape(len(self.ends), len(self.starts))
        end, start = np.nonzero(self.values > FAINTEST)
        if not len(end):
            self.points = np.zeros((0, 3))
            return self
        half = self.values[end, start][:, None] * self.widest / 2
        self.points = _ribbons(self.starts[start], self._landing(end, start), half)
        return self

    def _landing(self, end: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Where each beam arrives: side by side, so that together they are as wide as their weights add up to."""
        order = np.argsort(self.starts[:, 0], kind="stable")
        width = self.values[:, order] * self.widest
        offset = np.cumsum(width, axis=1) - width / 2 - width.sum(axis=1, keepdims=True) / 2
        beside = np.empty_like(offset)
        beside[:, order] = offset
        return self.ends[end] + np.stack([beside[end, start], np.zeros(len(end))], axis=1)

    def move_ends(self, ends: Sequence[tuple[float, float]]) -> Beams:
        self.ends = np.asarray(ends, float)
        return self.show(self.values)

    def to(self, values: np.ndarray, **how) -> Animation:
        return Towards(self, np.asarray(values, float).reshape(len(self.ends), len(self.starts)), **how)


def _ribbons(start: np.ndarray, end: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Closed paths that leave and arrive vertically: (n, 2) places in points, half the width of each."""
    side = np.concatenate([half, np.zeros_like(half)], axis=1)
    middle = (start[:, 1] + end[:, 1]) / 2
    high, low = np.stack([start[:, 0], middle], 1), np.stack([end[:, 0], middle], 1)
    left = [start - side, high - side, low - side, end - side]
    right = [end + side, low + side, high + side, start + side]

    def straight(p: np.ndarray, q: np.ndarray) -> list[np.ndarray]:
        return [p, p + (q - p) / 3, p + (q - p) * 2 / 3, q]

    loop = np.stack([*left, *straight(left[-1], right[0]), *right, *straight(right[-1], left[0])], axis=1)
    flat = loop.reshape(-1, 2)
    origin, unit = at(0, 0), at(1, 1) - at(0, 0)
    return origin + np.concatenate([flat, np.zeros((len(flat), 1))], axis=1) * unit
