"""A fully connected network: columns of nodes, and edges drawn in few strokes however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manim import Animation, Circle, VGroup, VMobject

from kit.theme import Theme, at, stroke, units

LEVELS = 7  # edges of a sign are drawn in this many widths


class Nodes(VGroup):
    """A column of nodes at `x` points, evenly spread from `top` to `bottom`; brightness shows activation."""

    def __init__(self, theme: Theme, count: int, x: float, top: float, bottom: float, radius: float) -> None:
        super().__init__()
        self.theme, self.radius, self.x = theme, radius, x
        step = (bottom - top) / max(count - 1, 1)
        self.heights = [top + step * k for k in range(count)] if count > 1 else [(top + bottom) / 2]
        self.centres = np.array([at(x, y) for y in self.heights])
        for centre in self.centres:
            disc = Circle(units(radius), stroke_width=stroke(1.4), fill_opacity=1.0).move_to(centre)
            self.add(disc.set_stroke(theme["muted"]).set_fill(theme["surface"]))

    def brighten(self, activations: np.ndarray) -> Animation:
        """The animation after which each node is as bright as its activation (0 to 1)."""
        return Recolour(self, [self.theme.mix("surface", "text", float(a)) for a in activations])

    def rings(self, values: np.ndarray, scale: float, gap: float = 4.0, widest: float = 5.0) -> VGroup:
        """A ring around every node: colour is the sign of its value, width the size relative to `scale`."""
        return VGroup(
            Circle(units(self.radius + gap), fill_opacity=0.0)
            .set_stroke(
                self.theme.signed(value),
                width=stroke(widest * max(size := min(1.0, abs(float(value)) / scale), 0.12)),
                opacity=0.25 + 0.75 * size,
            )
            .move_to(centre)
            for value, centre in zip(values, self.centres, strict=True)
        )


@dataclass(frozen=True)
class Strip:
    """A column of very many input values, `x` to `x + width` and `top` to `top + height` points."""

    count: int
    x: float
    top: float
    width: float
    height: float

    def ends(self, members: np.ndarray) -> np.ndarray:
        """Where the edges of these inputs begin."""
        heights = self.top + (members + 0.5) * self.height / self.count
        return np.array([at(self.x + self.width + 3, y) for y in heights])


class Recolour(Animation):
    """Change the fill of every part of a group to a colour of its own."""

    def __init__(self, group: VGroup, colours: Sequence, **kwargs) -> None:
        super().__init__(group, **kwargs)
        self._pairs = [
            (part, np.array(part.get_fill_color().to_rgba()), np.array(colour.to_rgba()))
            for part, colour in zip(group, colours, strict=True)
        ]

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        for part, begin, end in self._pairs:
            part.fill_rgbas = (begin + (end - begin) * share)[None, :]


class Edges(VGroup):
    """Straight edges from `starts` to `ends` ((n, 3) each), coloured by the sign of their values.

    Width and opacity grow with |value| / `scale`; `colour` gives all of them one role instead. Edges of like
    colour and width are one path, so that hundreds of them cost little more than a few.
    """

    def __init__(
        self,
        theme: Theme,
        starts: np.ndarray,
        ends: np.ndarray,
        values: np.ndarray,
        *,
        scale: float | None = None,
        widest: float = 3.0,
        faintest: float = 0.06,
        strongest: float = 0.95,
        colour: str | None = None,
    ) -> None:
        super().__init__()
        self.starts, self.ends, self.values = starts, ends, np.asarray(values, float)
        largest = float(scale or np.abs(self.values).max() or 1.0)
        strength = np.clip(np.abs(self.values) / largest, 0.0, 1.0)
        level = np.minimum((strength * LEVELS).astype(int), LEVELS - 1)
        self._members: list[np.ndarray] = []
        self._opacities: list[float] = []
        for k in range(LEVELS):
            for positive in (False, True):
                members = np.flatnonzero((level == k) & ((self.values >= 0) == positive))
                if not len(members):
                    continue
                size = float(strength[members].mean())
                ink = theme[colour] if colour else theme.signed(1 if positive else -1)
                path = VMobject(fill_opacity=0.0)
                self._members.append(members)
                self._opacities.append(faintest + (strongest - faintest) * size)
                self.add(path.set_stroke(ink, stroke(0.5 + (widest - 0.5) * size), self._opacities[-1]))
        self.window(0.0, 1.0)

    def attenuate(self, share: float) -> Edges:
        """Give all edges this share of their opacity; 1 restores it. Also for `.animate`."""
        for path, opacity in zip(self.submobjects, self._opacities, strict=True):
            path.set_stroke(opacity=opacity * share)
        return self

    def window(self, begin: float, end: float) -> Edges:
        """Show only the part of every edge between two shares of its length."""
        begin, end = max(begin, 0.0), min(end, 1.0)
        for path, members in zip(self.submobjects, self._members, strict=True):
            if end <= begin:
                path.points = np.zeros((0, 3))
                continue
            p, d = self.starts[members], self.ends[members] - self.starts[members]
            shares = begin + (end - begin) * np.array([0, 1 / 3, 2 / 3, 1])
            path.points = (p[:, None, :] + shares[None, :, None] * d[:, None, :]).reshape(-1, 3)
        return self


class Draw(Animation):
    """Edges grow from their starts to their ends (`backward`: from their ends)."""

    def __init__(self, edges: Edges, backward: bool = False, **kwargs) -> None:
        self.backward = backward
        super().__init__(edges, introducer=True, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        self.mobject.window(*((1 - share, 1.0) if self.backward else (0.0, share)))


class Pulse(Animation):
    """A flash of light runs along the edges once and is gone."""

    def __init__(self, edges: Edges, backward: bool = False, length: float = 0.35, **kwargs) -> None:
        self.backward, self.length = backward, length
        super().__init__(edges, introducer=True, remover=True, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        head = self.rate_func(alpha) * (1 + self.length)
        tail = head - self.length
        self.mobject.window(*((1 - head, 1 - tail) if self.backward else (tail, head)))


def between(left: Nodes, right: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of all edges between two columns, in the order of a weight matrix (right, left)."""
    inset_left, inset_right = (np.array([units(nodes.radius), 0, 0]) for nodes in (left, right))
    starts = np.tile(left.centres + inset_left, (len(right.centres), 1))
    ends = np.repeat(right.centres - inset_right, len(left.centres), axis=0)
    return starts, ends


def strongest(strip: Strip, nodes: Nodes, values: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """The `count` edges of largest |value| between an input strip and a column: starts, ends, values.

    `values` has the shape of the weight matrix, (nodes, inputs).
    """
    order = np.argsort(-np.abs(values), axis=None, kind="stable")[:count]
    node, pixel = np.unravel_index(order, values.shape)
    return strip.ends(pixel), nodes.centres[node] - [units(nodes.radius), 0, 0], values[node, pixel]
