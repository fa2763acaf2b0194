"""Dots on an axis and the pull on each of them, drawn as a bar: what the gradient of a loss does to single examples."""

from __future__ import annotations

import numpy as np
from manim import VGroup, VMobject

from kit.theme import Theme, at

ROUND = 0.5523  # of a radius: handles of the four Bezier curves that make a circle
CIRCLE = np.array(
    [
        *((1, 0), (1, ROUND), (ROUND, 1), (0, 1)),
        *((0, 1), (-ROUND, 1), (-1, ROUND), (-1, 0)),
        *((-1, 0), (-1, -ROUND), (-ROUND, -1), (0, -1)),
        *((0, -1), (ROUND, -1), (1, -ROUND), (1, 0)),
    ]
)
CORNERS = np.array([(0.0, -0.5), (1.0, -0.5), (1.0, 0.5), (0.0, 0.5)])
SHARES = np.array([0, 1 / 3, 2 / 3, 1])[None, :, None]
BAR = (CORNERS[:, None] + SHARES * (np.roll(CORNERS, -1, axis=0) - CORNERS)[:, None]).reshape(
    -1, 2
)  # length 1 to the right


class PulledDots(VGroup):
    """`count` dots in the box (left, top, width, height in points), one below the other, at their value on the axis.

    A dot is `good` from `border` on and `bad` below it. Its bar begins at the dot; a pull of 1 is `reach` points long
    and shows to the right, a negative one to the left. All dots are two paths and all bars one, so that `show` can
    move them in every frame.
    """

    def __init__(
        self,
        theme: Theme,
        count: int,
        box: tuple[float, float, float, float],
        x_range: tuple[float, float],
        *,
        role: str = "accent",
        reach: float = 100.0,
        radius: float = 3.2,
        thick: float = 2.6,
        border: float = 0.0,
    ) -> None:
        super().__init__()
        self.count, self.box, self.x_range = count, box, x_range
        self.reach, self.radius, self.thick, self.border = reach, radius, thick, border
        self.bars, self.wrong, self.right = (
            VMobject(stroke_width=0, fill_opacity=1.0).set_fill(theme[name]) for name in (role, "bad", "good")
        )
        self.add(self.bars, self.wrong, self.right)

    def x(self, value: float | np.ndarray) -> float | np.ndarray:
        """Where a value is on the page; what leaves the range stays at its end."""
        low, high = self.x_range
        left, _, width, _ = self.box
        return left + (np.clip(value, low, high) - low) / (high - low) * width

    def y(self) -> np.ndarray:
        """The heights of the dots."""
        _, top, _, height = self.box
        return top + (np.arange(self.count) + 0.5) * height / self.count

    def show(self, values: np.ndarray, pulls: np.ndarray | None = None) -> PulledDots:
        """Put the dots at their values; without pulls there are no bars."""
        places = np.stack([self.x(np.asarray(values, float)), self.y()], axis=1)
        return self.put(places, np.asarray(values) >= self.border, pulls)

    def put(self, places: np.ndarray, right: np.ndarray, pulls: np.ndarray | None = None) -> PulledDots:
        """Put the dots anywhere on the page, (count, 2) points; `right` are the good ones."""
        circles = places[:, None] + self.radius * CIRCLE
        for path, members in ((self.wrong, ~right), (self.right, right)):
            path.points = _on_page(circles[members])
        lengths = np.zeros(0) if pulls is None else self.reach * np.asarray(pulls, float)
        size = np.stack([lengths, np.full(len(lengths), self.thick)], axis=1)
        self.bars.points = _on_page(places[: len(lengths), None] + size[:, None] * BAR)
        return self


def _on_page(points: np.ndarray) -> np.ndarray:
    """Points of the page as one path in manim's coordinates."""
    flat = points.reshape(-1, 2)
    origin, unit = at(0, 0), at(1, 1) - at(0, 0)
    return origin + np.concatenate([flat, np.zeros((len(flat), 1))], axis=1) * unit
