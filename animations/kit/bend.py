"""A grid that a map bends, points that move with it, and curves between them: space as a layer redraws it.

A map takes places (n, 2) in the coordinates of the data and gives places (n, 2) in those of a `View`, which knows
where on the page they lie. Each grid, cloud or curve is one or two paths, however many lines and points it has, so that
a new map per frame costs little:

    view = View((60, 150, 340, 340), (-1.1, 1.1), (-1.1, 1.1))
    grid = BentGrid(theme, (-0.5, 1.5), (-0.5, 1.5), every=0.1)
    grid.show(lambda x: view.page(np.tanh(x @ W.T + b)))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manim import Rectangle, VGroup, VMobject

from kit.theme import Theme, at, stroke, units

Map = Callable[[np.ndarray], np.ndarray]  # places (n, 2) -> points of the page (n, 2)
ROUND = 0.5522847498  # a quarter of a circle as a cubic curve: how far its handles reach


@dataclass(frozen=True)
class View:
    """The box (left, top, width, height in points) in which the ranges of two coordinates are seen; y grows upwards."""

    box: tuple[float, float, float, float]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def page(self, places: np.ndarray) -> np.ndarray:
        """Points of the page for places (n, 2) of the view."""
        left, top, width, height = self.box
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        x, y = np.asarray(places, float).T
        return np.stack([left + (x - x0) / (x1 - x0) * width, top + (y1 - y) / (y1 - y0) * height], axis=1)

    def inside(self, places: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Which places lie in the view, or at most `margin` (of its coordinates) outside."""
        x, y = np.asarray(places, float).T
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return (x >= x0 - margin) & (x <= x1 + margin) & (y >= y0 - margin) & (y <= y1 + margin)

    def ground(self, theme: Theme) -> Rectangle:
        """Its quiet background."""
        left, top, width, height = self.box
        ground = Rectangle(width=units(width), height=units(height), stroke_width=stroke(1.0), fill_opacity=1.0)
        return (
            ground.set_fill(theme["surface"]).set_stroke(theme["line"]).move_to(at(left + width / 2, top + height / 2))
        )


class BentGrid(VGroup):
    """The lines x = const and y = const of a region, `every` so far apart, each drawn through `fineness` places.

    Lines through whole numbers are stronger, so that the eye can follow them. `show(map)` draws the grid anew.
    """

    def __init__(
        self,
        theme: Theme,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        every: float,
        *,
        fineness: int = 48,
        role: str = "muted",
        opacity: float = 0.5,
    ) -> None:
        super().__init__()
        fine, strong = [], []
        for axis, (along, across) in enumerate(((y_range, x_range), (x_range, y_range))):
            for value in np.arange(np.ceil(across[0] / every - 1e-9), np.floor(across[1] / every + 1e-9) + 1) * every:
                run = np.linspace(*along, fineness)
                line = np.stack([np.full(fineness, value), run] if axis == 0 else [run, np.full(fineness, value)], 1)
                (strong if abs(value - round(value)) < 1e-6 else fine).append(line)
        self._lines = [np.array(lines).reshape(-1, fineness, 2) for lines in (fine, strong)]
        for width, share in ((0.9, opacity), (1.7, min(1.0, 1.6 * opacity))):
            self.add(VMobject(fill_opacity=0.0).set_stroke(theme[role], stroke(width), share))

    def show(self, place: Map) -> BentGrid:
        """Draw the lines where `place` puts them."""
        for path, lines in zip(self.submobjects, self._lines, strict=True):
            bent = place(lines.reshape(-1, 2)).reshape(lines.shape) if len(lines) else lines
            path.points = pieces(bent)
        return self


class Cloud(VMobject):
    """Many small discs of one colour as a single path; `show(page_points)` moves them."""

    def __init__(self, theme: Theme, role: str, radius: float, opacity: float = 1.0, outline: str = "") -> None:
        super().__init__(fill_opacity=opacity, stroke_width=0)
        self.radius = radius
        self.set_fill(theme[role], opacity)
        self.set_stroke(theme[outline or role], stroke(1.2) if outline else 0)

    def show(self, points: np.ndarray) -> Cloud:
        """Discs around these points of the page (n, 2)."""
        quarter = np.array([[1, 0], [1, ROUND], [ROUND, 1], [0, 1]], float)
        turn = np.array([[0, -1], [1, 0]], float)
        disc = np.concatenate([quarter @ np.linalg.matrix_power(turn, k).T for k in range(4)])  # (16, 2)
        self.points = _on_frame((np.asarray(points, float)[:, None] + self.radius * disc).reshape(-1, 2))
        return self


class BentCurve(VMobject):
    """One curve through points of the page; `show` draws it anew. Gaps (rows of nan) stay open."""

    def __init__(self, theme: Theme, role: str, width: float = 3.0) -> None:
        super().__init__(fill_opacity=0.0)
        self.set_stroke(theme[role], stroke(width))

    def show(self, points: np.ndarray) -> BentCurve:
        points = np.asarray(points, float)
        known = np.isfinite(points).all(axis=1)
        starts = np.flatnonzero(known[:-1] & known[1:])
        self.points = _straight(points[starts], points[starts + 1])
        return self


def pieces(lines: np.ndarray) -> np.ndarray:
    """Polylines (lines, places, 2) in points of the page as manim's curves: three numbers, four rows a piece."""
    return _straight(lines[:, :-1].reshape(-1, 2), lines[:, 1:].reshape(-1, 2))


def _straight(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    shares = np.array([0, 1 / 3, 2 / 3, 1])[None, :, None]
    return _on_frame((starts[:, None] + shares * (ends - starts)[:, None]).reshape(-1, 2))


def _on_frame(points: np.ndarray) -> np.ndarray:
    """Many points of the page in manim's coordinates."""
    origin, unit = at(0, 0), at(1, 1) - at(0, 0)
    return origin + np.concatenate([points, np.zeros((len(points), 1))], axis=1) * unit


def line_through(weights: np.ndarray, level: float, reach: float, places: int = 400) -> np.ndarray:
    """Places (n, 2) on the line weights . x = level, up to `reach` on both sides of its point nearest the origin."""
    weights = np.asarray(weights, float)
    nearest = weights * level / (weights @ weights)
    along = np.array([-weights[1], weights[0]]) / np.linalg.norm(weights)
    return nearest + np.linspace(-reach, reach, places)[:, None] * along
