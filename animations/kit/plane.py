"""A plane with points, and a straight line in it that moves: w . x + b = 0, with its normal and its two sides.

    plane = Plane(self.type, (60, 150, 380, 360), (-2, 2), (-2, 2), "first axis", "second axis")
    dots = Points(plane, xy, ["accent2", "accent"], classes)     # (n, 2), a role for each class, (n,)
    line = Boundary(plane, w, b)                                  # (2,), a number
    self.play(Swing(line, new_w, new_b))                          # every picture between is a line of its own

All coordinates are the data's; `Plane.at` converts. Points of a class are one path, the line and its sides are three,
so that a plane with hundreds of points costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from manim import Animation, Line, VGroup, VMobject, smooth

from kit.theme import at, stroke, units
from kit.typeset import Typesetter

KAPPA = 0.5522847498  # a quarter of a circle as a cubic Bezier curve
QUARTERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float)
NORMAL = 46.0  # points: how long the normal is drawn
HEAD = 8.0  # points: the head of an arrow


class Plane(VGroup):
    """The ground: a box (left, top, width, height in points) that shows `x_range` and `y_range` of the data.

    Thin lines mark zero where it lies inside. Names of the axes stand below and above. Give both ranges in the same
    proportion as the box, or right angles will not look right.
    """

    def __init__(
        self,
        type_: Typesetter,
        box: tuple[float, float, float, float],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        x_label: str = "",
        y_label: str = "",
        zero: bool = True,
    ) -> None:
        super().__init__()
        self.type, self.box, self.x_range, self.y_range = type_, box, x_range, y_range
        left, top, width, height = box
        ground = VMobject(stroke_width=stroke(1.0), fill_opacity=1.0)
        ground.set_fill(type_.theme["surface"]).set_stroke(type_.theme["line"])
        ground.set_points_as_corners([self.at(*corner) for corner in [*self.corners(), self.corners()[0]]])
        self.add(ground)
        for low, high, begin, end in (
            (*x_range, (0.0, y_range[0]), (0.0, y_range[1])),
            (*y_range, (x_range[0], 0.0), (x_range[1], 0.0)),
        ):
            if zero and low < 0 < high:
                self.add(Line(self.at(*begin), self.at(*end), stroke_width=stroke(1.0)).set_stroke(type_.theme["line"]))
        if x_label:
            self.add(type_.words(x_label, 16, "muted").put(left + width / 2, top + height + 22, "center"))
        if y_label:
            self.add(type_.words(y_label, 16, "muted").put(left, top - 10))

    @property
    def scale_of(self) -> float:
        """Points of the page in one unit of x."""
        return self.box[2] / (self.x_range[1] - self.x_range[0])

    def corners(self) -> np.ndarray:
        """The corners of what is shown, in the data's coordinates, (4, 2)."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)

    def on_page(self, x: float, y: float) -> tuple[float, float]:
        """Points of the page of a pair of values."""
        left, top, width, height = self.box
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return left + across * width, top + (1 - up) * height

    def at(self, x: float, y: float) -> np.ndarray:
        """Manim's coordinates of a pair of values."""
        return at(*self.on_page(x, y))

    def pieces(self, line: np.ndarray) -> list[np.ndarray]:
        """The pieces of a line (k, 2) that lie inside the box."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        seen = (line[:, 0] >= x0) & (line[:, 0] <= x1) & (line[:, 1] >= y0) & (line[:, 1] <= y1)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(int)))
        pieces = [line[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        return [piece for piece in pieces if len(piece) > 1]

    def path(self, xy: np.ndarray, role: str = "muted", width: float = 1.6) -> VMobject:
        """A line through pairs of values."""
        path = VMobject(fill_opacity=0.0).set_stroke(self.type.theme[role], stroke(width))
        return path.set_points_as_corners([self.at(x, y) for x, y in xy])


class Points(VGroup):
    """Discs at `xy` (n, 2): one path for each class, in its role's colour. `radius` in points."""

    def __init__(
        self, plane: Plane, xy: np.ndarray, roles: Sequence[str], classes: np.ndarray | None = None, radius: float = 4.0
    ) -> None:
        super().__init__()
        self.plane, self.radius = plane, radius
        self.classes = np.zeros(len(xy), int) if classes is None else np.asarray(classes, int)
        for role in roles:
            self.add(VMobject(stroke_width=0, fill_opacity=1.0).set_fill(plane.type.theme[role], 1.0))
        self.put(xy)

    def put(self, xy: np.ndarray) -> Points:
        """Move the discs, as when a layer bends the plane. What leaves the plane's box is still drawn."""
        for k, path in enumerate(self.submobjects):
            mine = np.asarray(xy, float)[self.classes == k]
            centres = np.array([self.plane.at(x, y) for x, y in mine]).reshape(-1, 3)
            path.points = discs(centres, units(self.radius))
        return self


