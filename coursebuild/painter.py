"""Pictures made of outlines, painted as manim's camera does, but only where they differ from the picture before.

`Ink` is all that the look of one outline depends on, kept so that it can be painted later, compared and hashed.
`Painter` holds a picture; a new list of inks is compared with the list that is shown, and what lies around the
differences is painted again on top of a picture of the inks below the first difference.

Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import cairo
import numpy as np
from manim import Camera, Mobject, VMobject
from manim.camera.camera import CAP_STYLE_MAP, LINE_JOIN_MAP
from manim.mobject.types.image_mobject import AbstractImageMobject
from manim.mobject.types.point_cloud_mobject import PMobject
from numpy.typing import NDArray

LINE_UNITS = 0.01  # manim's units in one of its stroke widths
MITER = 10.0  # Cairo's default limit: the tip of a corner reaches at most so many half line widths far
ONE_COLOUR = 32  # bytes
ROUNDING = 1.0e-5  # relative difference of coordinates below which manim takes two points for one

Pixels = NDArray[np.uint8]
Extent = tuple[float, float, float, float]  # manim's units: least x and y, largest x and y; nothing lies beyond
Box = tuple[int, int, int, int]  # pixels: left, top, right, bottom; the last two are just outside


@dataclass(frozen=True)
class Stage:
    """What all pictures of a scene share."""

    width: int  # pixels
    height: int
    frame_width: float  # manim's units
    frame_height: float
    background: tuple[int, int, int, int]


class Look(NamedTuple):
    """What decides how an outline looks. Colours are rows of red, green, blue, alpha (float64); b"" is none."""

    curves: bytes  # x and y (float64) of the points of cubic Bezier curves, four a curve, in manim's units
    fill: bytes
    stroke: bytes
    behind: bytes  # a stroke below the fill
    width: float
    width_behind: float
    join: int
    cap: int
    tolerance: float  # distance in manim's units at which curves count as joined
    gradient: tuple[float, ...]  # x and y of both ends, if a colour has several rows


class Ink(Protocol):
    """How a mobject looks at one moment."""

    look: Any  # equal looks are painted alike

    @property
    def digest(self) -> bytes: ...

    @property
    def extent(self) -> Extent: ...

    def paint(self, context: cairo.Context, pixels: Pixels) -> None: ...


class Outline:
    """The look of a VMobject."""

    def __init__(self, look: Look) -> None:
        self.look = look

    @classmethod
    def of(cls, mobject: VMobject) -> Outline | None:
        """None if nothing of it is seen."""
        points = mobject.points
        width, behind_width = mobject.get_stroke_width(), mobject.get_stroke_width(background=True)
        fill, stroke = _seen(mobject.get_fill_rgbas(), 1), _seen(mobject.get_stroke_rgbas(), width)
        behind = _seen(mobject.get_stroke_rgbas(background=True), behind_width)
        if not (fill or stroke or behind) or len(points) < 4 or not np.isfinite(points).all():
            return None
        gradient: tuple[float, ...] = ()
        if max(len(fill), len(stroke), len(behind)) > ONE_COLOUR:
            gradient = tuple(float(v) for end in mobject.get_gradient_start_and_end_points() for v in end[:2])
        curves = points[: len(points) // 4 * 4, :2].tobytes()
        join, cap = LINE_JOIN_MAP[mobject.joint_type], CAP_STYLE_MAP[mobject.cap_style]
        tolerance = mobject.tolerance_for_point_equality
        return cls(Look(curves, fill, stroke, behind, width, behind_width, join, cap, tolerance, gradient))

    @cached_property
    def digest(self) -> bytes:
        content = hashlib.blake2b(self.look.curves, digest_size=16)
        content.update(repr(self.look[1:]).encode())
        return content.digest()

    @cached_property
    def extent(self) -> Extent:
        points = np.frombuffer(self.look.curves).reshape(-1, 2)
        line = max(self.look.width if self.look.stroke else 0, self.look.width_behind if self.look.behind else 0)
        reach = line * LINE_UNITS / 2 * (MITER if self.look.join == cairo.LineJoin.MITER else 1.5)
        (left, low), (right, high) = points.min(axis=0) - reach, points.max(axis=0) + reach
        return float(left), float(low), float(right), float(high)

    def paint(self, context: cairo.Context, pixels: Pixels) -> None:
        paint_outline(context, self.look)


class Foreign:
    """The look of anything else, such as an image: manim's camera paints a copy of it, wherever it is."""

    extent = (-np.inf, -np.inf, np.inf, np.inf)

    def __init__(self, mobject: Mobject, camera: Camera) -> None:
        self._mobject, self._camera = mobject.copy(), camera
        self.look = tuple(
            (name, value.tobytes() if isinstance(value, np.ndarray) else value)
            for name, value in sorted(vars(mobject).items())
            if isinstance(value, np.ndarray | int | float | str)
        )

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(repr((type(self._mobject).__name__, self.look)).encode(), digest_size=16).digest()

    def paint(self, context: cairo.Context, pixels: Pixels) -> None:
        kind = self._camera.type_or_raise(self._mobject)
        self._camera.display_funcs[kind]([self._mobject], pixels)


