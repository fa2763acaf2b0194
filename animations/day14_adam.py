"""Day 14: two weights, one rate for both or one for each, and the same loss turned; the first twenty steps of Adam."""

from __future__ import annotations

import numpy as np
from kit.bowl import Trail
from kit.curve import TrainingCurve
from kit.meter import LogMeter
from kit.pixels import PixelGrid
from kit.plane import Plane
from kit.scene import LectureScene
from kit.steps import LevelLines, MeterBars
from kit.theme import MARGIN, at, stroke, units
from manim import Circle, Create, DashedLine, Dot, FadeIn, FadeOut, Line, ValueTracker, VGroup, linear

GROUND = (MARGIN, 170.0, 420.0, 314.0)  # points: left, top, width, height
SIDE = 536.0  # left edge of what stands beside it
PICTURE = (SIDE, 170.0, 168.0)  # left, top and width of the mean digit
METER = (SIDE + 76.0, 262.0, 220.0, 190.0)
LINES = 7  # of equal loss, on each side of the gutter
SLOW = 16  # steps that get half of the time
LEFT_BOX, RIGHT_BOX = (116.0, 190.0, 320.0, 246.0), (540.0, 190.0, 320.0, 246.0)


class TwoWeights(LectureScene):
    """Two real weights of a network, one of a pixel with ink in most images, one of a pixel that hardly ever has any.

    SGD falls into the gutter and stands still in it; momentum moves along it; Adam gives each weight its own rate and
    goes straight to the minimum. Then the same loss is turned: Adam can no longer tell the two apart, and creeps.
    """

    def construct(self) -> None:
        self.moment = ValueTracker(0.0)
        self.steps = int(self.metric("pair_shown"))
        self.hessian = self.array("pair_hessian")[::-1, ::-1]  # x: the rare pixel B, y: the common pixel A
        with self.beat("Two weights of one network"):
            self.ground()
        with self.beat("SGD: one rate for both"):
            self.roll("sgd_straight", "accent2", "SGD, at its best rate")
        with self.beat("Momentum: a memory"):
            self.roll("momentum_straight", "violet", "momentum, at its best rate")
        with self.beat("Adam: a rate for each"):
            self.adam("straight", "Adam, at its best rate")
        with self.beat("The same loss, turned"):
            self.turn()

    def ground(self) -> None:
        up = 2.6  # both jump far across the gutter
        across = up * GROUND[2] / GROUND[3]
        self.plane = Plane(self.type, GROUND, (-across, across), (-up, up), zero=False)
        steep = self.hessian[1, 1]
        levels = [0.5 * steep * (up * (k + 0.5) / LINES) ** 2 for k in range(LINES)]
        self.rings = LevelLines(self.plane, self.hessian, levels)
        self.goal = (
            Circle(units(5), stroke_width=stroke(1.6)).set_stroke(self.theme["good"]).move_to(self.plane.at(0, 0))
        )
        self.names = self.axis_names("weight of pixel B", "weight of pixel A")
        self.play(FadeIn(self.plane), FadeIn(self.names), FadeIn(picture := self.picture()), run_time=0.6)
        self.play(Create(self.rings), FadeIn(self.goal), run_time=2.0)
        n, common, rare = (int(self.metric(name)) for name in ("pair_n", "pair_common", "pair_rare"))
        words = VGroup(
            self.words(f"A has ink in {common:,} of {n:,} images", 18).put(SIDE, 376),
            self.words(f"B has ink in {rare:,}", 18).put(SIDE, 404),
            self.words(f"the loss is {self.metric('pair_condition'):,.0f} times", 18, "accent").put(SIDE, 444),
            self.words("as steep along A as along B", 18, "accent").put(SIDE, 470),
        )
        self.write_lines(words, 0.5)
        self.wait(0.8)
        self.gone = [picture, words]

    def axis_names(self, across: str, up: str) -> VGroup:
        left, top, width, height = GROUND
        return VGroup(
            self.words(across, 16, "muted").put(left + width / 2, top + height + 23, "center"),
            self.words(up, 16, "muted").put(left, top - 10),
        )

    def picture(self) -> VGroup:
        """The mean digit, with the two pixels marked."""
        x, y, width = PICTURE
        grid = PixelGrid(self.theme, self.array("pair_ink")[None].astype(float), 1, x, y, width)
        marks = VGroup()
        for pixel, name in zip(self.array("pair_pixels"), "AB", strict=True):
            row, column = divmod(int(pixel), 28)
            px, py = x + (column + 0.5) * width / 28, y + (row + 0.5) * width / 28
            ring = Circle(units(6.5), stroke_width=stroke(2.2)).set_stroke(self.theme["accent"]).move_to(at(px, py))
            leader = Line(at(px + 6.5, py), at(x + width + 10, py), stroke_width=stroke(1.4))
            leader.set_stroke(self.theme["accent"])
            marks.add(ring, leader, self.words(name, 18, "accent", 700).put(x + width + 16, py + 6))
        self.add(grid)  # an image: it does not go into a group of paths
        self.grid = grid
        return marks

    def path(self, name: str) -> np.ndarray:
        return self.array(f"pair_{name}")[:, ::-1]

    def roll(self, name: str, role: str, title: str) -> None:
        trail = Trail(self.plane, self.path(name), role)
        head = self.words(title, 20, role).put(SIDE, 200)
        leaving = [FadeOut(m) for m in self.gone] + ([FadeOut(self.grid)] if self.grid else [])
        self.grid = None
        self.play(*leaving, FadeIn(trail), FadeIn(head), run_time=0.5)
        self.roll_on(trail, 6.0)
        result = self.result(name)
        self.write_lines(result, 0.5)
        self.wait(0.6)
        self.gone = [trail, head, result]

    def roll_on(
        self, trail: Trail, seconds: float, bars: MeterBars | None = None, sizes: np.ndarray | None = None
    ) -> None:
        self.moment.set_value(0.0)
        trail.add_updater(lambda t: t.until(self.moment.get_value()))
        if bars is not None:
            bars.add_updater(lambda b: b.show(sizes[min(int(self.moment.get_value()), self.steps)]))
        for until, part in ((SLOW, 0.5), (self.steps, 0.5)):  # the first steps are the wild ones
            self.play(self.moment.animate.set_value(float(until)), rate_func=linear, run_time=part * seconds)
        trail.clear_updaters()
        if bars is not None:
            bars.clear_updaters()

    def result(self, name: str, y: float = 240.0) -> VGroup:
        left = 100 * float(self.metric(f"pair_{name}_left"))
        shown = f"{left:.0f}" if left >= 1 else "less than 1"
        return VGroup(
            self.words(f"after {self.steps} steps, {shown} % of the way", 18).put(SIDE, y),
            self.words("along the gutter is left", 18).put(SIDE, y + 27),
        )

    def adam(self, way: str, title: str, names: tuple[str, str] = ("A", "B")) -> None:
        trail = Trail(self.plane, self.path(f"adam_{way}"), "accent")
        sizes = self.array(f"pair_usual_{way}")
        left, top, width, height = METER
        low = int(np.floor(np.log10(self.array("pair_usual_straight").min())))
        meter = LogMeter(self.type, METER, (low, 0), [left + width / 3, left + 2 * width / 3], scale_left=True)
        bars = MeterBars(meter, 44.0, "accent")
        head = self.words(title, 20, "accent").put(SIDE, 200)
        labels = VGroup(
            self.words("it divides by the usual gradient:", 17, "muted").put(SIDE, 240),
            *(
                self.words(name, 17).put(x, top + height + 24, "center")
                for name, x in zip(names, meter.columns, strict=True)
            ),
        )
        bars.show(sizes[0])
        self.play(
            *(FadeOut(m) for m in self.gone), FadeIn(trail), FadeIn(head), FadeIn(meter), FadeIn(labels), run_time=0.5
        )
        self.play(FadeIn(bars), run_time=0.8)
        self.roll_on(trail, 6.0, bars, sizes)
        self.wait(1.0)
        self.gone = [trail, head, meter, labels, bars]

    def turn(self) -> None:
        angle = ValueTracker(0.0)
        start = Dot(self.plane.at(1, 1), radius=units(6)).set_fill(self.theme["accent"])
        self.play(*(FadeOut(m) for m in (*self.gone, self.names)), FadeIn(start), run_time=0.5)
        self.gone = [start]
        self.names = self.axis_names("one mix of both weights", "another mix of both")

        def turned(rings: LevelLines) -> None:
            c, s = np.cos(angle.get_value()), np.sin(angle.get_value())
            about = np.array([[c, s], [-s, c]])  # clockwise
            rings.show(about @ self.hessian @ about.T)
            start.move_to(self.plane.at(*(about @ np.ones(2))))

        self.rings.add_updater(turned)
        self.play(angle.animate.set_value(np.pi / 4), FadeIn(self.names), run_time=2.0)
        self.rings.clear_updaters()
        self.adam("turned", "Adam again, at its best rate", ("one", "other"))
        left = 100 * float(self.metric("pair_adam_turned_left"))
        line = self.words(f"{left:.0f} % of the way along the gutter is left", 18).put(SIDE, 506)
        self.play(FadeIn(line), run_time=0.4)
        self.wait(0.8)


