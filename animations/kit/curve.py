"""A training curve that draws itself: measured values over steps, revealed up to where the training has come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from manim import Dot, Line, VGroup, VMobject

from kit.theme import at, stroke, units
from kit.typeset import Typesetter

HEAD = 4.0  # points: radius of the dot at the end of the curve


class TrainingCurve(VGroup):
    """Axes in the box (left, top, width, height in points) and a curve through `xs`, `ys` of the run.

    At first no part of the curve is seen; `until(x)` shows it up to `x`, with a dot at its end. Between two measured
    points the curve is straight; `step_scale="log"` spreads the beginning, then all x must be positive. Ticks are
    given as value -> Typst words, in reading order: `{1: "1", 10: "10"}`. For an animation, give it an updater:

        curve.add_updater(lambda c: c.until(tracker.get_value()))
    """

    def __init__(
        self,
        type_: Typesetter,
        box: tuple[float, float, float, float],
        xs: np.ndarray,
        ys: np.ndarray,
        *,
        x_ticks: Mapping[float, str],
        y_ticks: Mapping[float, str],
        y_range: tuple[float, float],
        title: str = "",
        x_label: str = "",
        role: str = "accent",
        step_scale: str = "linear",
    ) -> None:
        super().__init__()
        self.type, self.box, self.y_range = type_, box, y_range
        self._scale = np.log10 if step_scale == "log" else np.asarray
        self.xs, self.ys = np.asarray(xs, float), np.asarray(ys, float)
        if len(self.xs) != len(self.ys) or len(self.xs) < 2 or (np.diff(self.xs) <= 0).any():
            raise ValueError("a curve needs two or more points, with x increasing")
        self.x_range = (float(self.xs[0]), float(self.xs[-1]))
        self.add(*self._axes(x_ticks, y_ticks, title, x_label))
        self.line = VMobject(fill_opacity=0.0).set_stroke(type_.theme[role], stroke(2.6))
        self.head = Dot(radius=units(HEAD)).set_fill(type_.theme[role]).set_opacity(0.0)
        self.add(self.line, self.head)

    def _axes(self, x_ticks: Mapping[float, str], y_ticks: Mapping[float, str], title: str, x_label: str) -> VGroup:
        left, top, width, height = self.box
        theme, parts = self.type.theme, VGroup()
        for value, words in y_ticks.items():
            y = self._y(value)
            level = Line(at(left, y), at(left + width, y), stroke_width=stroke(0.8)).set_stroke(theme["line"])
            parts.add(level, self.type.words(words, 16, "muted").put(left - 8, y + 5, "right"))
        for value, words in x_ticks.items():
            x = self._x(value)
            tick = Line(at(x, top + height), at(x, top + height + 4), stroke_width=stroke(1.2)).set_stroke(
                theme["muted"]
            )
            parts.add(tick, self.type.words(words, 16, "muted").put(x, top + height + 22, "center"))
        ground = Line(at(left, top + height), at(left + width, top + height), stroke_width=stroke(1.4))
        parts.add(ground.set_stroke(theme["muted"]))
        if title:
            parts.add(self.type.words(title, 17).put(left, top - 12))
        if x_label:
            parts.add(self.type.words(x_label, 16, "muted").put(left + width / 2, top + height + 44, "center"))
        return parts

    def _x(self, value: float) -> float:
        low, high = (float(self._scale(v)) for v in self.x_range)
        return self.box[0] + (float(self._scale(value)) - low) / (high - low) * self.box[2]

    def _y(self, value: float) -> float:
        low, high = self.y_range
        return self.box[1] + (1 - (value - low) / (high - low)) * self.box[3]

    def value(self, x: float) -> float:
        """The measured value at x; between two points, that of the straight line (along the axis as drawn)."""
        return float(np.interp(self._scale(x), self._scale(self.xs), self.ys))

    def until(self, x: float) -> TrainingCurve:
        """Show the curve from its beginning to `x`; nothing of it before its first point."""
        if x < self.x_range[0]:
            self.line.points = np.zeros((0, 3))
            self.head.set_opacity(0.0)
            return self
        x = min(x, self.x_range[1])
        passed = self.xs < x
        shown = [*zip(self.xs[passed], self.ys[passed], strict=True), (x, self.value(x))]
        low, high = self.y_range
        corners = [at(self._x(u), self._y(min(max(v, low), high))) for u, v in shown]
        self.line.set_points_as_corners(corners if len(corners) > 1 else [corners[0], corners[0]])
        self.head.move_to(corners[-1]).set_opacity(1.0)
        return self
