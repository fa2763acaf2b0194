"""Day 4: one real picture goes through 784 -> 16 -> 16 -> 10, and its gradient comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from kit.heatmap import Cells, Frame, Rearrange
from kit.network import Draw, Edges, Nodes, Pulse, Strip, between, strongest
from kit.record import KitError
from kit.scene import LectureScene
from kit.theme import at, stroke, units
from kit.typeset import number, signed
from manim import Create, FadeIn, FadeOut, LaggedStart, Line, Rectangle, ValueTracker, VGroup, linear, smooth

TOP, BOTTOM = 152.0, 484.0  # points: first and last node of every column
COUNTS = 509.0  # baseline of the numbers below the columns
STRIP = Strip(784, x=80, top=TOP - 8, width=12, height=BOTTOM - TOP + 16)
COLUMN_X = (226.0, 366.0, 506.0)
OUTPUT_X, TARGET_X = 604.0, 662.0  # right ends of the two columns of numbers beside the output nodes
PANEL = 684.0  # left edge of what is written beside the network
SHOWN = 320  # of the 12,544 edges of the first layer, the strongest


@dataclass(frozen=True)
class Snapshot:
    """The network at one moment of training, and one picture's forward and backward pass through it."""

    weights: list[np.ndarray]
    activations: list[np.ndarray]  # of the input and the three layers
    deltas: list[np.ndarray]
    gradients: list[np.ndarray]
    loss: float
    loss_after: float


