"""Day 7: a ball at half the speed limit, just below it and just above; a network that moves to its limit by itself."""

from __future__ import annotations

import numpy as np
from kit.bowl import Rings, Trail
from kit.curve import TrainingCurve
from kit.plane import Plane
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke
from manim import Create, DashedLine, FadeIn, FadeOut, ValueTracker, VGroup, linear

BOWL = (MARGIN, 172.0, 590.0, 306.0)  # points: left, top, width, height
SIDE = 680.0  # left edge of the words beside it
LOSS, SHARP = (116.0, 186.0, 330.0, 250.0), (530.0, 186.0, 300.0, 250.0)
ROLES = ("muted", "accent", "accent2")  # of the three learning rates, slowest first
WINDOW = 90  # steps of the loss that are shown enlarged


class SpeedLimit(LectureScene):
    """Lines of equal loss of a bowl, and the paths that gradient descent really took in it.

    At half the limit the ball goes straight to the valley and creeps along it. One percent below the limit it jumps
    from wall to wall and sinks, one percent above it rises. With momentum it is ahead along the valley.
    """

    def construct(self) -> None:
        self.moment = ValueTracker(0.0)
        with self.beat("A bowl, steep one way and flat the other"):
            self.bowl()
        with self.beat("Half the limit"):
            self.roll("bowl_0_5", "good", "0.5 × limit", 24, ("across: done at once", "along: it creeps"))
        with self.beat("One percent below"):
            self.roll("bowl_0_99", "accent2", "0.99 × limit", 40, ("from wall to wall,", "a little lower each time"))
        with self.beat("One percent above"):
            self.roll("bowl_1_01", "bad", "1.01 × limit", 60, ("from wall to wall,", "a little higher each time"))
        with self.beat("Half the limit, with momentum"):
            self.momentum()

    def bowl(self) -> None:
        steep, flat = self.array("bowl_curvature")
        start = self.array("bowl_0_5")[0]
        across = 1.3 * abs(start[1])
        up = across * BOWL[3] / BOWL[2]
        names = "a flatter direction", "the steepest direction"
        self.plane = Plane(self.type, BOWL, (-across, across), (-up, up), *names, zero=False)
        self.rings = Rings(self.plane, (flat, steep))
        self.play(FadeIn(self.plane), run_time=0.5)
        self.play(Create(self.rings, lag_ratio=0.15), run_time=2.4)
        words = VGroup(
            self.formula(f'lambda_upright("steep") = {steep:.1f}', 20).put(SIDE, 230),
            self.formula(f'lambda_upright("flat") = {flat:.2f}', 20).put(SIDE, 268),
            self.formula(f'2 \\/ lambda_upright("steep") = {2 / steep:.4f}', 20, "accent").put(SIDE, 322),
        )
        self.write_lines(words, 0.5)
        self.wait(1.0)
        self.beside, self.trail = words, None

    def path(self, name: str) -> np.ndarray:
        """A path of the run as (flat, steep) coordinates."""
        return self.array(name)[:, ::-1]

    def roll(self, name: str, role: str, rate: str, steps: int, says: tuple[str, str]) -> None:
        gone = [FadeOut(self.beside)] + ([FadeOut(self.trail)] if self.trail else [])
        trail = Trail(self.plane, self.path(name)[: steps + 1], role)
        head = self.formula(f'eta = upright("{rate}")', 21, role).put(SIDE, 230)
        self.play(*gone, FadeIn(trail), FadeIn(head), run_time=0.5)
        self.roll_on(trail, min(8.0, trail.leaves), 4.0)
        lines = VGroup(self.words(text, 18).put(SIDE, 272 + 28 * k) for k, text in enumerate(says))
        self.play(FadeIn(lines), run_time=0.4)
        self.roll_on(trail, min(steps, trail.leaves + 1), 3.2)
        self.wait(0.8)
        self.beside, self.trail = VGroup(head, lines), trail

    def roll_on(self, trail: Trail, until: float, seconds: float) -> None:
        trail.add_updater(lambda t: t.until(self.moment.get_value()))
        if until < self.moment.get_value() or not trail.line.has_points():
            self.moment.set_value(0.0)
        self.play(self.moment.animate.set_value(until), rate_func=linear, run_time=seconds)
        trail.clear_updaters()

    def momentum(self) -> None:
        self.moment.set_value(0.0)
        plain = Trail(self.plane, self.path("bowl_0_5")[:25], "good")
        heavy = Trail(self.plane, self.path("bowl_momentum")[:25], "violet")
        head = VGroup(
            self.words("without momentum", 18, "good").put(SIDE, 236),
            self.words(f"with momentum, β = {self.metric('bowl_beta'):g}", 18, "violet").put(SIDE, 266),
        )
        self.play(FadeOut(self.beside), FadeOut(self.trail), FadeIn(plain), FadeIn(heavy), FadeIn(head), run_time=0.5)
        for trail in (plain, heavy):
            trail.add_updater(lambda t: t.until(self.moment.get_value()))
        self.play(self.moment.animate.set_value(24.0), rate_func=linear, run_time=6.0)
        for trail in (plain, heavy):
            trail.clear_updaters()
        self.wait(1.0)