def ink_of(mobject: Mobject, camera: Camera) -> Ink | None:
    """How a mobject looks now; None if nothing of it is seen."""
    if isinstance(mobject, VMobject) and not mobject.get_background_image():
        return Outline.of(mobject)
    if isinstance(mobject, VMobject | PMobject | AbstractImageMobject):
        return Foreign(mobject, camera)
    return None  # a ValueTracker, for example


def _seen(rgbas: NDArray[np.float64], width: float) -> bytes:
    return rgbas.tobytes() if width > 0 and rgbas[:, 3].any() else b""


class Painter:
    """The picture of a list of inks: `pixels` (height, width, RGBA)."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.scale = stage.width / stage.frame_width, stage.height / stage.frame_height  # pixels in a unit
        self.pixels: Pixels = np.empty((stage.height, stage.width, 4), np.uint8)
        self.pixels[:] = stage.background
        self._below, self._depth = Layer(self.pixels.copy()), 0  # the picture of the first `_depth` inks
        self._work = Layer(self.pixels.copy())
        self._shown: list[Ink] = []

    def show(self, inks: list[Ink]) -> Box | None:
        """Paint the picture of these inks; where it differs from the one before, None if nowhere."""
        box, first = self._difference(inks)
        self._shown = inks
        if first < self._depth:
            self._below.pixels[:] = self.stage.background
            self._depth = 0
        if box is None:  # what differs lies outside the picture
            return None
        self._below.paint(inks[self._depth : first], self._matrix)
        self._depth = first
        # Whole outlines are painted, also where the picture stays: Cairo's coverage of a pixel depends on all edges
        # in its row and on the rows before, so an outline that is cut off is not painted quite alike.
        left, top, right, bottom = box
        self._work.pixels[top:bottom, left:right] = self._below.pixels[top:bottom, left:right]
        self._work.paint([ink for ink in inks[first:] if _meet(self._box(ink), box)], self._matrix)
        return self._take_over(box)

    def _take_over(self, box: Box) -> Box | None:
        """Copy what changed from the picture that was painted; the smallest box around it."""
        left, top, right, bottom = box
        pairs = slice(left // 2, right // 2)  # two pixels are compared as one number
        new, old = (p.reshape(len(p), -1).view(np.uint64)[top:bottom, pairs] for p in (self._work.pixels, self.pixels))
        differs = new != old
        rows = np.flatnonzero(differs.any(axis=1))
        if not len(rows):
            return None
        columns = np.flatnonzero(differs.any(axis=0))
        top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
        left, right = left + 2 * int(columns[0]), left + 2 * int(columns[-1]) + 2
        self.pixels[top:bottom, left:right] = self._work.pixels[top:bottom, left:right]
        return left, top, right, bottom

    @property
    def _matrix(self) -> cairo.Matrix:
        return cairo.Matrix(self.scale[0], 0, 0, -self.scale[1], self.stage.width / 2, self.stage.height / 2)

    def _difference(self, inks: list[Ink]) -> tuple[Box | None, int]:
        """Where the new list may look other than the one shown, and how many inks at its begin are the same."""
        first, many = 0, min(len(inks), len(self._shown))
        while first < many and inks[first] is self._shown[first]:
            first += 1
        old = {id(ink): position for position, ink in enumerate(self._shown[first:])}
        kept, last, boxes = set(), -1, []
        for ink in inks[first:]:
            position = old.get(id(ink), -1)
            if position > last:  # still there, and above all those that are still there and were below it
                kept.add(last := position)
            else:
                boxes.append(self._box(ink))
        boxes += [self._box(ink) for position, ink in enumerate(self._shown[first:]) if position not in kept]
        boxes = [b for b in boxes if b[0] < b[2] and b[1] < b[3]]
        if not boxes:
            return None, first
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return (min(lefts) // 2 * 2, min(tops), -(-max(rights) // 2) * 2, max(bottoms)), first  # see `_take_over`

    def _box(self, ink: Ink) -> Box:
        left, low, right, high = ink.extent
        width, height = self.stage.width, self.stage.height
        (across, down), x, y = self.scale, width / 2, height / 2
        return (
            int(max(0, left * across + x - 1)),
            int(max(0, y - high * down - 1)),
            int(min(width, max(0, right * across + x + 2))),
            int(min(height, max(0, y - low * down + 2))),
        )


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# ------------------------------------------------------------------ as manim's camera does it


class Layer:
    """Pixels and what paints on them."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        height, width = pixels.shape[:2]
        self._context = cairo.Context(
            cairo.ImageSurface.create_for_data(pixels.data, cairo.FORMAT_ARGB32, width, height)
        )

    def paint(self, inks: Iterable[Ink], matrix: cairo.Matrix) -> None:
        """Paint inks, the later ones on top."""
        self._context.set_matrix(matrix)
        for ink in inks:
            ink.paint(self._context, self.pixels)


