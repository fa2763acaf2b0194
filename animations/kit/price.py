"""What a price on weights looks like in the plane of two weights: tilted rings of equal loss, a circle, a diamond.

    ring = Ring(plane, curvature, minimum)              # (2, 2), (2,): the loss is (w - m)' H (w - m) / 2
    ring.through(w)                                      # the ring of the same loss as w; ring.draw(size) for any
    budget = Budget(plane, "diamond", "accent")          # or "circle": all weights that pay as much as w
    budget.through(w)
    best = BestDeal(plane, curvature, minimum, path, "diamond", "accent")    # path (k, 2): the best w for each price
    best.add_updater(lambda b: b.until(share.get_value()))                   # 0 to 1: how far the price has risen

Every part is one path, cheap enough to be drawn anew in every frame.
"""

from __future__ import annotations

import numpy as np
from manim import Dot, VGroup, VMobject

from kit.plane import Plane, polylines
from kit.theme import stroke, units

CORNERS = 121  # of a ring or a circle
BALL = 6.0  # points: radius of the ball at the best weights


class Ring(VMobject):
    """A line of equal loss of the bowl (w - m)' H (w - m) / 2; outside of the plane's box it is cut off."""

    def __init__(
        self, plane: Plane, curvature: np.ndarray, minimum: np.ndarray, role: str = "text", width: float = 1.8
    ) -> None:
        super().__init__(fill_opacity=0.0)
        self.set_stroke(plane.type.theme[role], stroke(width))
        self.plane, self.curvature, self.minimum = plane, np.asarray(curvature, float), np.asarray(minimum, float)
        values, vectors = np.linalg.eigh(self.curvature)
        angles = np.linspace(0, 2 * np.pi, CORNERS)
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (corners, 2)
        self.shape = unit @ (vectors / np.sqrt(values)).T  # the ring of size 1, around (0, 0)

    def size(self, w: np.ndarray) -> float:
        """The size of the ring through w: the root of twice its loss."""
        away = np.asarray(w, float) - self.minimum
        return float(np.sqrt(away @ self.curvature @ away))

    def draw(self, size: float) -> Ring:
        pieces = self.plane.pieces(self.minimum + size * self.shape)
        self.points = polylines([self.plane.at(*w) for w in piece] for piece in pieces)
        return self

    def through(self, w: np.ndarray) -> Ring:
        return self.draw(self.size(w))


class Budget(VMobject):
    """All weights that pay as much as w: a "circle" for the sum of squares, a "diamond" for the sum of sizes."""

    def __init__(self, plane: Plane, shape: str, role: str = "accent", width: float = 2.4) -> None:
        super().__init__()
        self.set_stroke(plane.type.theme[role], stroke(width)).set_fill(plane.type.theme[role], 0.14)
        self.plane, self.kind = plane, shape
        angles = np.linspace(0, 2 * np.pi, CORNERS if shape == "circle" else 5)
        self.shape = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def size(self, w: np.ndarray) -> float:
        """Half the width of the circle or diamond through w."""
        return float(np.linalg.norm(w) if self.kind == "circle" else np.abs(w).sum())

    def draw(self, size: float) -> Budget:
        self.set_points_as_corners([self.plane.at(*corner) for corner in size * self.shape])
        return self

    def through(self, w: np.ndarray) -> Budget:
        return self.draw(self.size(w))


class BestDeal(VGroup):
    """A ball at the best weights, the way it came, and ring and budget that touch there; `until(share)` moves it."""

    def __init__(
        self, plane: Plane, curvature: np.ndarray, minimum: np.ndarray, path: np.ndarray, shape: str, role: str
    ) -> None:
        super().__init__()
        self.plane, self.path = plane, np.asarray(path, float)
        self.budget = Budget(plane, shape, role)
        self.ring = Ring(plane, curvature, minimum)
        self.line = VMobject(fill_opacity=0.0).set_stroke(plane.type.theme[role], stroke(2.6))
        self.ball = Dot(radius=units(BALL)).set_fill(plane.type.theme[role])
        self.add(self.budget, self.ring, self.line, self.ball)
        self.until(0.0)

    def place(self, share: float) -> np.ndarray:
        """The best weights when the price has risen so far; between two measured ones, on the line between them."""
        steps = np.arange(len(self.path))
        at = float(np.clip(share, 0.0, 1.0)) * (len(self.path) - 1)
        return np.array([np.interp(at, steps, self.path[:, axis]) for axis in (0, 1)])

    def until(self, share: float) -> BestDeal:
        here = self.place(share)
        whole = int(np.clip(share, 0.0, 1.0) * (len(self.path) - 1))
        way = [self.plane.at(*w) for w in [*self.path[: whole + 1], here]]
        self.line.set_points_as_corners(way)
        self.ball.move_to(way[-1])
        self.budget.through(here)
        self.ring.through(here)
        return self