class EdgeOfStability(LectureScene):
    """Loss and sharpness of a network while it trains, for three learning rates.

    The sharpness of each moves to the line two over its learning rate and stays there; the loss wobbles and falls.
    """

    def construct(self) -> None:
        self.looks, self.rates = self.array("edge_looks"), self.array("edge_rates")
        self.step = ValueTracker(float(self.looks[0]))
        with self.beat("A careful rate"):
            self.curves(0, first=True)
        with self.beat("A larger one meets its limit"):
            self.curves(1)
        with self.beat("One that starts beyond it"):
            self.curves(2)
        with self.beat("The loss wobbles, and falls"):
            self.enlarged()

    def curves(self, which: int, first: bool = False) -> None:
        """Loss and sharpness of one learning rate draw themselves."""
        losses, sharpness = self.array("edge_loss")[which], self.array("edge_sharpness")[which]
        steps, top = np.arange(len(losses)), 1.1 * 2 / self.rates[0]
        marks = {0: "0", int(self.looks[-1]): f"{int(self.looks[-1]):,}"} if first else {}
        powers = {k: f"{10.0**k:g}" for k in (0, -1, -2, -3) if first and 10.0**k > 0.8 * losses.min()}
        low = np.log10(self.array("edge_loss").min()) - 0.15
        levels = {v: f"{v:g}" for v in (0, 20, 40, 60) if first and v < top}
        loss = TrainingCurve(
            self.type, LOSS, steps, np.log10(losses), x_ticks=marks, y_ticks=powers, y_range=(low, 0.1),
            title="loss" if first else "", x_label="step" if first else "", role=ROLES[which],
        )  # fmt: skip
        sharp = TrainingCurve(
            self.type, SHARP, self.looks, sharpness, x_ticks=marks, y_ticks=levels, y_range=(0.0, top),
            title="sharpness" if first else "", x_label="step" if first else "", role=ROLES[which],
        )  # fmt: skip
        self.play(FadeIn(loss), FadeIn(sharp), FadeIn(self.limit_line(which, top)), run_time=0.6)
        self.step.set_value(float(self.looks[0]))
        for curve in (loss, sharp):
            curve.add_updater(lambda c: c.until(self.step.get_value()))
        self.play(self.step.animate.set_value(float(self.looks[-1])), rate_func=linear, run_time=6.0)
        for curve in (loss, sharp):
            curve.clear_updaters()
        self.wait(0.8)
        self.right = VGroup(*getattr(self, "right", []), sharp)

    def limit_line(self, which: int, top: float) -> VGroup:
        left, above, width, height = SHARP
        y = above + (1 - (2 / self.rates[which]) / top) * height
        line = DashedLine(at(left, y), at(left + width, y), dash_length=0.09, stroke_width=stroke(1.6))
        name = self.formula(f"2 \\/ {self.rates[which]:g}", 16, ROLES[which]).put(left + width + 5, y + 5)
        both = VGroup(line.set_stroke(self.theme[ROLES[which]]), name)
        self.lines = VGroup(*getattr(self, "lines", []), both)
        return both

    def enlarged(self) -> None:
        """The right half becomes a piece of the fastest rate's loss, with every single step."""
        losses = self.array("edge_loss")[2]
        jumps = np.diff(np.log(losses))
        begin = int(np.clip(WINDOW + jumps[WINDOW:].argmax() - WINDOW // 3, 0, len(losses) - WINDOW))
        piece = losses[begin : begin + WINDOW]
        self.play(FadeOut(self.right), FadeOut(self.lines), run_time=0.5)
        low, high = float(piece.min()), float(piece.max())
        steps = np.arange(begin, begin + len(piece))
        curve = TrainingCurve(
            self.type, SHARP, steps, piece, role=ROLES[2], y_range=(low - 0.05 * (high - low), high),
            x_ticks={int(steps[0]): f"{steps[0]}", int(steps[-1]): f"{steps[-1]}"},
            y_ticks={low: f"{low:.3f}", high: f"{high:.3f}"}, title=f"{len(piece)} steps of it", x_label="step",
        )  # fmt: skip
        self.play(FadeIn(curve), run_time=0.5)
        self.step.set_value(float(begin))
        curve.add_updater(lambda c: c.until(self.step.get_value()))
        self.play(self.step.animate.set_value(float(steps[-1])), rate_func=linear, run_time=5.0)
        curve.clear_updaters()
        self.wait(1.2)