class Boundary(VGroup):
    """The line w . x + b = 0 inside a plane's box, its sides softly coloured, and its normal, of a fixed length.

    The normal points to the side where w . x + b is positive; that side has the role `more`, the other `less`.
    `tint` is the opacity of the sides; 0 leaves them out, and `normal=False` the arrow.
    """

    def __init__(
        self, plane: Plane, w: np.ndarray, b: float, *, role: str = "text", more: str = "accent", less: str = "accent2",
        tint: float = 0.14, normal: bool = True, width: float = 2.6,
    ) -> None:  # fmt: skip
        super().__init__()
        self.plane, self.normal = plane, normal
        theme = plane.type.theme
        self.sides = [VMobject(stroke_width=0).set_fill(theme[name], tint) for name in (more, less)]
        self.line = VMobject(fill_opacity=0.0).set_stroke(theme[role], stroke(width))
        self.arrow = Arrow(plane, role=role, width=2.0)
        self.add(*self.sides, self.line, self.arrow)
        self.draw(w, b)

    def draw(self, w: np.ndarray, b: float) -> Boundary:
        """Draw another line; with w = 0 there is none, and the whole box is on one side."""
        self.w, self.b = np.asarray(w, float), float(b)
        box = self.plane.corners()
        for side, sign in zip(self.sides, (1.0, -1.0), strict=True):
            seen = self.w.any() or (self.b >= 0) == (sign > 0)
            part = half(box, sign * self.w, sign * self.b) if seen else box[:0]
            side.points = np.zeros((0, 3))
            if len(part) > 2:
                side.set_points_as_corners([self.plane.at(*p) for p in [*part, part[0]]])
        ends = crossing(box, self.w, self.b)
        self.line.points = np.zeros((0, 3))
        self.arrow.points = np.zeros((0, 3))
        if len(ends) == 2:
            self.line.set_points_as_corners([self.plane.at(*p) for p in ends])
            if self.normal:
                middle = ends.mean(axis=0)
                length = NORMAL / self.plane.scale_of
                self.arrow.span(middle, middle + self.w / np.linalg.norm(self.w) * length)
        return self

    def foot(self, x: np.ndarray) -> np.ndarray:
        """The point of the line that is nearest to x."""
        return np.asarray(x, float) - (self.w @ x + self.b) / (self.w @ self.w) * self.w


