"""What passes through the layers of a network: a histogram for each layer, and a meter with a logarithmic scale.

bars = LayerHistograms(theme, counts, (150, 150, 540, 90))        # counts: (layers, bins)
scene.play(Reshape(bars, other_counts))                            # or bars.show(counts) in every frame
meter = LogMeter(type_, (150, 300, 540, 190), (-7, 1), bars.centres)
trail = meter.trail(sizes, "violet", backward=True)                # sizes: one for each layer, layer 1 first
scene.play(time.animate.set_value(trail.steps))                    # with trail.add_updater(... until(time))
"""

from __future__ import annotations

import numpy as np
from manim import Animation, Circle, Dot, Line, VGroup, VMobject

from kit.theme import Theme, at, stroke, units
from kit.typeset import Typesetter

GAP = 0.12  # of the width of a layer's place, free between two histograms
HEAD = 5.0  # points: radius of the head of a trail


class LayerHistograms(VGroup):
    """Histograms side by side in the box (left, top, width, height in points), one for each row of `counts`.

    All share one scale: `tallest` is the count that fills the height, by default the largest one; what is taller is
    cut off there. `centres` are the layers' middles, for what stands above or below them. Each histogram is one path.
    """

    def __init__(
        self,
        theme: Theme,
        counts: np.ndarray,
        box: tuple[float, float, float, float],
        *,
        role: str = "accent",
        tallest: float | None = None,
    ) -> None:
        super().__init__()
        self.box = box
        self.counts = np.asarray(counts, float)
        self.tallest = float(tallest or self.counts.max() or 1.0)
        left, top, width, height = box
        step = width / len(self.counts)
        self.centres = [left + (k + 0.5) * step for k in range(len(self.counts))]
        self.half = step * (1 - GAP) / 2
        self.shapes = [VMobject(stroke_width=0, fill_opacity=1.0).set_fill(theme[role]) for _ in self.counts]
        self.grounds = VGroup(
            Line(at(x - self.half, top + height), at(x + self.half, top + height), stroke_width=stroke(1.2)).set_stroke(
                theme["muted"]
            )
            for x in self.centres
        )
        self.add(self.grounds, *self.shapes)
        self.show(self.counts)

    def show(self, counts: np.ndarray) -> LayerHistograms:
        """Replace the counts; the shape must be the same."""
        self.counts = np.asarray(counts, float)
        for shape, x, row in zip(self.shapes, self.centres, self.counts, strict=True):
            shape.set_points_as_corners(self._outline(x, row))
        return self

    def layer(self, k: int) -> VGroup:
        """Ground and histogram of one layer, counted from 0: to let layers appear one after the other."""
        return VGroup(self.grounds[k], self.shapes[k])

    def _outline(self, x: float, row: np.ndarray) -> np.ndarray:
        _, top, _, height = self.box
        edges = np.linspace(x - self.half, x + self.half, len(row) + 1).repeat(2)
        levels = np.concatenate([[0.0], np.clip(row / self.tallest, 0.0, 1.0).repeat(2), [0.0]])
        corners = np.array([at(u, top + (1 - v) * height) for u, v in zip(edges, levels, strict=True)])
        return np.concatenate([corners, corners[:1]])


class Reshape(Animation):
    """Let the histograms become others; in between, the counts are mixed."""

    def __init__(self, histograms: LayerHistograms, counts: np.ndarray, **kwargs) -> None:
        self.start, self.goal = histograms.counts.copy(), np.asarray(counts, float)
        super().__init__(histograms, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        self.mobject.show(self.start + share * (self.goal - self.start))


class LogMeter(VGroup):
    """A scale of powers of ten in the box (left, top, width, height in points), with a place for each layer.

    `decades` are the lowest and highest exponents, `columns` the layers' places across, in points. The scale's words
    stand at the right side, or at the left with `scale_left`. Values beyond the scale are drawn at its end.
    """

    def __init__(
        self,
        type_: Typesetter,
        box: tuple[float, float, float, float],
        decades: tuple[int, int],
        columns: list[float],
        *,
        every: int = 2,
        scale_left: bool = False,
    ) -> None:
        super().__init__()
        self.theme, self.box, self.decades, self.columns = type_.theme, box, decades, list(columns)
        left, _, width, _ = box
        for exponent in range(decades[0], decades[1] + 1):
            if exponent % every:
                continue
            y = self.height_of(10.0**exponent)
            line = Line(at(left, y), at(left + width, y), stroke_width=stroke(1.4 if exponent == 0 else 0.8))
            words = type_.formula("1" if exponent == 0 else f"10^({exponent})", 16, "muted")
            self.add(
                line.set_stroke(self.theme["muted" if exponent == 0 else "line"]),
                words.put(left - 8, y + 5, "right") if scale_left else words.put(left + width + 8, y + 5),
            )

    def height_of(self, value: float) -> float:
        """Where on the page, in points, a value stands."""
        low, high = self.decades
        power = np.clip(np.log10(max(float(value), 1e-300)), low, high)
        return self.box[1] + (high - power) / (high - low) * self.box[3]

    def trail(self, values: np.ndarray, role: str, *, backward: bool = False) -> Trail:
        """The way of something through the layers, with a value (above zero) in each: the first layer's first."""
        places = np.array([(x, self.height_of(v)) for x, v in zip(self.columns, values, strict=True)])
        return Trail(self.theme, places[::-1] if backward else places, role)


class Trail(VGroup):
    """A line with a shining head; `until(t)` shows it up to its t-th place, counted from 0. At first it is hidden."""

    def __init__(self, theme: Theme, places: np.ndarray, role: str) -> None:
        super().__init__()
        self.places, self.steps = places, len(places) - 1
        self.line = VMobject(fill_opacity=0.0).set_stroke(theme[role], stroke(2.6))
        self.knots = VGroup(Dot(radius=units(2.6)).set_fill(theme[role]).move_to(at(*place)) for place in places)
        self.glow = Circle(units(HEAD * 2.1), stroke_width=0).set_fill(theme[role])
        self.head = Dot(radius=units(HEAD)).set_fill(theme[role])
        self.add(self.line, self.knots, self.glow, self.head)
        self.until(-1.0)

    def place(self, t: float) -> tuple[float, float]:
        """Where the head is, in points; between two places the line is straight, as on the scale."""
        ordinals = np.arange(len(self.places))
        return tuple(float(np.interp(t, ordinals, self.places[:, axis])) for axis in (0, 1))  # type: ignore[return-value]

    def until(self, t: float) -> Trail:
        """Show the way up to place t; nothing for a negative t."""
        passed = [*(tuple(p) for p in self.places[: int(np.floor(max(t, 0.0))) + 1]), self.place(t)]
        self.line.set_points_as_corners([at(*p) for p in passed] if t >= 0 else [at(*self.places[0])] * 2)
        self.line.set_stroke(opacity=1.0 if t >= 0 else 0.0)
        for k, knot in enumerate(self.knots):
            knot.set_opacity(1.0 if k <= t else 0.0)
        for part, opacity in ((self.head, 1.0), (self.glow, 0.25)):
            part.set_fill(opacity=opacity if t >= 0 else 0.0)
            part.move_to(at(*self.place(t)))
        return self