class FirstSteps(LectureScene):
    """Both memories of Adam begin at zero; the slower one makes the first steps too long, and the correction mends it.

    Left the two memories for a constant gradient, right the step that they make, without and with the correction; at
    the end the steps of a real network.
    """

    def construct(self) -> None:
        self.warm, self.walked = self.array("warm"), self.array("walked")
        self.count = len(self.warm)
        self.step = ValueTracker(1.0)
        with self.beat("A gradient that is always one"):
            self.memories()
        with self.beat("One over the root of the other"):
            self.uncorrected()
        with self.beat("Divide by what is missing"):
            self.corrected()
        with self.beat("A network's first steps"):
            self.network()

    def chart(self, box: tuple, ys: np.ndarray, top: float, role: str, title: str = "") -> TrainingCurve:
        """A curve over the first steps; with a title, also the ticks of its axes."""
        every = 1 if top < 3 else 2
        marks = {1: "1", 10: "10", self.count: str(self.count)} if title else {}
        levels = {v: f"{v:g}" for v in range(0, int(top) + 1, every)} if title else {}
        return TrainingCurve(
            self.type, box, np.arange(1, self.count + 1), ys, x_ticks=marks, y_ticks=levels, y_range=(0.0, top),
            title=title, x_label="step" if title else "", role=role,
        )  # fmt: skip

    def draw(self, *curves: TrainingCurve, seconds: float = 4.0) -> None:
        self.step.set_value(1.0)
        self.play(*(FadeIn(c) for c in curves), run_time=0.5)
        for curve in curves:
            curve.add_updater(lambda c: c.until(self.step.get_value()))
        self.play(self.step.animate.set_value(float(self.count)), rate_func=linear, run_time=seconds)
        for curve in curves:
            curve.clear_updaters()

    def memories(self) -> None:
        left, top, width, height = LEFT_BOX
        top_value = 1.15
        level = top + (1 - 1 / top_value) * height
        should = DashedLine(at(left, level), at(left + width, level), dash_length=0.09, stroke_width=stroke(1.6))
        should.set_stroke(self.theme["good"])
        says = self.words("what both should be", 16, "good").put(left + width, level - 8, "right")
        m = self.chart(LEFT_BOX, self.warm[:, 0], top_value, "violet", "the two memories")
        v = self.chart(LEFT_BOX, self.warm[:, 1], top_value, "accent2")
        self.play(FadeIn(should), FadeIn(says), run_time=0.4)
        self.draw(m, v)
        ends = [level + (1 - self.warm[-1, k]) * height / top_value for k in (0, 1)]
        names = VGroup(
            self.formula("m", 19, "violet").put(left + width + 10, ends[0] + 6),
            self.formula("sqrt(v)", 19, "accent2").put(left + width + 10, ends[1] + 6),
        )
        self.play(FadeIn(names), run_time=0.4)
        self.wait(0.8)
        self.left = VGroup(should, says, m, v, names)

    def uncorrected(self) -> None:
        self.high = float(np.ceil(self.warm[:, 2].max()))
        self.bad = self.chart(RIGHT_BOX, self.warm[:, 2], self.high, "bad", "step for a gradient of 1, in rates")
        self.draw(self.bad)
        left, top, width, height = RIGHT_BOX
        peak = self.warm[:, 2].max()
        y = top + (1 - self.warm[-1, 2] / self.high) * height
        line = self.words(f"without correction, up to {peak:.1f}", 17, "bad").put(left + width, y + 44, "right")
        self.play(FadeIn(line), run_time=0.4)
        self.wait(0.8)
        self.right = VGroup(self.bad, line)

    def corrected(self) -> None:
        fixed = self.chart(RIGHT_BOX, self.array("warm_corrected"), self.high, "accent")
        self.draw(fixed)
        left, top, width, height = RIGHT_BOX
        y = top + (1 - 1 / self.high) * height
        line = self.formula(
            'm / (1 - beta_1^t) #h(0.5em) upright("over") #h(0.5em) sqrt(v / (1 - beta_2^t))', 18, "accent"
        ).put(left + width, y - 26, "right")
        self.play(FadeIn(line), run_time=0.4)
        self.wait(1.0)
        self.right.add(fixed, line)

    def network(self) -> None:
        self.play(FadeOut(self.left), run_time=0.5)
        high = float(np.ceil(2 * self.walked.max()) / 2)
        without = self.chart(LEFT_BOX, self.walked[1], max(1.0, high), "bad", "a network's mean step, in rates")
        with_it = self.chart(LEFT_BOX, self.walked[0], max(1.0, high), "accent")
        self.draw(without, with_it)
        left, top, width, height = LEFT_BOX
        names = VGroup()
        for row, text, role in ((1, "without", "bad"), (0, "with", "accent")):
            y = top + (1 - self.walked[row, -1] / max(1.0, high)) * height
            names.add(self.words(text, 16, role).put(left + width + 8, y + 5))
        self.play(FadeIn(names), run_time=0.4)
        self.wait(1.2)
