"""Day 4: one real picture goes through 784 -> 16 -> 16 -> 10, and its gradient comes back."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from kit.digits import COUNTS, HEADS, STRIP, DigitNetwork, Snapshot, calculation
from kit.graph import GraphArrow, GraphNode
from kit.heatmap import Cells, Frame, Rearrange
from kit.network import Draw, Pulse
from kit.scene import LectureScene
from kit.theme import at, stroke, units
from kit.typeset import Typeset, factor_digits, number, signed
from manim import Create, FadeIn, FadeOut, LaggedStart, Line, Rectangle, ValueTracker, VGroup, linear

PANEL = 684.0  # points: left edge of what is written beside the network
OUTPUT_X, TARGET_X = 604.0, 662.0  # right ends of the two columns of numbers beside the output nodes


class BackpropFlow(LectureScene):
    """A handwritten digit passes through a small network; its gradient then flows back layer by layer.

    Edge colours show signs, widths show sizes, rings show the deltas; all numbers are those of the run.
    """

    def construct(self) -> None:
        self.image = self.array("flow_image")
        self.label = int(self.array("flow_label"))
        self.target = np.eye(10)[self.label]
        self.early, self.late = (
            Snapshot.read(self.array, f"flow_{s}", self.image, self.target) for s in ("early", "late")
        )
        self.net = DigitNetwork(self.type)
        self.rings: dict[int, VGroup] = {}  # by layer
        self.gradients: dict[int, VGroup] = {}
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

    def line(self, source: str, y: float, size: float = 18, colour: str = "muted", weight: int = 400) -> Typeset:
        """Words in the panel."""
        return self.words(source, size, colour, weight).put(PANEL, y)

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
        columns = LaggedStart(*(FadeIn(c) for c in self.net.columns.values()), lag_ratio=0.3, run_time=1.4)
        words = [FadeIn(self.net.counts(), run_time=1.2), FadeIn(self.net.digits(), run_time=1.4)]
        web = [Draw(edges, run_time=1.2) for edges in self.net.web(self.early)]
        self.play(FadeOut(frame[0], run_time=0.4), *web, columns, *words)
        self.wait(0.8)

    def one_pixel(self, boxes: np.ndarray) -> VGroup:
        """A frame around a grey pixel near the right edge of the strokes, with its value."""
        flat = self.image.reshape(-1)
        pixel = int(np.argmin(np.abs(flat - 0.5) + 0.01 * (27 - np.arange(784) % 28)))
        left, top, side, _ = boxes[pixel]
        box = Rectangle(width=units(side + 4), height=units(side + 4), stroke_width=stroke(2.2))
        box.move_to(at(left + side / 2, top + side / 2)).set_stroke(self.theme["accent"])
        line = Line(box.get_right(), at(640, 296), stroke_width=stroke(1.4)).set_stroke(self.theme["accent"])
        value = self.formula(f"x_({pixel}) = {number(flat[pixel])}", 24, "accent").put(648, 304)
        words = self.words("28 × 28 = 784 pixels", 22, weight=700).put(640, 210)
        return VGroup(box, line, value, words, self.words("each a number from 0 to 1", 18, "muted").put(640, 240))

    # ---------------------------------------------------------------- 2 forward

    def forward(self) -> None:
        rule = self.formula("upright(bold(a))' = sigma(upright(bold(W a + b)))", 28).put(PANEL, 214)
        legend = VGroup(
            self.line("#pos[raises] the next node", 262, 17),
            self.line("#neg[lowers] it", 288, 17),
            self.line("filled node: active", 314, 17),
        )
        self.play(FadeIn(rule), FadeIn(legend), run_time=0.5)
        self.traces = self.run_forward(self.early, 1.0)
        self.outputs = self.net.numbers(self.early.activations[3], OUTPUT_X)
        self.play(FadeIn(self.outputs, lag_ratio=0.1), run_time=0.9)
        verdict = VGroup(
            self.line(f"largest output: {np.argmax(self.early.activations[3])}", 388, 20, "text", 700),
            self.line(f"the picture is a {self.label}", 416, 20),
        )
        self.play(FadeIn(verdict), run_time=0.4)
        self.wait(1.6)
        self.panel = VGroup(rule, legend, verdict)

    def run_forward(self, snapshot: Snapshot, seconds: float) -> VGroup:
        """Light runs through the three layers; what stays are faint traces of the contributions."""
        traces = VGroup()
        for layer, nodes in self.net.columns.items():
            run = self.net.run(layer, snapshot.contributions(layer))
            self.play(*run.animations(), run_time=seconds)
            self.play(nodes.brighten(snapshot.activations[layer]), run_time=0.4)
            traces.add(run.trace)
        return traces

    # ---------------------------------------------------------------- 3 the loss

    def measure_loss(self) -> None:
        heads = VGroup(
            self.words("output", 16, "muted").put(OUTPUT_X, HEADS, "right"),
            self.words("target", 16, "muted").put(TARGET_X, HEADS, "right"),
        )
        colours = ["good" if t else "muted" for t in self.target]
        targets = self.net.numbers(self.target, TARGET_X - 12, colours, places=0)
        self.play(FadeOut(self.panel, run_time=0.3), FadeIn(heads), FadeIn(targets, lag_ratio=0.1), run_time=1.0)
        squares = self.formula("(a - y)^2", 17, "bad").put(PANEL, HEADS)
        bars = self.error_bars((self.early.activations[3] - self.target) ** 2)
        self.play(FadeIn(squares), LaggedStart(*(Create(b) for b in bars), lag_ratio=0.1), run_time=1.2)
        rule = self.formula("L = 1/2 sum_k (a_k - y_k)^2", 18).put(742, 340)
        value = self.formula(f"L = {number(self.early.loss, 3)}", 32).put(742, 412)
        self.play(FadeIn(rule), run_time=0.5)
        self.play(FadeIn(value), run_time=0.5)
        self.wait(1.8)
        self.beside = VGroup(self.outputs, targets, heads)
        self.panel = VGroup(bars, squares, rule, value)

    def error_bars(self, errors: np.ndarray) -> VGroup:
        return VGroup(
            Rectangle(width=units(max(1.5, 44 * e)), height=units(12), stroke_width=0, fill_opacity=1)
            .set_fill(self.theme["bad"])
            .move_to(at(PANEL, y), aligned_edge=np.array([-1.0, 0, 0]))
            for e, y in zip(errors, self.net.rows, strict=True)
        )

    # ---------------------------------------------------------------- 4 deltas of the output layer

    def output_deltas(self) -> None:
        delta, k = self.early.deltas[3], self.label
        a, y = self.early.activations[3][k], self.target[k]
        rule = self.formula("delta = (partial L)/(partial z) = (partial L)/(partial a) dot (partial a)/(partial z)", 22)
        self.play(FadeOut(self.panel, run_time=0.3), FadeIn(rule.put(PANEL, 190)), run_time=0.6)
        self.rings[3] = self.net.rings(3, delta)
        self.play(LaggedStart(*(Create(r) for r in self.rings[3]), lag_ratio=0.12), run_time=1.4)
        error, slope = a - y, a * (1 - a)
        digits = factor_digits(error, slope)
        row = Rectangle(width=units(TARGET_X - 482), height=units(33), stroke_width=stroke(1.6))
        row.move_to(at((TARGET_X + 490) / 2, self.net.rows[k])).set_stroke(self.theme["text"], opacity=0.7)
        lines = [
            f"delta_{k} = (a_{k} - y_{k}) dot a_{k} (1 - a_{k})",
            f"= {signed(error, digits)} dot {number(slope, digits)}",
            f"= {signed(delta[k], 3)}",
        ]
        written = calculation(self.type, lines, PANEL, 280, 18, 40)
        self.play(FadeIn(row), run_time=0.4)
        self.write_lines(written)
        self.wait(1.2)
        self.panel = VGroup(rule, written, row)

    # ---------------------------------------------------------------- 5 one layer back

    def one_layer_back(self) -> None:
        self.play(FadeOut(self.panel), FadeOut(self.traces), FadeOut(self.beside), run_time=0.5)
        self.run_back(3, 1.4)
        delta = self.early.deltas[2]
        self.sum_over_paths(int(np.argmax(np.abs(delta))))
        self.show_rings(2, 1.0)
        self.wait(1.2)

    def run_back(self, layer: int, seconds: float) -> None:
        """The gradient of a layer's weights lights up, from the outputs towards the picture."""
        run = self.net.run(layer, self.early.gradients[layer], backward=True)
        self.play(*run.animations(), run_time=seconds)
        self.gradients[layer] = run.trace

    def show_rings(self, layer: int, seconds: float) -> None:
        self.rings[layer] = self.net.rings(layer, self.early.deltas[layer])
        self.play(LaggedStart(*(Create(r) for r in self.rings[layer]), lag_ratio=0.06), run_time=seconds)

    def sum_over_paths(self, j: int) -> None:
        """The ten paths from the outputs to hidden node j, their products, their sum, and j's delta."""
        a, delta = self.early.activations[2][j], self.early.deltas[2][j]
        products = self.early.weights[3][:, j] * self.early.deltas[3]
        paths, ring = self.net.paths(2, j, products), self.net.mark(2, j)
        head = self.formula(f"w_(k,{j}) delta_k", 18, "muted").put(OUTPUT_X + 36, HEADS, "right")
        numbers = self.net.signed_numbers(products, OUTPUT_X + 36)
        trace = self.gradients[3]
        self.play(trace.animate.attenuate(0.15), FadeIn(ring), FadeIn(head), run_time=0.5)
        self.play(Draw(paths, backward=True), FadeIn(numbers, lag_ratio=0.15), run_time=1.4)
        digits = factor_digits(products.sum(), a * (1 - a))
        total, slope = signed(products.sum(), digits), number(a * (1 - a), digits)
        sums = [f"sum_k w_(k,{j}) delta_k = {total}", f"a_{j} (1 - a_{j}) = {slope}"]
        product = [f"delta_{j} = {total} dot {slope}", f"= {signed(delta, 3)}"]
        written = VGroup(
            *(self.formula(line, 20).put(PANEL, 230 + 58 * n) for n, line in enumerate(sums)),
            *calculation(self.type, product, PANEL, 346, 19, 40),
        )
        self.write_lines(written, 0.4)
        self.wait(0.6)
        self.play(FadeOut(paths), FadeOut(ring), trace.animate.attenuate(1.0), run_time=0.4)
        self.panel = VGroup(written, head, numbers)

    # ---------------------------------------------------------------- 6 all the way

    def all_the_way(self) -> None:
        self.play(FadeOut(self.panel), run_time=0.3)
        self.run_back(2, 1.2)
        self.show_rings(1, 0.7)
        self.run_back(1, 1.2)
        self.show_heat_map(int(np.argmax(np.abs(self.early.deltas[1]))))

    def show_heat_map(self, j: int) -> None:
        """The gradient of hidden unit j's 784 weights leaves the column of pixels and becomes a picture."""
        x, y, size = PANEL, 140.0, 206.0
        cells = Cells(self.theme, self.early.gradients[1][j].reshape(28, 28), signed=True)
        column = cells.column_boxes(STRIP.x, STRIP.top, STRIP.width, STRIP.height)
        frame, ring = Frame(self.theme, x, y, size, size), self.net.mark(1, j)
        self.play(FadeIn(frame), FadeIn(cells.put(column)), FadeIn(ring), run_time=0.5)
        self.play(Rearrange(cells, column, cells.grid_boxes(x, y, size), run_time=2.2))
        formula = self.formula(f"(partial L)/(partial w_({j},i)) = delta_{j} x_i", 24).put(PANEL, 394)
        words = VGroup(
            self.line("the picture itself,", 446, 19, "text"),
            self.line(f"times $delta_{j} = {signed(self.early.deltas[1][j])}$", 474, 19, "text"),
        )
        self.play(FadeIn(formula), run_time=0.5)
        self.play(FadeIn(words), run_time=0.5)
        self.wait(2.0)
        self.panel = VGroup(frame, cells, ring, formula, words)  # in this order, or the frame would hide the cells

    # ---------------------------------------------------------------- 7 the step

    def take_the_step(self) -> None:
        matrix = "upright(bold(W))"
        rule = self.formula(f"{matrix} <- {matrix} - eta (partial L)/(partial {matrix})", 25).put(PANEL, 184)
        rate = self.line(f"step size $eta = {float(self.array('flow_eta')):g}$", 232)
        name = self.line("loss on this picture", 278)
        loss = ValueTracker(self.early.loss)
        self.play(FadeOut(self.panel), run_time=0.3)
        self.play(FadeIn(rule), FadeIn(rate), FadeIn(name), run_time=0.4)
        self.add(ticker := self.following(loss, lambda loss: self.loss_number(loss, 324)))
        self.wait(0.4)
        flashes = [self.net.run(k, g, backward=True).flash for k, g in self.early.gradients.items()]
        self.play(*(Pulse(f, length=0.6, rate_func=linear) for f in flashes), run_time=1.0)
        self.play(loss.animate.set_value(self.early.loss_after), run_time=1.4)
        self.wait(1.0)
        ticker.clear_updaters()
        self.after_training(VGroup(rule, rate, name, ticker))
        self.wait(2.0)

    def loss_number(self, loss: float, y: float) -> Typeset:
        return self.formula(f"{loss:.4f}", 40).put(PANEL, y)

    def after_training(self, leaving: VGroup) -> None:
        """The same picture in the trained network: the gradients at the scale of the early ones."""
        words = VGroup(
            self.line("the same picture,", 178, 21, "text", 700), self.line("after training", 207, 21, "text", 700)
        )
        old = VGroup(*self.gradients.values(), *self.rings.values())
        self.play(FadeOut(leaving), FadeOut(old), run_time=0.4)  # first, or the old loss would stand below the words
        self.play(FadeIn(words), run_time=0.4)
        traces = self.run_forward(self.late, 0.4)
        outputs = self.net.numbers(self.late.activations[3], OUTPUT_X)
        loss = VGroup(self.line("loss on this picture", 256), self.loss_number(self.late.loss, 302))
        self.play(FadeIn(loss), FadeIn(outputs), run_time=0.6)
        scales = {k: float(np.abs(g).max()) for k, g in self.early.gradients.items()}
        backward = [self.net.run(k, self.late.gradients[k], True, scales[k]).trace for k in (3, 2, 1)]
        self.play(FadeOut(traces), run_time=0.4)
        for edges in backward:
            self.play(Draw(edges, backward=True), run_time=0.5)
        self.play(FadeIn(self.largest_gradients()), run_time=0.5)

    def largest_gradients(self) -> VGroup:
        """A small table: the largest gradient of every layer, early and late in training."""
        early, arrow, late = PANEL + 106, PANEL + 120, PANEL + 134
        table = VGroup(
            self.line("largest gradient", 358, 19, "text", 700),
            self.line("layer", 386, 17),
            self.words("early", 17, "muted").put(early, 386, "right"),
            self.words("late", 17, "muted").put(late, 386),
            self.line("edges: same scale", 506, 17),
        )
        for layer, y in zip((1, 2, 3), (415, 444, 473), strict=True):
            before, after = (number(np.abs(s.gradients[layer]).max()) for s in (self.early, self.late))
            table.add(self.line(f"{layer}", y, 18), self.formula("arrow.r", 18, "muted").put(arrow, y, "center"))
            table.add(self.formula(before, 18).put(early, y, "right"), self.formula(after, 18).put(late, y))
        return table


