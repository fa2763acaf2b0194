"""Day 13: what goes into eight ReLUs while towers learn, without and with BN; and statistics that follow batches."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.meter import LayerHistograms, Reshape
from kit.pixels import PixelGrid
from kit.scene import LectureScene
from kit.theme import at, stroke
from kit.typeset import number
from manim import DashedLine, FadeIn, FadeOut, LaggedStart, ValueTracker, VGroup, linear

COLUMNS = (138.0, 520.0)  # points: left end and width of what stands in eight columns
NAMES = 130.0  # right end of the words left of them
ROWS = {"": (150.0, "accent2"), "_bn": (316.0, "accent")}  # without and with BN: top of the histograms, colour
TALL, TALLEST = 92.0, 0.11  # points; the share of a layer's values in a bin that fills this height
PANEL = 706.0  # left end of what stands beside them
LOSS = (742.0, 322.0, 142.0, 130.0)  # left, top, width, height of the curves


class SignalsInRange(LectureScene):
    """Two rows of eight histograms: what goes into the ReLUs of a tower, above without and below with batch
    normalisation, from the same weights; the loss of both draws itself while they learn.

    From the usual start, without it, the histograms shrink to spikes from layer to layer. From He's start they are
    wide, but they wander while the tower learns. With batch normalisation every layer keeps its range.
    """

    def construct(self) -> None:
        self.moments = self.array("moments").astype(float)
        with self.beat("The usual start, without"):
            self.without()
        with self.beat("The same weights, with batch normalisation"):
            self.with_it()
        with self.beat("Both learn"):
            self.learn("plain", 4.0)
        with self.beat("He's start, before training"):
            self.other_start()
        with self.beat("Both learn, from He's start"):
            self.learn("he", 9.0)

    def row(self, norm: str, name: str) -> tuple[LayerHistograms, VGroup, VGroup]:
        """Histograms before training, their names at the left, and the numbers below them."""
        top, tone = ROWS[norm]
        box = (COLUMNS[0], top, COLUMNS[1], TALL)
        bars = LayerHistograms(self.theme, self.array(f"hist_plain{norm}")[0], box, role=tone, tallest=TALLEST)
        names = VGroup(
            self.words(f"#text(weight: 700)[{name}]", 18, tone).put(NAMES, top + 52, "right"),
            self.words("spread", 16, "muted").put(NAMES, top + TALL + 24, "right"),
        )
        return bars, names, self.numbers("plain", norm, bars, 0)

    def numbers(self, start: str, norm: str, bars: LayerHistograms, moment: int) -> VGroup:
        """How much the values of each layer differ from image to image."""
        y = ROWS[norm][0] + TALL + 24
        values = self.array(f"spread_{start}{norm}")[moment]
        pairs = zip(values, bars.centres, strict=True)
        return VGroup(self.formula(f"{v:.2f}" if v > 0.095 else number(v, 1), 15).put(x, y, "center") for v, x in pairs)

    # ---------------------------------------------------------------- before training

    def without(self) -> None:
        self.bars, self.spreads = {}, {}
        self.bars[""], names, self.spreads[""] = self.row("", "without")
        centres = self.bars[""].centres
        layers = VGroup(self.words(str(k + 1), 16, "muted").put(x, 296, "center") for k, x in enumerate(centres))
        layers.add(self.words("layer", 16, "muted").put(NAMES, 296, "right"))
        images, edge = int(self.metric("probe_images")), int(self.array("edges")[-1])
        self.told = VGroup(
            self.words("what goes into each", 17).put(PANEL, 176),
            self.words("layer's ReLUs,", 17).put(PANEL, 200),
            self.words(f"for {images} images,", 17).put(PANEL, 224),
            self.words(f"from −{edge} to {edge}", 17).put(PANEL, 248),
        )
        digits = PixelGrid(self.theme, self.array("digits"), 3, 70, 158, 60, scale=1.0)
        self.play(FadeIn(digits), FadeIn(names), FadeIn(layers), FadeIn(self.told), run_time=0.6)
        self.appear("")

    def with_it(self) -> None:
        self.bars["_bn"], names, self.spreads["_bn"] = self.row("_bn", "with BN")
        self.play(FadeIn(names), run_time=0.5)
        self.appear("_bn")

    def appear(self, norm: str) -> None:
        for k in range(len(self.bars[norm].centres)):
            arriving = FadeIn(self.bars[norm].layer(k)), FadeIn(self.spreads[norm][k])
            self.play(*arriving, run_time=0.6 if k < 3 else 0.4)
        self.wait(1.2)

    def other_start(self) -> None:
        new = {norm: self.numbers("he", norm, bars, 0) for norm, bars in self.bars.items()}
        gone = [FadeOut(part) for part in (*self.spreads.values(), *self.curves, self.read)]
        changed = [Reshape(bars, self.array(f"hist_he{norm}")[0]) for norm, bars in self.bars.items()]
        self.play(*gone, *changed, FadeIn(self.told), run_time=1.6)
        self.play(*(LaggedStart(*map(FadeIn, numbers), lag_ratio=0.3) for numbers in new.values()), run_time=1.4)
        self.spreads = new
        self.wait(1.4)

    # ---------------------------------------------------------------- training

    def learn(self, start: str, seconds: float) -> None:
        last, window = int(self.metric("steps")), int(self.metric("window"))
        steps = np.arange(window, last + 1, dtype=float)
        marks = {window: f"{window}", last: f"{last}"} if last > window else {window: f"{window}"}
        title = {"title": "training loss", "x_label": "step", "x_ticks": marks, "y_ticks": {0: "0", 1: "1", 2: "2"}}
        self.curves = []
        for norm, (_, tone) in ROWS.items():
            losses = self.array(f"loss_{start}{norm}").astype(float)
            words = {"x_ticks": {}, "y_ticks": {}} if self.curves else title
            self.curves.append(TrainingCurve(self.type, LOSS, steps, losses, y_range=(0.0, 2.4), role=tone, **words))
        gone = [FadeOut(numbers) for numbers in self.spreads.values()]
        self.play(*gone, *(FadeIn(curve) for curve in self.curves), run_time=0.6)
        now = ValueTracker(0.0)  # log10 of steps + 1: much happens early
        for norm, bars in self.bars.items():
            bars.add_updater(lambda shown, arm=start + norm: shown.show(self.between(arm, now.get_value())))
        for curve in self.curves:
            curve.add_updater(lambda shown: shown.until(10 ** now.get_value() - 1))
        self.play(now.animate.set_value(np.log10(last + 1)), rate_func=linear, run_time=seconds)
        for follower in (*self.bars.values(), *self.curves):
            follower.clear_updaters()
        self.outcome(start)

    def between(self, arm: str, power: float) -> np.ndarray:
        """The histograms at a time; between two looks at the run they are mixed."""
        counts, places = self.array(f"hist_{arm}"), np.log10(self.moments + 1)
        k = int(np.clip(np.searchsorted(places, power) - 1, 0, len(places) - 2))
        share = np.clip((power - places[k]) / (places[k + 1] - places[k]), 0.0, 1.0)
        return counts[k] + share * (counts[k + 1].astype(float) - counts[k])

    def outcome(self, start: str) -> None:
        """The spreads at the end, and what both read."""
        self.spreads = {norm: self.numbers(start, norm, bars, -1) for norm, bars in self.bars.items()}
        arriving = [LaggedStart(*map(FadeIn, numbers), lag_ratio=0.3) for numbers in self.spreads.values()]
        self.read = VGroup(self.words("test digits read right:", 17).put(PANEL, 176))
        for k, (norm, (_, tone)) in enumerate(ROWS.items()):
            share = 100 * float(self.metric(f"film_test_{start}{norm}"))
            name = "with BN" if norm else "without"
            self.read.add(self.words(f"{name}: #text(weight: 700)[{share:.0f} %]", 20, tone).put(PANEL, 210 + 30 * k))
        self.play(FadeOut(self.told), *arriving, run_time=1.4)
        self.play(FadeIn(self.read), run_time=0.6)
        self.wait(1.4)


MEAN, VARIANCE = (112.0, 178.0, 400.0, 124.0), (112.0, 368.0, 400.0, 92.0)  # left, top, width, height
SIDE = 596.0  # left end of what stands beside them
BARS = (624.0, 336.0, 250.0, 112.0)
COMPANY = (596.0, 262.0, 278.0)  # left, top, width of the row of other images


class RunningStatistics(LectureScene):
    """The mean and the variance of one unit, batch by batch in orange, and the running values that follow them in
    blue. Then one image in the company of many different batches, some of which are shown: its probabilities jump. With
    eval() they stand still, whatever the company.
    """

    def construct(self) -> None:
        chase = self.array("chase").astype(float)  # (steps, 4): mean and variance of the batch, the running ones
        self.steps = np.arange(1, len(chase) + 1, dtype=float)
        with self.beat("A new mean with every batch"):
            batch, self.running = self.axes(MEAN, chase[:, 0], chase[:, 2], "mean of one unit of layer 4", 0.0)
            self.draw(batch, 5.0)
        with self.beat("The running mean follows"):
            share = float(self.metric("momentum"))
            rule = f'upright("new") = {1 - share:g} dot upright("old") + {share:g} dot upright("batch")'
            self.rule = self.formula(rule, 19, "accent").put(SIDE, 220)
            self.play(FadeIn(self.rule), run_time=0.5)
            self.draw(self.running, 5.0)
        with self.beat("The same for the variance"):
            batch, running = self.axes(VARIANCE, chase[:, 1], chase[:, 3], "its variance", 1.0)
            self.draw(batch, 1.6)
            self.draw(running, 2.0)
        with self.beat("In training mode: the company matters"):
            self.company()
        with self.beat("With eval(): frozen"):
            self.frozen()

    def axes(self, box: tuple, batch: np.ndarray, running: np.ndarray, title: str, start: float) -> list[TrainingCurve]:
        """Two curves on the same axes: the batch's values and the running ones; a dashed line at their start."""
        both = np.concatenate([batch, running, [start]])
        low, high = float(both.min()), float(both.max())
        pad = 0.06 * (high - low)
        scale = (low - pad, high + pad)
        last = int(self.steps[-1])
        marks = {1: "1", last: f"{last}"}
        levels = {low: f"{low:.1f}", high: f"{high:.1f}"}
        drawn = {"title": title, "x_label": "step" if box == VARIANCE else "", "x_ticks": marks, "y_ticks": levels}
        curves = []
        for values, tone in ((batch, "accent2"), (running, "accent")):
            words = {"x_ticks": {}, "y_ticks": {}} if curves else drawn
            curves.append(TrainingCurve(self.type, box, self.steps, values, y_range=scale, role=tone, **words))
        y = box[1] + (1 - (start - scale[0]) / (scale[1] - scale[0])) * box[3]
        line = DashedLine(at(box[0], y), at(box[0] + box[2], y), dash_length=0.08, stroke_width=stroke(1.2))
        self.play(*map(FadeIn, curves), FadeIn(line.set_stroke(self.theme["muted"])), run_time=0.6)
        return curves

    def draw(self, curve: TrainingCurve, seconds: float) -> None:
        now = ValueTracker(1.0)
        curve.add_updater(lambda shown: shown.until(now.get_value()))
        self.play(now.animate.set_value(float(self.steps[-1])), rate_func=linear, run_time=seconds)
        curve.clear_updaters()
        self.wait(0.6)

    def company(self) -> None:
        """One image in many batches: what the network answers each time."""
        chances = self.array("mates_p").astype(float)  # (batches, 10)
        label = int(self.metric("shown_label"))
        digit = PixelGrid(self.theme, self.array("mates_image")[None], 1, SIDE, 146, 104, scale=1.0)
        words = VGroup(
            self.words("one image,", 18).put(SIDE + 116, 174),
            self.words(f"{len(chances)} different batches,", 18).put(SIDE + 116, 198),
            self.words("some of each below", 18).put(SIDE + 116, 222),
        )
        self.bars = LayerHistograms(self.theme, chances[:1], BARS, role="accent2", tallest=1.0)
        half, middle = self.bars.half, self.bars.centres[0]
        places = np.linspace(middle - half, middle + half, 21)[1::2]
        ticks = VGroup(
            self.words(str(d), 17, "good" if d == label else "muted").put(x, BARS[1] + BARS[3] + 24, "center")
            for d, x in enumerate(places)
        )
        name = self.words("probability of each digit", 16, "muted").put(BARS[0], BARS[1] - 16)
        self.others = self.array("mates").astype(float)  # (batches, images, 14, 14)
        self.mates = PixelGrid(self.theme, self.others[0], len(self.others[0]), *COMPANY, scale=1.0)
        self.play(FadeOut(self.rule), FadeIn(digit), FadeIn(words), run_time=0.6)
        self.play(FadeIn(self.mates), FadeIn(self.bars), FadeIn(ticks), FadeIn(name), run_time=0.6)
        for others, p in zip(self.others[1:20], chances[1:20], strict=True):
            self.mates.show(others)
            self.play(Reshape(self.bars, p[None]), run_time=0.2)
            self.wait(0.25)
        share = int(self.metric("shown_right"))
        self.told = self.words(f"read as a {label}: {share} times", 18).put(SIDE + 116, 246)
        self.play(FadeIn(self.told), run_time=0.5)
        self.wait(0.8)

    def frozen(self) -> None:
        calm = LayerHistograms(
            self.theme, self.array("mates_eval")[None].astype(float), BARS, role="accent", tallest=1.0
        )
        told = self.words("with eval(): this alone", 18, "accent").put(SIDE + 116, 246)
        self.play(FadeOut(self.bars), FadeOut(self.told), FadeIn(calm), FadeIn(told), run_time=0.8)
        for others in self.others[:16]:  # the company still changes
            self.mates.show(others)
            self.wait(0.4)
