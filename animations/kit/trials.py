"""Runs of a search: dots coloured by what they reached, their shadows on the axes, and the best so far.

plane = Plane(self.type, (140, 165, 400, 255), (-5, -1), (1, 5), zero=False)
trials = Trials(plane, xy, accuracies, (0.1, 0.9))                  # (n, 2), (n,), the dimmest and the brightest value
self.play(trials.land())                                            # one after the other
self.play(trials.cast(marks := trials.shadows(axis=0)))             # each dot's shadow falls on the axis of x
self.play(*trials.move(other_xy))

race = BestSoFar(plane, shown, chosen_by, "accent")                 # run k stands at x = k, counted from 1
race.add_updater(lambda r: r.until(moment.get_value()))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import Animation, Dot, FadeIn, LaggedStart, Line, TransformFromCopy, VGroup, VMobject

from kit.plane import Plane, discs
from kit.theme import at, stroke, units

SHADOW = 11.0  # points: length of a mark on an axis
AWAY = 12.0  # points between the plane and its shadows
DIM = 0.08  # how bright the dimmest dot is


class Trials(VGroup):
    """A dot for each run at `xy` (n, 2) of a plane. Its brightness is its value, between those of `limits`."""

    def __init__(
        self, plane: Plane, xy: np.ndarray, values: np.ndarray, limits: Sequence[float], *, role: str = "accent",
        outline: str = "accent", radius: float = 7.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.plane, self.xy, self.radius = plane, np.asarray(xy, float), radius
        theme, (low, high) = plane.type.theme, limits
        for (x, y), value in zip(self.xy, values, strict=True):
            share = DIM + (1 - DIM) * (float(value) - low) / (high - low)
            dot = Dot(plane.at(x, y), radius=units(radius)).set_fill(theme.mix("surface", role, share), 1.0)
            self.add(dot.set_stroke(theme[outline], stroke(1.3)))

    def land(self, seconds: float = 3.0) -> Animation:
        """The runs appear in their order."""
        return LaggedStart(*(FadeIn(dot, scale=2.2) for dot in self), lag_ratio=0.5, run_time=seconds)

    def shadows(self, axis: int, role: str = "text") -> VGroup:
        """A mark for each run, below the plane (axis 0) or left of it (axis 1)."""
        left, top, _, height = self.plane.box
        marks = VGroup()
        for x, y in self.xy:
            across, down = self.plane.on_page(x, y)
            if axis == 0:
                ends = at(across, top + height + AWAY), at(across, top + height + AWAY + SHADOW)
            else:
                ends = at(left - AWAY - SHADOW, down), at(left - AWAY, down)
            marks.add(Line(*ends, stroke_width=stroke(2.6)).set_stroke(self.plane.type.theme[role]))
        return marks

    def cast(self, marks: VGroup, seconds: float = 2.4) -> Animation:
        """The dots' copies fall onto their marks."""
        falls = (TransformFromCopy(dot, mark) for dot, mark in zip(self, marks, strict=True))
        return LaggedStart(*falls, lag_ratio=0.12, run_time=seconds)

    def move(self, xy: np.ndarray) -> list[Animation]:
        """The dots move to other places; these are their places from now on."""
        self.xy = np.asarray(xy, float)
        return [dot.animate.move_to(self.plane.at(x, y)) for dot, (x, y) in zip(self, self.xy, strict=True)]


class BestSoFar(VGroup):
    """Runs one after the other, run k at x = k (from 1) and at the height of `shown`; the best so far as a staircase.

    Which run is the best is decided by `chosen_by`; with `shown` different from it, the staircase shows what the
    winner is worth by another measure. At first nothing is seen; `until(k)` shows the first k runs.
    """

    def __init__(
        self, plane: Plane, shown: np.ndarray, chosen_by: np.ndarray, role: str = "accent", radius: float = 3.6
    ) -> None:
        super().__init__()
        self.plane, self.shown, self.radius = plane, np.asarray(shown, float), radius
        chosen_by = np.asarray(chosen_by, float)
        if self.shown.shape != chosen_by.shape:
            raise ValueError("every run needs a height and a value to be chosen by")
        self.winners = np.array([int(chosen_by[: k + 1].argmax()) for k in range(len(chosen_by))])
        colour = plane.type.theme[role]
        self.dots = VMobject(stroke_width=0, fill_opacity=0.55).set_fill(colour)
        self.stairs = VMobject(fill_opacity=0.0).set_stroke(colour, stroke(3.0))
        self.ring = Dot(radius=units(2.2 * radius)).set_fill(opacity=0.0).set_stroke(colour, stroke(2.0), opacity=0.0)
        self.add(self.dots, self.stairs, self.ring)
        self.until(0)

    def until(self, count: float) -> BestSoFar:
        """Show the runs up to the `count`-th; between two of them the staircase is level."""
        count = float(np.clip(count, 0.0, len(self.shown)))
        whole = int(count)
        places = np.array([self.plane.at(k + 1, self.shown[k]) for k in range(whole)]).reshape(-1, 3)
        self.dots.points = discs(places, units(self.radius))
        self.stairs.points = np.zeros((0, 3))
        self.ring.set_stroke(opacity=0.0)
        if whole:
            heights = self.shown[self.winners[:whole]]
            corners = [(k + 1 + side, h) for k, h in enumerate(heights) for side in (0, 1)]
            corners[-1] = (count, heights[-1])
            self.stairs.set_points_as_corners([self.plane.at(*corner) for corner in corners])
            winner = int(self.winners[whole - 1])
            self.ring.move_to(self.plane.at(winner + 1, self.shown[winner])).set_stroke(opacity=1.0)
        return self
