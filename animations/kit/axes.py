"""A pair of axes on the page, with curves of measured values; labels are set by Typst, no TeX needed."""

from __future__ import annotations

import numpy as np
from manim import Line, VGroup, VMobject

from kit.theme import at, stroke
from kit.typeset import Typesetter, number


class Axes(VGroup):
    """Axes in the box (left, top, width, height in points) for x and y in the given ranges."""

    def __init__(
        self,
        type_: Typesetter,
        box: tuple[float, float, float, float],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        x_label: str = "",
        y_label: str = "",
        ticks: int = 4,
    ) -> None:
        super().__init__()
        self.type, self.box, self.x_range, self.y_range = type_, box, x_range, y_range
        left, top, width, height = box
        corner = at(left, top + height)
        for end in (at(left + width, top + height), at(left, top)):
            self.add(Line(corner, end, stroke_width=stroke(1.4)).set_stroke(type_.theme["muted"]))
        for share in np.linspace(0, 1, ticks + 1):
            x, y = (low + share * (high - low) for low, high in (x_range, y_range))
            across = type_.formula(number(x), 16, "muted").put(left + share * width, top + height + 22, "center")
            up = type_.formula(number(y), 16, "muted").put(left - 8, top + (1 - share) * height + 5, "right")
            self.add(across, up)
        if x_label:
            self.add(type_.words(x_label, 16, "muted").put(left + width / 2, top + height + 46, "center"))
        if y_label:
            self.add(type_.words(y_label, 16, "muted").put(left, top - 14))

    def point(self, x: float, y: float) -> np.ndarray:
        """Manim's coordinates of a pair of values."""
        left, top, width, height = self.box
        across, up = (
            (v - low) / (high - low) for v, (low, high) in zip((x, y), (self.x_range, self.y_range), strict=True)
        )
        return at(left + across * width, top + (1 - up) * height)

    def curve(self, xs: np.ndarray, ys: np.ndarray, role: str = "accent", width: float = 2.4) -> VMobject:
        """A line through measured points; nothing between them is invented."""
        path = VMobject(fill_opacity=0.0, stroke_width=stroke(width))
        path.set_points_as_corners([self.point(x, y) for x, y in zip(xs, ys, strict=True)])
        return path.set_stroke(self.type.theme[role])
