"""Lines of equal loss of any bowl, however narrow and turned, and bars on a logarithmic meter for sizes that change.

lines = LevelLines(plane, hessian, [0.01, 0.04, 0.09])     # (2, 2): curvatures along the plane's x and y
lines.show(other_hessian)                                   # cheap enough for every frame
bars = MeterBars(LogMeter(type_, box, (-5, 0), columns), 34.0, "accent")
bars.show([1e-1, 2e-5])                                     # one for each column
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import VGroup, VMobject

from kit.meter import LogMeter
from kit.plane import Plane, polylines
from kit.theme import at, stroke

CORNERS = 1201  # of a side of a ring, so that it ends at the edge of the box to about a point; one in
KEPT = 8  # of them is drawn


class LevelLines(VGroup):
    """Where x.H.x / 2 has the values `levels` in a plane, around (0, 0): one path for each level.

    Each ring is drawn as its two sides along the flattest direction, so that a valley thousands of times as long as
    wide has smooth lines, too. What lies outside the plane's box is left out.
    """

    def __init__(self, plane: Plane, hessian: np.ndarray, levels: Sequence[float], role: str = "muted") -> None:
        super().__init__()
        self.plane, self.levels = plane, list(levels)
        for _ in self.levels:
            line = VMobject(fill_opacity=0.0).set_stroke(plane.type.theme[role], stroke(1.2), opacity=0.5)
            self.add(line)
        self.show(hessian)

    def show(self, hessian: np.ndarray) -> LevelLines:
        """Draw the lines of another bowl (symmetric, positive curvatures)."""
        values, vectors = np.linalg.eigh(np.asarray(hessian, float))
        reach = float(np.abs(self.plane.corners()).sum(axis=1).max())  # no point of the box is further away
        for line, level in zip(self.submobjects, self.levels, strict=True):
            end = min(reach, np.sqrt(2 * level / values[0]))
            along = end * np.sin(np.linspace(-np.pi / 2, np.pi / 2, CORNERS))  # dense where a ring turns round
            across = np.sqrt(np.maximum(0.0, 2 * level - values[0] * along**2) / values[1])
            sides = [np.stack([along, sign * across], axis=1) @ vectors.T for sign in (1, -1)]
            line.points = polylines(self._places(piece) for side in sides for piece in self.plane.pieces(side))
        return self

    def _places(self, piece: np.ndarray) -> np.ndarray:
        """The corners of a piece that are drawn, as places (k, 3)."""
        kept = np.concatenate([piece[:-1:KEPT], piece[-1:]])
        zero = self.plane.at(0, 0)
        return zero + kept[:, :1] * (self.plane.at(1, 0) - zero) + kept[:, 1:] * (self.plane.at(0, 1) - zero)


class MeterBars(VGroup):
    """A bar at each column of a meter, from its lower end up to a value; `width` in points."""

    def __init__(self, meter: LogMeter, width: float, role: str = "accent") -> None:
        super().__init__()
        self.meter, self.width_of = meter, width
        for _ in meter.columns:
            self.add(VMobject(stroke_width=0, fill_opacity=1.0).set_fill(meter.theme[role]))
        self.show([10.0 ** meter.decades[0]] * len(meter.columns))

    def show(self, values: Sequence[float]) -> MeterBars:
        """Set all values."""
        _, top, _, height = self.meter.box
        for bar, x, value in zip(self.submobjects, self.meter.columns, values, strict=True):
            y = min(self.meter.height_of(value), top + height - 1.0)  # one point high at least
            left, right = x - self.width_of / 2, x + self.width_of / 2
            corners = [(left, top + height), (left, y), (right, y), (right, top + height), (left, top + height)]
            bar.set_points_as_corners([at(*corner) for corner in corners])
        return self
