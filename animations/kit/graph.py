"""A computation graph: round nodes with values, arrows forward, dashed arrows that carry derivatives back."""

from __future__ import annotations

import numpy as np
from manim import Circle, Line, Triangle, VGroup

from kit.theme import at, stroke, units
from kit.typeset import Typeset, Typesetter

GAP = 6.0  # points between a node and the tip of an arrow
SIDE = 8.0  # points by which the way there and the way back are apart


class GraphNode(VGroup):
    """A node at (x, y) points with a formula in it; `role` colours its rim."""

    def __init__(
        self, type_: Typesetter, formula: str, x: float, y: float, role: str = "muted", radius: float = 32
    ) -> None:
        super().__init__()
        self.x, self.y, self.radius, self.type = x, y, radius, type_
        rim = Circle(units(radius), stroke_width=stroke(2.4), fill_opacity=1.0).move_to(at(x, y))
        rim.set_fill(type_.theme["surface"]).set_stroke(type_.theme[role])
        self.add(rim, type_.formula(formula, radius * 0.78).put(x, y + radius / 4, "center"))

    def above(self, formula: str, size: float = 21, colour: str = "text") -> Typeset:
        """A formula over the node, such as its value."""
        return self.type.formula(formula, size, colour).put(self.x, self.y - self.radius - 12, "center")

    def below(self, formula: str, size: float = 21, colour: str = "text", line: float = 0) -> Typeset:
        """A formula under the node, such as its derivative."""
        return self.type.formula(formula, size, colour).put(self.x, self.y + self.radius + 26 + 30 * line, "center")


class GraphArrow(VGroup):
    """An arrow from one node to another; `back` draws the dashed one beside it, against its direction."""

    def __init__(self, begin: GraphNode, end: GraphNode, role: str = "muted", back: bool = False) -> None:
        super().__init__()
        p, q = np.array([begin.x, begin.y]), np.array([end.x, end.y])
        along = (q - p) / np.linalg.norm(q - p)
        aside = np.array([along[1], -along[0]]) * (-SIDE if back else SIDE)
        inset = np.sqrt(begin.radius**2 - SIDE**2) + GAP
        a, b = p + along * inset + aside, q - along * inset + aside
        if back:
            a, b, along = b, a, -along
        theme = begin.type.theme
        tip_length = 10.0
        shaft_end = b - along * tip_length
        if back:
            self.add(*_dashes(a, shaft_end))
        else:
            self.add(Line(at(*a), at(*shaft_end)))
        self.set_stroke(theme[role], width=stroke(2.2))
        tip = Triangle(stroke_width=0, fill_opacity=1.0).set_fill(theme[role])
        tip.stretch_to_fit_width(units(9)).stretch_to_fit_height(units(tip_length))
        tip.rotate(float(np.arctan2(-along[1], along[0])) - np.pi / 2).move_to(at(*(b - along * tip_length / 2)))
        self.add(tip)
        self.middle = (a + b) / 2  # points
        self.type = begin.type

    def label(self, formula: str, dx: float = 0, dy: float = 0, size: float = 19, colour: str = "muted") -> Typeset:
        """A formula beside the middle of the arrow."""
        return self.type.formula(formula, size, colour).put(self.middle[0] + dx, self.middle[1] + dy, "center")


def _dashes(a: np.ndarray, b: np.ndarray, dash: float = 7.0, gap: float = 5.0) -> list[Line]:
    length = float(np.linalg.norm(b - a))
    along = (b - a) / length
    starts = np.arange(0.0, length, dash + gap)
    return [Line(at(*(a + along * s)), at(*(a + along * min(s + dash, length)))) for s in starts]
