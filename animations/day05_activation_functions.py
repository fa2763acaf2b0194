"""Day 5: signals go forward and gradients come back through eight layers; and ReLUs that die while they learn."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.meter import LayerHistograms, LogMeter, Reshape, Trail
from kit.pixels import PixelGrid
from kit.scene import LectureScene
from kit.theme import MARGIN
from kit.typeset import Typeset, number
from manim import FadeIn, FadeOut, LaggedStart, ValueTracker, VGroup, linear

COLUMNS = (138.0, 520.0)  # points: left end and width of what stands in eight columns
BARS, METER = (146.0, 84.0), (314.0, 176.0)  # top and height of histograms and meter
PANEL = 714.0  # left end of the words beside them
NAMES = 130.0  # right end of the names of the trails
TONES = {"sigmoid": "accent2", "tanh": "violet", "relu": "accent"}
WORDS = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}


def apart(heights: dict[str, float], gap: float) -> dict[str, float]:
    """Heights with their names, moved until neighbours are `gap` apart; their middle stays."""
    order = sorted(heights, key=heights.__getitem__)
    moved = [heights[name] for name in order]
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + gap)
    shift = (sum(moved) - sum(heights.values())) / len(moved)
    return {name: y - shift for name, y in zip(order, moved, strict=True)}


class GradientPacket(LectureScene):
    """Eight histograms show how much each layer's values differ from image to image; below, on a logarithmic scale,
    the gradient walks back from layer 8 to layer 1 and is multiplied by the real factors of weights and slopes.

    With PyTorch's usual start it falls by six powers of ten for the sigmoid; with a start that fits, it arrives.
    """

    def construct(self) -> None:
        with self.beat("Forward: what differs from image to image"):
            self.forward()
        with self.beat("Backward: two factors a layer"):
            self.backward()
        with self.beat("The same start, other bends"):
            self.others()
        with self.beat("A start that fits"):
            self.fitting_start()
        with self.beat("Backward once more"):
            self.backward_again()

    def lines(self, words: list[tuple[str, str]], y: float, step: float = 26, size: float = 17) -> VGroup:
        """Lines in the panel: what they say, and their colour."""
        return VGroup(self.words(w, size, c).put(PANEL, y + k * step) for k, (w, c) in enumerate(words))

    # ---------------------------------------------------------------- 1 forward

    def forward(self) -> None:
        counts = self.array("hist_sigmoid_default")
        self.bars = LayerHistograms(self.theme, counts, (COLUMNS[0], *BARS[:1], COLUMNS[1], BARS[1]),
                                    role="accent", tallest=0.12)  # fmt: skip
        names = VGroup(
            self.words("layer", 16, "muted").put(NAMES, 284, "right"),
            *(self.words(str(k + 1), 16, "muted").put(x, 284, "center") for k, x in enumerate(self.bars.centres)),
        )
        self.spreads = self.spread_numbers("sigmoid_default")
        self.panel = self.lines([("#text(weight: 700)[sigmoid]", "text"), ("usual start", "text"), ("", "text")], 160)
        told = self.lines([("each value of a layer,", "muted"), ("minus its mean over", "muted"),
                           (f"{int(self.metric('probe_images'))} images", "muted")], 212, 22, 16)  # fmt: skip
        self.panel.add(*told)
        digits = PixelGrid(self.theme, self.array("digits"), 1, 88, BARS[0] + 2, 27, scale=1.0)
        self.play(FadeIn(digits), FadeIn(names), FadeIn(self.panel), run_time=0.6)
        spread = self.words("spread", 16, "muted").put(NAMES, 257, "right")
        for k in range(len(self.bars.centres)):
            arriving = [FadeIn(self.bars.layer(k)), FadeIn(self.spreads[k])] + ([FadeIn(spread)] if k == 0 else [])
            self.play(*arriving, run_time=0.6 if k < 3 else 0.4)
        self.wait(1.4)

    def spread_numbers(self, key: str) -> VGroup:
        values = self.array(f"spread_{key}")
        return VGroup(
            self.formula(f"{v:.2f}" if v > 0.095 else number(v, 1), 15).put(x, 257, "center")
            for v, x in zip(values, self.bars.centres, strict=True)
        )

    # ---------------------------------------------------------------- 2 backward

    def backward(self) -> None:
        box = (COLUMNS[0], METER[0], COLUMNS[1], METER[1])
        self.meter = LogMeter(self.type, box, (-7, 1), self.bars.centres)
        title = self.words("size of the gradient, on a logarithmic scale", 16, "muted").put(COLUMNS[0], 511)
        self.play(FadeOut(self.panel), FadeIn(self.meter), FadeIn(title), run_time=0.6)
        trail = self.meter.trail(self.array("delta_sigmoid_default"), TONES["sigmoid"], backward=True)
        self.trails: dict[str, Trail] = {"sigmoid": trail.until(0)}
        head = self.lines([("a layer, on average", "muted")], 330)
        self.play(FadeIn(trail), FadeIn(head), run_time=0.5)
        weights, slopes = (float(self.metric(f"{part}_sigmoid_default")) for part in ("weights", "slopes"))
        rows = VGroup(
            self.formula(f"{weights:.2f}", 22, "accent2").put(PANEL + 20, 366),
            self.words("weights", 16, "accent2").put(PANEL + 92, 366),
            self.formula(f"times {slopes:.2f}", 22, "violet").put(PANEL + 4, 398),
            self.words("slopes", 16, "violet").put(PANEL + 92, 398),
            self.formula(f"= {weights * slopes:.2f}", 22).put(PANEL + 4, 434),
        )
        for pair in (rows[:2], rows[2:4]):
            self.play(FadeIn(pair), run_time=0.5)
            self.wait(0.7)
        self.walk([trail], 1.0, 1.0, extra=[FadeIn(rows[4])])
        self.wait(0.6)
        self.play(FadeOut(head), run_time=0.3)
        head = self.lines([("and so on: 7 times", "muted")], 330)
        self.play(FadeIn(head), run_time=0.3)
        self.walk([trail], trail.steps, 4.0)
        arrived = float(self.array("delta_sigmoid_default")[0])
        words = self.formula(number(arrived, 2), 24, TONES["sigmoid"]).put(PANEL, 484)
        self.name("sigmoid", self.array("delta_sigmoid_default")[0])
        self.play(FadeIn(self.named["sigmoid"]), FadeIn(words), FadeIn(end := self.arrives(508)), run_time=0.6)
        self.wait(1.4)
        self.panel = VGroup(head, rows, words, end)

    def arrives(self, y: float) -> Typeset:
        return self.words("arrives in layer 1", 16, "muted").put(PANEL, y)

    def walk(self, trails: list[Trail], until: float, seconds: float, extra: list | None = None) -> None:
        """The heads of some trails go on, together, to their place number `until`."""
        begin = float(getattr(self, "walked", 0.0))
        now = ValueTracker(begin)
        for trail in trails:
            trail.add_updater(lambda shown: shown.until(now.get_value()))
        self.play(now.animate.set_value(until), *(extra or []), rate_func=linear, run_time=seconds)
        for trail in trails:
            trail.clear_updaters()
        self.walked = 0.0 if until >= trails[0].steps else until

    def name(self, act: str, value: float) -> None:
        if not hasattr(self, "named"):
            self.named: dict[str, Typeset] = {}
        y = self.meter.height_of(value) + 5
        self.named[act] = self.words(WORDS[act], 17, TONES[act]).put(NAMES, y, "right")

    # ---------------------------------------------------------------- 3 others

    def others(self) -> None:
        self.play(FadeOut(self.panel), run_time=0.3)
        table = self.factor_table("default")
        for row, act in enumerate(("tanh", "relu")):
            values = self.array(f"delta_{act}_default")
            trail = self.trails[act] = self.meter.trail(values, TONES[act], backward=True)
            self.add(trail)
            if row == 0:
                self.play(FadeIn(table[0]), FadeIn(table[1]), run_time=0.6)
            self.name(act, values[0])
            self.walk([trail], trail.steps, 2.6)
            self.play(FadeIn(self.named[act]), FadeIn(table[row + 2]), run_time=0.5)
            self.wait(0.4)
        self.wait(1.2)
        self.panel = table

    def factor_table(self, start: str) -> VGroup:
        """What weights and slopes of a layer multiply by, as geometric means over layers and seeds."""
        head = "#text(fill: tone.accent2)[weights] · #text(fill: tone.violet)[slopes]"
        rows = VGroup(VGroup(self.words(head, 16, "muted").put(900, 330, "right")))
        for k, act in enumerate(("sigmoid", "tanh", "relu")):
            weights, slopes = (float(self.metric(f"{part}_{act}_{start}")) for part in ("weights", "slopes"))
            product = f"{weights:.2f} dot {slopes:.2f} = {weights * slopes:.2f}"
            name = self.words(WORDS[act], 16, TONES[act]).put(PANEL, 364 + 32 * k)
            rows.add(VGroup(name, self.formula(product, 15).put(900, 364 + 32 * k, "right")))
        return rows

    # ---------------------------------------------------------------- 4 a start that fits

    def fitting_start(self) -> None:
        gain = float(self.metric("gain_sigmoid"))
        told = self.lines([("#text(weight: 700)[sigmoid]", "text"), ("a start that fits:", "text")], 160)
        rules = VGroup(
            self.formula(f"w tilde {gain:.1f} slash sqrt(n)", 18).put(PANEL, 220),
            self.formula("b_i = -1/2 sum_j w_(i j)", 17).put(PANEL, 268),
        )
        faded = [trail.animate.set_stroke(opacity=0.25).set_fill(opacity=0.25) for trail in self.trails.values()]
        leaving = [FadeOut(named) for named in self.named.values()]
        self.play(FadeOut(self.panel), *leaving, *faded, FadeIn(told), run_time=0.8)
        self.write_lines(rules, 0.6)
        new = self.spread_numbers("sigmoid_matched")
        self.play(Reshape(self.bars, self.array("hist_sigmoid_matched")), FadeOut(self.spreads), run_time=2.0)
        self.play(LaggedStart(*(FadeIn(n) for n in new), lag_ratio=0.3), run_time=1.6)
        self.wait(1.2)
        self.spreads, self.panel = new, VGroup(told, rules)

    # ---------------------------------------------------------------- 5 backward again

    def backward_again(self) -> None:
        keys = {act: self.array(f"delta_{act}_matched") for act in TONES}
        trails = [self.meter.trail(v, TONES[act], backward=True) for act, v in keys.items()]
        self.add(*trails)
        self.walk(trails, trails[0].steps, 4.0)
        heights = apart({act: self.meter.height_of(v[0]) + 5 for act, v in keys.items()}, 19.0)
        names = VGroup(self.words(WORDS[act], 17, TONES[act]).put(NAMES, y, "right") for act, y in heights.items())
        self.play(FadeIn(names), FadeIn(self.factor_table("matched")), run_time=0.6)
        old = self.words("before", 16, "muted").put(NAMES, self.meter.height_of(1e-6) + 5, "right")
        self.play(FadeIn(old), run_time=0.4)
        self.wait(2.0)


UNITS = {"relu": ("ReLU", 164.0, "accent"), "leaky": ("leaky ReLU", 352.0, "good")}  # name, top and colour
SIDE, CURVE = 152.0, (372.0, 244.0, 104.0)  # points: the pictures' side; left, width and height of the curves
WORDS_LEFT = 640.0


class DyingUnits(LectureScene):
    """The 64 hidden units of two small networks as squares: the brighter, the more images switch the unit on; black
    when none does. Beside them the loss, while both learn with steps that are too large: one with ReLU, one with leaky
    ReLU, from the same weights.
    """

    def construct(self) -> None:
        self.shares = {key: self.array(f"dying_{key}").astype(float) for key in UNITS}  # (moments, 64)
        self.steps_done = self.array("dying_steps").astype(int)
        early = int(self.metric("dying_early_steps"))
        with self.beat("Before the first step"):
            self.before()
        with self.beat(f"The first {early} steps"):
            self.advance(early, 5.0)
        with self.beat("The rest"):
            self.advance(int(self.steps_done[-1]), 4.5)
        with self.beat("Did the leak help?"):
            self.verdict()

    def picture(self, key: str, moment: int) -> np.ndarray:
        """A square of pixels for each unit; one that is ever on is at least dimly lit."""
        seen = self.shares[key][moment]
        light = np.where(seen > 0, 0.25 + 0.75 * seen, 0.0)
        return np.broadcast_to(light[:, None, None], (len(light), 4, 4))

    def before(self) -> None:
        self.grids, names = {}, VGroup()
        for key, (name, top, tone) in UNITS.items():
            self.grids[key] = PixelGrid(self.theme, self.picture(key, 0), 8, MARGIN, top, SIDE, gap=1, scale=1.0)
            names.add(self.words(f"#text(weight: 700)[{name}]", 18, tone).put(MARGIN + SIDE + 14, top + 16))
        rate, images = float(self.metric("dead_rate")), int(self.metric("train_images"))
        legend = VGroup(
            self.words("64 hidden units, a square for each", 18).put(380, 208),
            self.words(f"bright: on for many of the {images:,} images", 18).put(380, 244),
            self.words("dark: on for none of them", 18).put(380, 280),
            self.words(f"step size {rate:g}; same weights, same batches", 18, "muted").put(380, 330),
        )
        self.play(FadeIn(names), *(FadeIn(grid) for grid in self.grids.values()), run_time=0.8)
        self.write_lines(legend, 0.6)
        self.now, self.legend = ValueTracker(0.0), legend  # log10 of steps + 1
        self.wait(0.6)

    def start_curves(self) -> None:
        """The loss of both, on the same logarithmic scale."""
        worst = max(float(self.metric(f"dying_{key}_worst")) for key in UNITS)
        highest = float(max(2, np.ceil(np.log10(worst))))
        middle = float(highest // 2)
        ticks = {t: f"{t:,}" for t in (1, 10, 100, 1_000) if t < self.steps_done[-1]}
        self.curves = []
        for key, (_, top, tone) in UNITS.items():
            losses = np.log10(np.maximum(self.array(f"dying_loss_{key}").astype(float), 0.1))
            left, width, height = CURVE
            curve = TrainingCurve(
                self.type, (left, top + 24, width, height), np.arange(1, len(losses) + 1), losses, x_ticks=ticks,
                y_ticks={0: "1", middle: f"$10^{middle:.0f}$", highest: f"$10^{highest:.0f}$"}, y_range=(-1, highest),
                title="", role=tone, step_scale="log",
            )  # fmt: skip
            self.curves.append(curve)
        names = VGroup(
            self.words("loss on each batch, logarithmic", 16, "muted").put(CURVE[0], UNITS["relu"][1] + 6),
            self.words("loss on each batch, logarithmic", 16, "muted").put(CURVE[0], UNITS["leaky"][1] + 6),
        )
        self.play(FadeOut(self.legend), run_time=0.3)
        self.play(*(FadeIn(curve) for curve in self.curves), FadeIn(names), run_time=0.5)

    def moment(self) -> int:
        """The last picture that was taken by now."""
        return max(0, int(np.searchsorted(self.steps_done, 10 ** self.now.get_value() - 0.5)) - 1)

    def told(self, key: str) -> Typeset:
        off = int((self.shares[key][self.moment()] == 0).sum())
        words = f"on for no image: #text(weight: 700)[{off}] of 64"
        return self.words(words, 18).put(WORDS_LEFT, UNITS[key][1] + 60)

    def advance(self, step: int, seconds: float) -> None:
        if not hasattr(self, "curves"):
            self.start_curves()
            self.counters = [self.told(key) for key in UNITS]
            self.add(*self.counters)
        for (key, grid), counter in zip(self.grids.items(), self.counters, strict=True):
            grid.add_updater(lambda shown, key=key: shown.show(self.picture(key, self.moment())))
            counter.add_updater(lambda shown, key=key: shown.become(self.told(key)))
        for curve in self.curves:
            curve.add_updater(lambda shown: shown.until(10 ** self.now.get_value()))
        self.play(self.now.animate.set_value(np.log10(step + 1)), rate_func=linear, run_time=seconds)
        for follower in (*self.grids.values(), *self.counters, *self.curves):
            follower.clear_updaters()
        self.wait(1.0)

    def verdict(self) -> None:
        answers, seeds = VGroup(), int(self.metric("small_seeds"))
        for key, (_, top, tone) in UNITS.items():
            right = 100 * float(self.metric(f"dying_{key}_score"))
            mean = 100 * float(self.metric(f"dead_{key}_score"))
            answers.add(
                self.words(f"reads #text(weight: 700)[{right:.0f} %] right", 20, tone).put(WORDS_LEFT, top + 94),
                self.words(f"mean of {seeds} such networks: {mean:.0f} %", 16, tone).put(WORDS_LEFT, top + 120),
            )
        rate, calm = float(self.metric("dead_rate_calm")), 100 * float(self.metric("dead_relu_calm_score"))
        self.write_lines(answers, 0.8)
        note = self.words(f"step size {rate:g}: ReLU reads {calm:.0f} %", 17, "muted")
        self.play(FadeIn(note.put(WORDS_LEFT, UNITS["leaky"][1] + 152)), run_time=0.5)
        self.wait(2.0)