def paint_outline(context: cairo.Context, look: Look) -> None:
    """What is behind, the fill and the stroke of an outline."""
    trace(context, look)
    for colours, width in ((look.behind, look.width_behind), (look.fill, 0.0), (look.stroke, look.width)):
        if not colours:
            continue
        _set_colour(context, colours, look)
        if not width:
            context.fill_preserve()
            continue
        context.set_line_width(width * LINE_UNITS)
        context.set_line_join(look.join)
        context.set_line_cap(look.cap)
        context.stroke_preserve()
    context.new_path()


def trace(context: cairo.Context, look: Look) -> None:
    """Make the outline Cairo's path: a part begins where a curve does not go on from the one before."""
    context.new_path()
    curves = np.frombuffer(look.curves).reshape(-1, 4, 2)
    if not len(curves):
        return

    def close(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (np.abs(a - b) <= look.tolerance + ROUNDING * np.abs(b)).all(axis=1)

    starts = np.flatnonzero(np.concatenate([[True], ~close(curves[:-1, 3], curves[1:, 0])]))
    ends = np.append(starts[1:], len(curves))
    closed = close(curves[starts, 0], curves[ends - 1, 3])
    rows = curves.reshape(-1, 8).tolist()
    move_to, curve_to = context.move_to, context.curve_to
    for start, end, returns in zip(starts.tolist(), ends.tolist(), closed.tolist(), strict=True):
        context.new_sub_path()
        move_to(*rows[start][:2])
        for row in rows[start:end]:
            curve_to(*row[2:])
        if returns:
            context.close_path()


def _set_colour(context: cairo.Context, colours: bytes, look: Look) -> None:
    """One colour or a gradient. Red and blue change places: Cairo's pixels are the reverse of RGBA."""
    rows = np.frombuffer(colours).reshape(-1, 4)[:, [2, 1, 0, 3]].tolist()
    if len(rows) == 1:
        context.set_source_rgba(*rows[0])
        return
    pattern = cairo.LinearGradient(*look.gradient)
    for offset, row in zip(np.linspace(0, 1, len(rows)), rows, strict=True):
        pattern.add_color_stop_rgba(offset, *row)
    context.set_source(pattern)
