"""A bowl seen from above, and what rolls down in it: rings of equal loss, and paths that draw themselves.

plane = Plane(self.type, (60, 170, 560, 300), (-0.1, 0.1), (-0.05, 0.05), "flat direction", "steep direction")
rings = Rings(plane, (2.5, 39.0))                       # curvatures along x and y
trail = Trail(plane, path, "accent")                    # (steps + 1, 2), where the steps really went
trail.add_updater(lambda t: t.until(time.get_value()))  # `time` counts steps; between two it is a straight line
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import Dot, VGroup, VMobject

from kit.plane import Plane, discs
from kit.theme import stroke, units

CORNERS = 121  # of a ring
BALL, PRINT = 6.0, 2.4  # points: radius of the ball, and of the marks that its steps leave


class Rings(VGroup):
    """Lines of equal loss of the parabola (a x^2 + b y^2) / 2, with (a, b) = `curvatures`, around (0, 0).

    Neighbours differ by the same factor in size; what lies outside the plane's box is cut off. One path for all.
    """

    def __init__(self, plane: Plane, curvatures: Sequence[float], count: int = 9, role: str = "muted") -> None:
        super().__init__()
        a, b = curvatures
        (x0, x1), (y0, y1) = plane.x_range, plane.y_range
        angles = np.linspace(0, 2 * np.pi, CORNERS)
        largest = np.sqrt(max(a * max(x0**2, x1**2), b * max(y0**2, y1**2)))
        for size in largest * np.linspace(0.06, 1.0, count):
            ring = np.stack([size / np.sqrt(a) * np.cos(angles), size / np.sqrt(b) * np.sin(angles)], axis=1)
            for piece in plane.pieces(ring):
                self.add(plane.path(piece, role, 1.2).set_stroke(opacity=0.45))
        self.add(Dot(plane.at(0, 0), radius=units(3.5)).set_fill(plane.type.theme["muted"]))


class Trail(VGroup):
    """A path of steps (steps + 1, 2) in a plane: a ball, the line behind it, and a mark where each step ended.

    `until(t)` shows the first t steps (a fraction is a part of the next one); at first the ball is at its start. Where
    the path leaves the plane's box it is no longer drawn, and the ball vanishes.
    """

    def __init__(self, plane: Plane, path: np.ndarray, role: str = "accent", width: float = 2.4) -> None:
        super().__init__()
        self.plane, self.path, self.steps = plane, np.asarray(path, float), len(path) - 1
        colour = plane.type.theme[role]
        self.line = VMobject(fill_opacity=0.0).set_stroke(colour, stroke(width))
        self.marks = VMobject(stroke_width=0, fill_opacity=1.0).set_fill(colour)
        self.ball = Dot(radius=units(BALL)).set_fill(colour)
        self.add(self.line, self.marks, self.ball)
        self.until(0.0)

    @property
    def leaves(self) -> float:
        """The number of steps after which the path is outside the box for the first time; `steps` if it stays."""
        (x0, x1), (y0, y1) = self.plane.x_range, self.plane.y_range
        low, high = np.array([x0, y0]), np.array([x1, y1])
        outside = ((self.path < low) | (self.path > high)).any(axis=1)
        return float(np.argmax(outside)) if outside.any() else float(self.steps)

    def until(self, time: float) -> Trail:
        """Show the path up to `time` steps."""
        time = float(np.clip(time, 0.0, self.steps))
        whole = int(time)
        passed = self.path[: whole + 1]
        if time > whole:
            here = self.path[whole] + (time - whole) * (self.path[whole + 1] - self.path[whole])
            passed = np.concatenate([passed, here[None]])
        kept = _first_inside(passed, self.plane)
        places = [self.plane.at(*xy) for xy in kept]
        self.line.set_points_as_corners(places if len(places) > 1 else [places[0], places[0]])
        self.marks.points = discs(np.array(places[: whole + 1]).reshape(-1, 3), units(PRINT))
        self.ball.move_to(places[-1]).set_opacity(1.0 if np.array_equal(kept[-1], passed[-1]) else 0.0)
        return self


def _first_inside(line: np.ndarray, plane: Plane) -> np.ndarray:
    """A line up to the point where it leaves a plane's box, that point included."""
    (x0, x1), (y0, y1) = plane.x_range, plane.y_range
    for k in range(1, len(line)):
        x, y = line[k]
        if x0 <= x <= x1 and y0 <= y <= y1:
            continue
        begin, step = line[k - 1], line[k] - line[k - 1]
        bounds = ((0, x0, x1), (1, y0, y1))
        shares = [(max(low, min(high, line[k][i])) - begin[i]) / step[i] for i, low, high in bounds if step[i]]
        return np.concatenate([line[:k], (begin + min(shares) * step)[None]])
    return line
