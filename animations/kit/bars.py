"""Signed bars in a column: a number for each row, to the right if positive and to the left if negative.

bars = SignedBars(theme, nodes.heights, x=700, reach=120, scale=5.0)      # 5.0 is 120 points long
bars.show(logits); scene.play(Toward(bars, other_logits))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import Animation, Line, VGroup, VMobject

from kit.pulls import BAR
from kit.theme import Theme, at, stroke


class SignedBars(VGroup):
    """Bars at the `heights` (points), beginning at `x`; a value of `scale` is `reach` points long.

    Positive and negative bars have the colours of their signs, or all have the one of `role`. What is larger than
    `scale` is cut off there. All bars of a sign are one path, so that `show` can change them in every frame.
    """

    def __init__(
        self,
        theme: Theme,
        heights: Sequence[float],
        x: float,
        reach: float,
        scale: float,
        *,
        thick: float = 12.0,
        role: str = "",
    ) -> None:
        super().__init__()
        self.heights, self.x, self.reach, self.full, self.thick = np.asarray(heights, float), x, reach, scale, thick
        top, bottom = self.heights.min() - thick, self.heights.max() + thick
        self.zero = Line(at(x, top), at(x, bottom), stroke_width=stroke(1.4)).set_stroke(theme["muted"])
        self.more, self.less = (
            VMobject(stroke_width=0, fill_opacity=1.0).set_fill(theme[role or sign]) for sign in ("accent", "accent2")
        )
        self.add(self.more, self.less, self.zero)
        self.values = np.zeros(len(self.heights))

    def end(self, value: float) -> float:
        """Where, in points, the bar of a value ends."""
        return self.x + float(np.clip(value / self.full, -1.0, 1.0)) * self.reach

    def show(self, values: np.ndarray) -> SignedBars:
        """Give the bars new values."""
        self.values = np.asarray(values, float)
        lengths = np.array([self.end(value) - self.x for value in self.values])
        for path, members in ((self.more, self.values > 0), (self.less, self.values < 0)):
            size = np.stack([lengths[members], np.full(members.sum(), self.thick)], axis=1)
            middles = np.stack([np.full(members.sum(), self.x), self.heights[members]], axis=1)
            flat = (middles[:, None] + size[:, None] * BAR).reshape(-1, 2)
            origin, unit = at(0, 0), at(1, 1) - at(0, 0)
            path.points = origin + np.concatenate([flat, np.zeros((len(flat), 1))], axis=1) * unit
        return self


class Toward(Animation):
    """Let the bars change to other values."""

    def __init__(self, bars: SignedBars, values: np.ndarray, **kwargs) -> None:
        self.start, self.goal = bars.values.copy(), np.asarray(values, float)
        super().__init__(bars, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        self.mobject.show(self.start + self.rate_func(alpha) * (self.goal - self.start))