PLACES = 4  # decimals of every number in the graph, so that the products hold to the last digit


def placed(value: float) -> str:
    """A number of the graph in the colour of its sign."""
    return signed(value, places=PLACES)


class ComputationGraph(LectureScene):
    """One neuron as a graph: x, w and b give z, then a, then the loss. Values go right, derivatives come back left.

    Every number is that of the run, and the last beat compares with PyTorch.
    """

    NODES: ClassVar = {  # name: (formula, x, y, rim)
        "x": ("x", 241, 186, "muted"),
        "w": ("w", 241, 312, "accent"),
        "b": ("b", 241, 438, "accent"),
        "z": ("z", 444, 312, "text"),
        "a": ("a", 648, 312, "text"),
        "L": ("L", 852, 312, "bad"),
    }
    EDGES: ClassVar = [("x", "z"), ("w", "z"), ("b", "z"), ("z", "a"), ("a", "L")]
    RADIUS = 37.0  # points, of the nodes
    INPUTS_RIGHT = 191.0  # points: right end of what stands left of x, w and b

    def construct(self) -> None:
        self.value = {k: float(self.metric(f"graph_{'loss' if k == 'L' else k}")) for k in (*self.NODES, "y")}
        self.slope = {k: float(self.metric(f"graph_d{k}")) for k in ("a", "z", "w", "b", "x")}
        self.nodes = {k: GraphNode(self.type, *spec, radius=self.RADIUS) for k, spec in self.NODES.items()}
        self.arrows = {e: GraphArrow(self.nodes[e[0]], self.nodes[e[1]]) for e in self.EDGES}
        with self.beat("Values forward"):
            self.values_forward()
        with self.beat("Local derivatives"):
            self.local_derivatives()
        with self.beat("Multiply backward"):
            self.multiply_backward()
        with self.beat("Check against autograd"):
            self.check()

    def left_of(self, name: str, formula: str, dy: float, size: float = 24) -> Typeset:
        return self.formula(formula, size).put(self.INPUTS_RIGHT, self.NODES[name][2] + dy, "right")

    def exact(self, name: str) -> str:
        """A chosen number, such as an input, in full."""
        return f"{self.value[name]:.4g}"

    def values_forward(self) -> None:
        v = self.value
        inputs = [self.nodes[k] for k in "xwb"] + [self.left_of(k, self.exact(k), -8) for k in "xwb"]
        self.play(*(FadeIn(m) for m in inputs), run_time=0.8)
        self.wait(0.8)
        rules = {"z": "w x + b", "a": "sigma(z)", "L": f"1/2 (a - {v['y']:g})^2"}
        self.rules = VGroup()
        for name, rule in rules.items():
            node = self.nodes[name]
            incoming = [Create(arrow) for (_, end), arrow in self.arrows.items() if end == name]
            self.rules.add(shown := node.below(rule, 19, "muted", line=0.3))
            self.play(*incoming, run_time=0.7)
            self.play(FadeIn(node), FadeIn(shown), run_time=0.4)
            value = self.exact(name) if name == "z" else f"{v[name]:.{PLACES}f}"
            self.play(FadeIn(node.above(value, 22)), run_time=0.4)
            self.wait(0.7)

    def local_derivatives(self) -> None:
        """What each node knows alone: how its value answers to each of its inputs."""
        v = self.value
        labels = {  # edge: formula, and where it stands relative to the middle of the arrow
            ("a", "L"): (f"(partial L)/(partial a) = {placed(v['a'] - v['y'])}", 0, -30),
            ("z", "a"): (f"(partial a)/(partial z) = {v['a'] * (1 - v['a']):.{PLACES}f}", 0, -30),
            ("w", "z"): (f"(partial z)/(partial w) = {self.exact('x')}", -28, -22),
            ("x", "z"): (f"(partial z)/(partial x) = {self.exact('w')}", 54, -32),
            ("b", "z"): ("(partial z)/(partial b) = 1", 52, 74),
        }
        self.play(FadeOut(self.rules), run_time=0.3)
        for edge, (formula, dx, dy) in labels.items():
            self.play(FadeIn(self.arrows[edge].label(formula, dx, dy, 18, "text")), run_time=0.5)
            self.wait(0.6)
        self.wait(1.2)

    def multiply_backward(self) -> None:
        s, local = self.slope, f"{self.value['a'] * (1 - self.value['a']):.{PLACES}f}"
        self.send_back("aL")
        error = self.formula(f"(partial L)/(partial a) = {placed(s['a'])}", 20).put(752, 386, "center")
        self.play(FadeIn(error), run_time=0.6)
        self.wait(0.6)
        self.send_back("za")
        product = f"(partial L)/(partial z) = {placed(s['a'])} dot {local}"
        lines = [self.formula(product, 19).put(438, 386), self.formula(f"= {placed(s['z'])}", 19).put(469, 420)]
        self.play(*(FadeIn(line) for line in lines), run_time=0.6)
        self.wait(1.0)
        self.send_back("xz", "wz", "bz")
        slopes = VGroup(self.left_of(k, f"(partial L)/(partial {k}) = {placed(s[k])}", 32, 20) for k in "xwb")
        self.play(LaggedStart(*(FadeIn(m) for m in slopes), lag_ratio=0.5), run_time=1.6)
        self.wait(1.8)

    def send_back(self, *edges: str) -> None:
        arrows = [GraphArrow(self.nodes[a], self.nodes[b], "violet", back=True) for a, b in edges]
        self.play(*(Create(arrow, lag_ratio=0.5) for arrow in arrows), run_time=0.8)

    def check(self) -> None:
        """What `loss.backward()` gave in the run, against the derivatives by hand."""
        left, top, right, bottom = 520, 430, 900, 514
        card = Rectangle(
            width=units(right - left), height=units(bottom - top), stroke_width=stroke(1.2), fill_opacity=1
        )
        card.set_fill(self.theme["surface"]).set_stroke(self.theme["line"])
        card.move_to(at((left + right) / 2, (top + bottom) / 2))
        difference = number(float(self.metric("graph_autograd_difference")))
        hand = " quad ".join(f"(partial L)/(partial {k}) = {placed(self.slope[k])}" for k in "wb")
        code = '#text(font: "JetBrains Mono", fill: tone.fn)[backward()]'
        verdict = f"PyTorch's {code} differs by #text(fill: tone.good)[${difference}$]"
        self.play(FadeIn(card), FadeIn(self.formula(hand, 20).put(left + 18, 465)), run_time=0.6)
        self.wait(1.2)
        self.play(FadeIn(self.words(verdict, 17, "muted").put(left + 18, 503)), run_time=0.6)
        self.wait(2.2)