class BackpropFlow(LectureScene):
    """A real digit passes through a small network; its gradient then flows back layer by layer.

    Edge colours show signs, widths show sizes, rings show the deltas; all numbers are those of the run.
    """

    def construct(self) -> None:
        self.image = self.array("flow_image")
        self.label = int(self.array("flow_label"))
        self.target = np.eye(10)[self.label]
        self.early, self.late = self.snapshot("early"), self.snapshot("late")
        self.columns = [
            Nodes(self.theme, n, x, TOP, BOTTOM, radius)
            for n, x, radius in zip((16, 16, 10), COLUMN_X, (7.0, 7.0, 11.0), strict=True)
        ]
        with self.beat("The picture goes in"):
            self.picture_goes_in()
        with self.beat("Forward"):
            self.forward()
        with self.beat("The loss"):
            self.measure_loss()
        with self.beat("Deltas of the output layer"):
            self.output_deltas()
        with self.beat("One layer back"):
            self.one_layer_back()
        with self.beat("All the way"):
            self.all_the_way()
        with self.beat("The step"):
            self.take_the_step()

    def snapshot(self, name: str) -> Snapshot:
        layers = (1, 2, 3)
        many = lambda kind: [self.array(f"flow_{name}_{kind}{k}") for k in layers]  # noqa: E731
        activations = [self.image.reshape(-1), *many("a")]
        loss = float(self.array(f"flow_{name}_loss"))
        if not np.isclose(loss, 0.5 * np.sum((activations[3] - self.target) ** 2), rtol=1e-3, atol=1e-6):
            raise KitError(f"flow_{name}_loss is not half the sum of the squared errors of flow_{name}_a3")
        after = float(self.array(f"flow_{name}_loss_after"))
        return Snapshot(many("W"), activations, many("delta"), many("dW"), loss, after)

    # ---------------------------------------------------------------- edges

    def edges(self, layer: int, values: np.ndarray, **look) -> Edges:
        """Edges into layer 1, 2 or 3, with values in the shape of its weight matrix."""
        if layer == 1:
            starts, ends, shown = strongest(STRIP, self.columns[0], values, SHOWN)
            return Edges(self.theme, starts, ends, shown, **look)
        starts, ends = between(self.columns[layer - 2], self.columns[layer - 1])
        return Edges(self.theme, starts, ends, values.reshape(-1), **look)

    def contributions(self, snapshot: Snapshot, layer: int) -> np.ndarray:
        """What every edge adds to the sum of its node: weight times activation."""
        return snapshot.weights[layer - 1] * snapshot.activations[layer - 1][None, :]

    # ---------------------------------------------------------------- 1 the picture goes in

    def picture_goes_in(self) -> None:
        x, y, size = 250.0, 146.0, 344.0
        frame = Frame(self.theme, x, y, size, size, 28, 28)
        cells = Cells(self.theme, self.image, scale=1.0)
        boxes = cells.grid_boxes(x, y, size)
        self.play(FadeIn(frame), FadeIn(cells.put(boxes)), run_time=0.8)
        self.play(FadeIn(callout := self.one_pixel(boxes)), run_time=0.6)
        self.wait(1.4)
        column = cells.column_boxes(STRIP.x, STRIP.top, STRIP.width, STRIP.height)
        strip = Frame(self.theme, STRIP.x, STRIP.top, STRIP.width, STRIP.height)
        count = self.words("784", 16, "muted").put(STRIP.x + STRIP.width / 2, COUNTS, "center")
        self.play(FadeOut(callout), FadeOut(frame.grid), FadeIn(strip), run_time=0.5)
        self.add(cells)
        self.play(Rearrange(cells, boxes, column, run_time=2.4), FadeIn(count, run_time=1.0))
        self.strip = VGroup(strip, cells)
        self.build_network(frame[0])

    def one_pixel(self, boxes: np.ndarray) -> VGroup:
        """A frame around one grey pixel, with its value, and what the picture consists of."""
        flat = self.image.reshape(-1)
        pixel = int(np.argmin(np.abs(flat - 0.5) + 0.01 * (27 - np.arange(784) % 28)))
        left, top, side, _ = boxes[pixel]
        box = Rectangle(width=units(side + 4), height=units(side + 4), stroke_width=stroke(2.2))
        box.move_to(at(left + side / 2, top + side / 2)).set_stroke(self.theme["accent"])
        end = at(640, 296)
        line = Line(box.get_right(), end, stroke_width=stroke(1.4)).set_stroke(self.theme["accent"])
        value = self.formula(f"x_({pixel}) = {number(flat[pixel])}", 24, "accent").put(648, 304)
        words = self.words("28 × 28 = 784 pixels", 22, weight=700).put(640, 210)
        range_ = self.words("each a number from 0 to 1", 18, "muted").put(640, 240)
        return VGroup(box, line, value, words, range_)

    def build_network(self, leaving) -> None:
        self.web = VGroup(
            *(
                self.edges(k, np.ones_like(w), colour="muted", widest=0.7, strongest=0.16)
                for k, w in ((2, self.early.weights[1]), (3, self.early.weights[2]))
            ),
            self.edges(1, self.contributions(self.early, 1), colour="muted", widest=0.7, strongest=0.12),
        )
        counts = VGroup(
            self.words(str(len(c.heights)), 16, "muted").put(c.x, COUNTS, "center") for c in self.columns
        )
        self.digits = VGroup(
            self.words(str(k), 17, "muted").put(COLUMN_X[2] + 26, y + 6, "center")
            for k, y in enumerate(self.columns[2].heights)
        )
        self.play(
            FadeOut(leaving, run_time=0.4),
            *(Draw(e, run_time=1.2) for e in self.web),
            LaggedStart(*(FadeIn(c) for c in self.columns), lag_ratio=0.3, run_time=1.4),
            FadeIn(counts, run_time=1.2),
            FadeIn(self.digits, run_time=1.4),
        )
        self.wait(0.8)

    # ---------------------------------------------------------------- 2 forward

    def forward(self) -> None:
        rule = self.formula("upright(bold(a))' = sigma(upright(bold(W a + b)))", 28).put(PANEL, 214)
        legend = VGroup(
            self.words("#pos[raises] the next node", 17, "muted").put(PANEL, 262),
            self.words("#neg[lowers] it", 17, "muted").put(PANEL, 288),
            self.words("bright node: active", 17, "muted").put(PANEL, 314),
        )
        self.play(FadeIn(rule), FadeIn(legend), run_time=0.5)
        self.traces = self.run_forward(self.early, 1.0)
        self.outputs = self.output_numbers(self.early)
        self.play(FadeIn(self.outputs, lag_ratio=0.1), run_time=0.9)
        best = int(np.argmax(self.early.activations[3]))
        verdict = VGroup(
            self.words(f"largest output: {best}", 20, weight=700).put(PANEL, 388),
            self.words(f"the picture is a {self.label}", 20, "muted").put(PANEL, 416),
        )
        self.play(FadeIn(verdict), run_time=0.4)
        self.wait(1.6)
        self.panel = VGroup(rule, legend, verdict)

    def run_forward(self, snapshot: Snapshot, seconds: float) -> VGroup:
        """Light runs through the three layers; what stays are faint traces of the contributions."""
        traces = VGroup()
        for layer in (1, 2, 3):
            values = self.contributions(snapshot, layer)
            trace = self.edges(layer, values, widest=2.2, faintest=0.03, strongest=0.5)
            flash = self.edges(layer, values, widest=4.0, faintest=0.1, strongest=1.0)
            self.play(Pulse(flash, rate_func=linear), Draw(trace, rate_func=linear), run_time=seconds)
            self.play(self.columns[layer - 1].brighten(snapshot.activations[layer]), run_time=0.4)
            traces.add(trace)
        return traces

    def output_numbers(self, snapshot: Snapshot) -> VGroup:
        return VGroup(
            self.formula(f"{a:.2f}", 17).put(OUTPUT_X, y + 6, "right")
            for a, y in zip(snapshot.activations[3], self.columns[2].heights, strict=True)
        )

    # ---------------------------------------------------------------- 3 the loss

    def measure_loss(self) -> None:
        heights = self.columns[2].heights
        heads = VGroup(
            self.words("output", 16, "muted").put(OUTPUT_X, TOP - 25, "right"),
            self.words("target", 16, "muted").put(TARGET_X, TOP - 25, "right"),
        )
        targets = VGroup(
            self.formula(f"{t:.0f}", 17, "good" if t else "muted").put(TARGET_X - 12, y + 6, "right")
            for t, y in zip(self.target, heights, strict=True)
        )
        self.play(FadeOut(self.panel, run_time=0.3), FadeIn(heads), FadeIn(targets, lag_ratio=0.1), run_time=1.0)
        errors = (self.early.activations[3] - self.target) ** 2
        bars = VGroup(
            Rectangle(width=units(max(1.5, 44 * e)), height=units(12), stroke_width=0, fill_opacity=1)
            .set_fill(self.theme["bad"])
            .move_to(at(PANEL, y), aligned_edge=np.array([-1.0, 0, 0]))
            for e, y in zip(errors, heights, strict=True)
        )
        squares = self.formula("(a - y)^2", 17, "bad").put(PANEL, TOP - 25)
        self.play(FadeIn(squares), LaggedStart(*(Create(b) for b in bars), lag_ratio=0.1), run_time=1.2)
        rule = self.formula("L = 1/2 sum_k (a_k - y_k)^2", 18).put(742, 340)
        self.play(FadeIn(rule), run_time=0.5)
        value = self.formula(f"L = {number(self.early.loss, 3)}", 32).put(742, 412)
        self.play(FadeIn(value), run_time=0.5)
        self.wait(1.8)
        self.beside = VGroup(self.outputs, targets, heads)
        self.panel = VGroup(bars, squares, rule, value)

    # ---------------------------------------------------------------- 4 deltas of the output layer

    def output_deltas(self) -> None:
        deltas, k = self.early.deltas[2], self.label
        a, y = self.early.activations[3][k], self.target[k]
        self.rings = [self.columns[2].rings(deltas, float(np.abs(deltas).max()))]
        rule = self.formula("delta = (partial L)/(partial z) = (partial L)/(partial a) dot (partial a)/(partial z)", 20)
        self.play(FadeOut(self.panel, run_time=0.3), FadeIn(rule.put(PANEL, 190)), run_time=0.6)
        self.play(LaggedStart(*(Create(r) for r in self.rings[0]), lag_ratio=0.12), run_time=1.4)
        row = self.highlight_row(k)
        lines = [
            f"delta_{k} = (a_{k} - y_{k}) dot a_{k} (1 - a_{k})",
            f"= ({signed(a - y, 3)}) dot {number(a * (1 - a), 3)}",
            f"= {signed(deltas[k])}",
        ]
        written = self.lines(lines, 280)
        self.play(FadeIn(row), FadeIn(written[0]), run_time=0.6)
        self.wait(0.8)
        self.play(FadeIn(written[1]), run_time=0.5)
        self.wait(0.6)
        self.play(FadeIn(written[2]), run_time=0.5)
        self.wait(1.8)
        self.panel = VGroup(rule, written, row)

    def lines(self, formulas: list[str], y: float, size: float = 19, step: float = 38) -> VGroup:
        """Lines of a calculation, the later ones indented."""
        return VGroup(
            self.formula(f, size).put(PANEL + (20 if n else 0), y + n * step) for n, f in enumerate(formulas)
        )

    def highlight_row(self, k: int) -> Rectangle:
        box = Rectangle(width=units(TARGET_X - 490 + 8), height=units(33), stroke_width=stroke(1.6))
        box.move_to(at((TARGET_X + 490) / 2, self.columns[2].heights[k]))
        return box.set_stroke(self.theme["text"], opacity=0.7)

    # ---------------------------------------------------------------- 5 one layer back

    def one_layer_back(self) -> None:
        snapshot = self.early
        flash, self.back = self.backward_edges(snapshot, 3)
        self.play(FadeOut(self.panel), FadeOut(self.traces), FadeOut(self.beside), run_time=0.5)
        self.play(
            Pulse(flash, backward=True, rate_func=linear), Draw(self.back, backward=True, rate_func=linear), run_time=1.4
        )
        j = int(np.argmax(np.abs(snapshot.deltas[1])))
        self.sum_over_paths(snapshot, j)
        rings = self.columns[1].rings(snapshot.deltas[1], float(np.abs(snapshot.deltas[1]).max()), 2.5, 3.5)
        self.rings.append(rings)
        self.play(LaggedStart(*(Create(r) for r in rings), lag_ratio=0.06), run_time=1.0)
        self.wait(1.2)

    def backward_edges(self, snapshot: Snapshot, layer: int, scale: float | None = None) -> tuple[Edges, Edges]:
        """Gradient of a layer's weights as a flash and as what stays; same scale for both."""
        values = snapshot.gradients[layer - 1]
        flash = self.edges(layer, values, scale=scale, widest=4.5, faintest=0.05, strongest=1.0)
        return flash, self.edges(layer, values, scale=scale, widest=3.2, faintest=0.03, strongest=0.8)

    def sum_over_paths(self, snapshot: Snapshot, j: int) -> None:
        """The ten paths from the outputs to hidden node j, their products, their sum, and j's delta."""
        deltas, a = snapshot.deltas[2], snapshot.activations[2][j]
        products = snapshot.weights[2][:, j] * deltas
        starts, ends = between(self.columns[1], self.columns[2])
        paths = Edges(self.theme, starts[j::16], ends[j::16], products, widest=3.6, faintest=0.3)
        heights = self.columns[2].heights
        head = self.formula(f"w_(k,{j}) delta_k", 18, "muted").put(OUTPUT_X + 36, TOP - 25, "right")
        places = 2 - int(np.floor(np.log10(np.abs(products).max())))
        numbers = VGroup(
            self.formula(signed(p, places=places), 17).put(OUTPUT_X + 36, y + 6, "right")
            for p, y in zip(products, heights, strict=True)
        )
        ring = self.columns[1].rings(np.full(16, 1.0), 1.0, 2.5)[j].set_stroke(self.theme["text"], stroke(2), 1.0)
        self.play(self.back.animate.set_stroke(opacity=0.08), FadeIn(ring), FadeIn(head), run_time=0.5)
        self.play(Draw(paths, backward=True), FadeIn(numbers, lag_ratio=0.15), run_time=1.4)
        total = float(products.sum())
        lines = self.lines(
            [
                f"delta_{j} = (sum_k w_(k,{j}) delta_k) dot a_{j} (1 - a_{j})",
                f"= {signed(total)} dot {number(a * (1 - a), 3)}",
                f"= {signed(snapshot.deltas[1][j])}",
            ],
            250,
            size=18,
            step=48,
        )
        for line in lines:
            self.play(FadeIn(line), run_time=0.5)
            self.wait(0.7)
        self.wait(0.6)
        kept = 0.03 + 0.77 * 0.5
        self.panel = VGroup(lines, head, numbers)
        self.play(FadeOut(paths), FadeOut(ring), self.back.animate.set_stroke(opacity=kept), run_time=0.4)

    # ---------------------------------------------------------------- 6 all the way

    def all_the_way(self) -> None:
        snapshot = self.early
        self.gradient = VGroup(self.back)
        self.play(FadeOut(self.panel), run_time=0.3)
        for layer in (2, 1):
            flash, stays = self.backward_edges(snapshot, layer)
            self.play(
                Pulse(flash, backward=True, rate_func=linear), Draw(stays, backward=True, rate_func=linear), run_time=1.2
            )
            self.gradient.add(stays)
            if layer == 2:
                deltas = snapshot.deltas[0]
                self.rings.append(self.columns[0].rings(deltas, float(np.abs(deltas).max()), 2.5, 3.5))
                self.play(LaggedStart(*(Create(r) for r in self.rings[2]), lag_ratio=0.05), run_time=0.7)
        j = int(np.argmax(np.abs(snapshot.deltas[0])))
        self.show_heat_map(snapshot, j)

    def show_heat_map(self, snapshot: Snapshot, j: int) -> None:
        x, y, size = 694.0, 140.0, 206.0
        cells = Cells(self.theme, snapshot.gradients[0][j].reshape(28, 28), signed=True)
        column = cells.column_boxes(STRIP.x, STRIP.top, STRIP.width, STRIP.height)
        frame = Frame(self.theme, x, y, size, size)
        ring = self.columns[0].rings(np.ones(16), 1.0, 2.5)[j].set_stroke(self.theme["text"], stroke(2), 1.0)
        self.play(FadeIn(frame), FadeIn(cells.put(column)), FadeIn(ring), run_time=0.5)
        self.play(Rearrange(cells, column, cells.grid_boxes(x, y, size), run_time=2.2))
        formula = self.formula(f"(partial L)/(partial w_({j},i)) = delta_{j} x_i", 24).put(PANEL, 394)
        words = VGroup(
            self.words("the picture itself,", 19).put(PANEL, 446),
            self.typeset_line(f"times $delta_{j} = {signed(snapshot.deltas[0][j])}$", 474),
        )
        self.play(FadeIn(formula), run_time=0.5)
        self.play(FadeIn(words), run_time=0.5)
        self.wait(2.0)
        self.panel = VGroup(cells, frame, ring, formula, words)

    def typeset_line(self, source: str, y: float, size: float = 19, colour: str = "text"):
        return self.words(source, size, colour).put(PANEL, y)

    # ---------------------------------------------------------------- 7 the step

    def take_the_step(self) -> None:
        eta = float(self.array("flow_eta"))
        rule = self.formula("upright(bold(W)) <- upright(bold(W)) - eta (partial L)/(partial upright(bold(W)))", 25).put(PANEL, 196)
        rate = self.typeset_line(f"step size $eta = {eta:g}$", 246, 18, "muted")
        name = self.words("loss on this picture", 18, "muted").put(PANEL, 300)
        loss = ValueTracker(self.early.loss)
        ticker = self.ticker(loss)
        self.play(FadeOut(self.panel, run_time=0.3), FadeIn(rule), FadeIn(rate), FadeIn(name), run_time=0.6)
        self.add(ticker)
        self.wait(0.4)
        flashes = [self.backward_edges(self.early, layer)[0] for layer in (1, 2, 3)]
        self.play(*(Pulse(f, length=0.6, rate_func=linear) for f in flashes), run_time=1.0)
        self.play(loss.animate.set_value(self.early.loss_after), rate_func=smooth, run_time=1.4)
        self.wait(1.0)
        self.after_training(VGroup(rule, rate), loss, ticker)

    def ticker(self, value: ValueTracker):
        """A large number that follows a tracker."""
        shown = self.formula(number(value.get_value(), 3), 40).put(PANEL, 346)
        return shown.add_updater(
            lambda m: m.become(self.formula(f"{value.get_value():.4f}", 40).put(PANEL, 346)), call_updater=True
        )

    def after_training(self, leaving: VGroup, loss: ValueTracker, ticker) -> None:
        scales = [float(np.abs(g).max()) for g in self.early.gradients]
        words = VGroup(
            self.words("the same picture,", 21, weight=700).put(PANEL, 196),
            self.words("after training", 21, weight=700).put(PANEL, 226),
        )
        old = VGroup(self.gradient, *self.rings)
        self.play(FadeOut(leaving), FadeOut(old), FadeIn(words), run_time=0.6)
        traces = self.run_forward(self.late, 0.4)
        self.play(loss.animate.set_value(self.late.loss), run_time=0.6)
        ticker.clear_updaters()
        edges = [self.backward_edges(self.late, layer, scales[layer - 1])[1] for layer in (3, 2, 1)]
        outputs = self.output_numbers(self.late)
        self.play(FadeIn(outputs), FadeOut(traces), *(Draw(e, backward=True) for e in edges), run_time=1.2)
        largest = [max(float(np.abs(g).max()) for g in s.gradients) for s in (self.early, self.late)]
        lines = VGroup(
            self.words("largest gradient", 18, "muted").put(PANEL, 404),
            self.formula(f"{number(largest[0])} arrow.r {number(largest[1])}", 21).put(PANEL, 436),
            self.words("same scale: nearly silent", 18, "muted").put(PANEL, 472),
        )
        self.play(FadeIn(lines), run_time=0.5)
        self.wait(2.0)
