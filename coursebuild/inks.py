"""How a mobject looks at one moment, kept so that it can be painted later, compared and hashed.

An `Outline` is painted as manim's camera does it (manim 0.22, `manim/camera/camera.py`), to the same pixels.

Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cairo
import numpy as np
from manim import Camera, Mobject, VMobject
from manim.camera.camera import CAP_STYLE_MAP, LINE_JOIN_MAP
from manim.mobject.types.image_mobject import AbstractImageMobject
from manim.mobject.types.point_cloud_mobject import PMobject
from numpy.typing import NDArray
from PIL import Image

LINE_UNITS = 0.01  # manim's units in one of its stroke widths
MITER = 10.0  # Cairo's default limit: the tip of a corner reaches at most so many half line widths far
ONE_COLOUR = 32  # bytes
ROUNDING = 1.0e-5  # relative difference of coordinates below which manim takes two points for one

Pixels = NDArray[np.uint8]
Extent = tuple[float, float, float, float]  # manim's units: least x and y, largest x and y; nothing lies beyond


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
    _alone = threading.Lock()  # the camera paints textures on a picture of its own

    def __init__(self, mobject: Mobject, camera: Camera) -> None:
        self._mobject, self._camera = mobject.copy(), camera
        self.look = tuple((name, _plain(value)) for name, value in sorted(vars(mobject).items()))

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(repr((type(self._mobject).__name__, self.look)).encode(), digest_size=16).digest()

    def paint(self, context: cairo.Context, pixels: Pixels) -> None:
        with self._alone:
            kind = self._camera.type_or_raise(self._mobject)
            self._camera.display_funcs[kind]([self._mobject], pixels)


def _plain(value: Any) -> Any:
    """An attribute as it can be compared and hashed; None for what does not show, such as other mobjects."""
    if isinstance(value, np.ndarray | Image.Image):
        pixels = np.asarray(value)
        return pixels.shape, pixels.tobytes()
    if isinstance(value, str) and Path(value).is_file():
        return Path(value).read_bytes()
    return value if isinstance(value, int | float | str) else None


def ink_of(mobject: Mobject, camera: Camera) -> Ink | None:
    """How a mobject looks now; None if nothing of it is seen."""
    if isinstance(mobject, VMobject) and not mobject.get_background_image():
        return Outline.of(mobject)
    if isinstance(mobject, VMobject | PMobject | AbstractImageMobject):
        return Foreign(mobject, camera)
    return None  # a ValueTracker, for example


def _seen(rgbas: NDArray[np.float64], width: float) -> bytes:
    return rgbas.tobytes() if width > 0 and rgbas[:, 3].any() else b""


# ------------------------------------------------------------------ as manim's camera does it


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
