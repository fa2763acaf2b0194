"""The network of the first week: a 28 x 28 picture, two hidden layers of 16, ten outputs, as a picture to animate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manim import Animation, VGroup, linear

from kit.network import Draw, Edges, Nodes, Pulse, Strip, between, strongest
from kit.record import KitError
from kit.typeset import Typesetter

TOP, BOTTOM = 152.0, 476.0  # points: first and last node of every column
COUNTS = 512.0  # baseline of the numbers below the columns, clear of the ring of the last output
HEADS = TOP - 25  # baseline of what stands above columns of numbers
STRIP = Strip(784, x=80, top=TOP - 8, width=12, height=BOTTOM - TOP + 16)
COLUMN_X = (226.0, 366.0, 506.0)
SHOWN = 320  # of the 12,544 edges of the first layer, the strongest


@dataclass(frozen=True)
class Snapshot:
    """A network at one moment of training, and one picture's way through it and back. Layers count from 1."""

    weights: dict[int, np.ndarray]
    activations: dict[int, np.ndarray]  # 0: the picture
    deltas: dict[int, np.ndarray]
    gradients: dict[int, np.ndarray]
    loss: float
    loss_after: float

    @classmethod
    def read(cls, array: Callable[[str], np.ndarray], prefix: str, picture: np.ndarray, target: np.ndarray) -> Snapshot:
        """From the arrays `<prefix>_W1`, `_a1`, `_delta1`, `_dW1`, ...; refuses a loss that a slide would misquote."""
        parts = {kind: {k: array(f"{prefix}_{kind}{k}") for k in (1, 2, 3)} for kind in ("W", "a", "delta", "dW")}
        loss, after = (float(array(f"{prefix}_{kind}")) for kind in ("loss", "loss_after"))
        if not np.isclose(loss, 0.5 * np.sum((parts["a"][3] - target) ** 2), rtol=1e-3, atol=1e-6):
            raise KitError(f"{prefix}_loss is not half the sum of the squared errors of {prefix}_a3")
        return cls(parts["W"], {0: picture.reshape(-1), **parts["a"]}, parts["delta"], parts["dW"], loss, after)

    def contributions(self, layer: int) -> np.ndarray:
        """What every edge adds to the sum of its node: weight times activation."""
        return self.weights[layer] * self.activations[layer - 1][None, :]


class DigitNetwork:
    """784 -> 16 -> 16 -> 10 on the left two thirds of a slide. Edges of layer k end in the nodes of layer k."""

    def __init__(self, type_: Typesetter) -> None:
        self.type, self.theme = type_, type_.theme
        self.columns = {
            layer: Nodes(self.theme, count, x, TOP, BOTTOM, radius)
            for layer, count, x, radius in zip((1, 2, 3), (16, 16, 10), COLUMN_X, (7.0, 7.0, 11.0), strict=True)
        }
        self.rows = self.columns[3].heights  # of the outputs

    # ---------------------------------------------------------------- edges

    def edges(self, layer: int, values: np.ndarray, **look) -> Edges:
        """Edges into a layer, with values in the shape of its weight matrix; of layer 1 the strongest."""
        if layer == 1:
            starts, ends, shown = strongest(STRIP, self.columns[1], values, SHOWN)
            return Edges(self.theme, starts, ends, shown, **look)
        starts, ends = between(self.columns[layer - 1], self.columns[layer])
        return Edges(self.theme, starts, ends, values.reshape(-1), **look)

    def web(self, snapshot: Snapshot) -> VGroup:
        """All edges, grey and faint."""
        look = {"colour": "muted", "widest": 0.7}
        first = self.edges(1, snapshot.contributions(1), strongest=0.12, **look)
        return VGroup(
            first, *(self.edges(k, np.ones_like(snapshot.weights[k]), strongest=0.16, **look) for k in (2, 3))
        )

    def paths(self, layer: int, node: int, values: np.ndarray) -> Edges:
        """The edges of one node to all nodes of the layer after it."""
        starts, ends = between(self.columns[layer], self.columns[layer + 1])
        count = len(self.columns[layer].heights)
        return Edges(self.theme, starts[node::count], ends[node::count], values, widest=3.6, faintest=0.3)

    def run(self, layer: int, values: np.ndarray, backward: bool = False, scale: float | None = None) -> Run:
        """Light that runs along the edges of a layer, and the traces that it leaves."""
        bold = backward  # what comes back is the subject of the story: it leaves stronger traces
        flash = self.edges(layer, values, scale=scale, widest=4.2, faintest=0.06, strongest=1.0)
        trace = self.edges(
            layer, values, scale=scale, widest=3.0 if bold else 2.2, faintest=0.03, strongest=0.8 if bold else 0.5
        )
        return Run(flash, trace, backward)

    # ---------------------------------------------------------------- rings, words, numbers

    def rings(self, layer: int, values: np.ndarray) -> VGroup:
        """A ring per node for its delta, relative to the largest of the layer."""
        gap, widest = (4.0, 5.0) if layer == 3 else (2.5, 3.5)
        return self.columns[layer].rings(values, float(np.abs(values).max()) or 1.0, gap, widest)

    def mark(self, layer: int, node: int) -> VGroup:
        """A neutral ring that points out one node."""
        ring = self.columns[layer].rings(np.ones(len(self.columns[layer].heights)), 1.0, 2.5, 2.5)[node]
        return ring.set_stroke(self.theme["text"], opacity=1.0)

    def counts(self) -> VGroup:
        return VGroup(
            self.type.words(str(len(c.heights)), 16, "muted").put(c.x, COUNTS, "center") for c in self.columns.values()
        )

    def digits(self) -> VGroup:
        """The names of the output nodes."""
        return VGroup(
            self.type.words(str(k), 17, "muted").put(COLUMN_X[2] + 26, y + 6, "center") for k, y in enumerate(self.rows)
        )

    def numbers(self, values: np.ndarray, x: float, colours: list[str] | None = None, places: int = 2) -> VGroup:
        """A number beside every output node, right-aligned at `x`."""
        roles = colours or ["text"] * len(values)
        return VGroup(
            self.type.formula(f"{v:.{places}f}", 17, role).put(x, y + 6, "right")
            for v, role, y in zip(values, roles, self.rows, strict=True)
        )

    def signed_numbers(self, values: np.ndarray, x: float) -> VGroup:
        """Numbers in the colours of their signs, the largest with three significant digits."""
        places = max(2, 2 - int(np.floor(np.log10(np.abs(values).max() or 1.0))))
        return self.numbers(values, x, ["accent" if v >= 0 else "accent2" for v in values], places)


@dataclass(frozen=True)
class Run:
    """See `DigitNetwork.run`."""

    flash: Edges
    trace: Edges
    backward: bool

    def animations(self, **kwargs) -> list[Animation]:
        return [
            Pulse(self.flash, self.backward, rate_func=linear, **kwargs),
            Draw(self.trace, self.backward, rate_func=linear, **kwargs),
        ]


def calculation(type_: Typesetter, formulas: list[str], x: float, y: float, size: float, step: float) -> VGroup:
    """Lines of a calculation, the later ones indented."""
    return VGroup(type_.formula(f, size).put(x + (20 if n else 0), y + n * step) for n, f in enumerate(formulas))