class Swing(Animation):
    """Move a boundary from its line to another one: w and b change evenly, as if the update came bit by bit."""

    def __init__(self, line: Boundary, w: np.ndarray, b: float, **kwargs) -> None:
        self.begin_line = (line.w.copy(), line.b)
        self.end_line = (np.asarray(w, float), float(b))
        super().__init__(line, rate_func=kwargs.pop("rate_func", smooth), **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        (w0, b0), (w1, b1) = self.begin_line, self.end_line
        self.mobject.draw(w0 + share * (w1 - w0), b0 + share * (b1 - b0))


class Arrow(VMobject):
    """An arrow between two points of a plane: one path, shaft and head, cheap to move."""

    def __init__(
        self, plane: Plane, begin: Sequence[float] = (0, 0), end: Sequence[float] = (0, 0), *, role: str = "accent",
        width: float = 2.6,
    ) -> None:  # fmt: skip
        super().__init__(fill_opacity=0.0)
        self.plane = plane
        self.set_stroke(plane.type.theme[role], stroke(width))
        self.span(begin, end)

    def span(self, begin: Sequence[float], end: Sequence[float]) -> Arrow:
        """Point from one pair of values to another; an arrow of no length is not seen."""
        self.begin_xy, self.end_xy = np.asarray(begin, float), np.asarray(end, float)
        p, q = self.plane.at(*self.begin_xy), self.plane.at(*self.end_xy)
        length = float(np.linalg.norm(q - p))
        if length < 1e-9:
            self.points = np.zeros((0, 3))
            return self
        along = (q - p) / length
        across = np.array([-along[1], along[0], 0.0])
        back = min(units(HEAD), 0.6 * length)
        wings = [q - back * (along + side * 0.55 * across) for side in (1, -1)]
        self.points = polylines([(p, q), (wings[0], q), (q, wings[1])])
        return self


class Turn(Animation):
    """Move an arrow to another begin and end, evenly."""

    def __init__(self, arrow: Arrow, begin: Sequence[float], end: Sequence[float], **kwargs) -> None:
        self.begin_ends = (arrow.begin_xy.copy(), arrow.end_xy.copy())
        self.end_ends = (np.asarray(begin, float), np.asarray(end, float))
        super().__init__(arrow, rate_func=kwargs.pop("rate_func", smooth), **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        self.mobject.span(*(a + share * (b - a) for a, b in zip(self.begin_ends, self.end_ends, strict=True)))


def half(polygon: np.ndarray, w: np.ndarray, b: float) -> np.ndarray:
    """The part of a convex polygon (k, 2) where w . x + b >= 0."""
    kept: list[np.ndarray] = []
    value = polygon @ w + b
    for k in range(len(polygon)):
        here, there = polygon[k], polygon[(k + 1) % len(polygon)]
        if value[k] >= 0:
            kept.append(here)
        if value[k] * value[(k + 1) % len(polygon)] < 0:
            kept.append(here + (there - here) * value[k] / (value[k] - value[(k + 1) % len(polygon)]))
    return np.array(kept).reshape(-1, 2)


def crossing(polygon: np.ndarray, w: np.ndarray, b: float) -> np.ndarray:
    """Where the line w . x + b = 0 enters and leaves a convex polygon: (2, 2), or (0, 2) if it passes by."""
    value = polygon @ w + b
    found: list[np.ndarray] = []
    for k in range(len(polygon)):
        here, there = polygon[k], polygon[(k + 1) % len(polygon)]
        first, second = value[k], value[(k + 1) % len(polygon)]
        if (first >= 0) != (second >= 0):
            found.append(here + (there - here) * first / (first - second))
    return np.array(found).reshape(-1, 2)


def discs(centres: np.ndarray, radius: float) -> np.ndarray:
    """Circles around (n, 3) centres as one path of four curves each."""
    start, end = QUARTERS, np.roll(QUARTERS, -1, axis=0)
    turn = np.stack([-QUARTERS[:, 1], QUARTERS[:, 0]], axis=1)
    curves = np.stack([start, start + KAPPA * turn, end - KAPPA * np.roll(turn, -1, axis=0), end], axis=1)  # (4, 4, 2)
    flat = np.concatenate([curves.reshape(-1, 2), np.zeros((16, 1))], axis=1) * radius
    return (centres[:, None, :] + flat[None]).reshape(-1, 3)


def polylines(lines: Iterable[Sequence[np.ndarray]]) -> np.ndarray:
    """Lines through places (k, 3) as one path of straight cubic curves."""
    curves = []
    for places in lines:
        p, q = np.asarray(places[:-1]), np.asarray(places[1:])
        curves.append(np.stack([p, p + (q - p) / 3, p + (q - p) * 2 / 3, q], axis=1).reshape(-1, 3))
    return np.concatenate(curves) if curves else np.zeros((0, 3))
