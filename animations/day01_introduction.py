"""Day 1: two means become a rule, real digits find their side, a network takes over; bends add up to a wave."""

from __future__ import annotations

import numpy as np
from kit.axes import Axes
from kit.curve import TrainingCurve
from kit.heatmap import Cells, Rearrange
from kit.pixels import PixelGrid
from kit.scene import LectureScene
from kit.theme import at, stroke, units
from kit.typeset import Typeset
from manim import Create, FadeIn, FadeOut, LaggedStart, Line, Rectangle, ValueTracker, VGroup, VMobject, linear, smooth

SIDE, STEP, HIGHEST = 31.0, 33.0, 5  # points: a small digit, the next one; how many stand on each other
GROUND, MIDDLE = 330.0, 480.0  # the line between threes and sevens, and where the score is zero
BINS = 11  # columns on each side of the middle


def stacked(scores: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Left and top of every digit: across by its score (-1 to 1), threes above the ground, sevens below it.

    A digit never changes its side of the middle; if its column is full, it moves on to the next that has room.
    """
    taken: dict[tuple[bool, bool, int], int] = {}
    places = np.zeros((len(scores), 2))
    for i in np.argsort(-np.abs(scores)):
        right, wanted = bool(scores[i] > 0), min(int(abs(scores[i]) * BINS), BINS - 1)
        free = [k for k in range(BINS) if taken.get((right, bool(above[i]), k), 0) < HIGHEST]
        column = min(free, key=lambda k: (abs(k - wanted), k))
        row = taken[right, bool(above[i]), column] = taken.get((right, bool(above[i]), column), 0) + 1
        x = MIDDLE + 3 + column * STEP if right else MIDDLE - 3 - (column + 1) * STEP
        places[i] = x + (STEP - SIDE) / 2, GROUND - 5 - row * STEP if above[i] else GROUND + 8 + (row - 1) * STEP
    return places


def pixel_boxes(places: np.ndarray, side: float, count: int = 28) -> np.ndarray:
    """Where the pixels of pictures are whose upper left corners are given: (pictures * count², 4)."""
    step = side / count
    row, column = np.divmod(np.arange(count * count), count)
    left = (places[:, :1] + column * step).reshape(-1)
    top = (places[:, 1:] + row * step).reshape(-1)
    return np.stack([left, top, np.full(len(left), step), np.full(len(left), step)], axis=1)


class TemplateAndNetwork(LectureScene):
    """The mean three and the mean seven sharpen, then dissolve into their difference, blue and orange.

    Real test digits slide to their score: right of the middle the template says three. Then the weights of a network
    grow out of noise, and the same digits move again: most mistakes are mended, a few are new.
    """

    def construct(self) -> None:
        self.three, self.seven = self.array("templates").astype(float)
        with self.beat("Many become one"):
            self.many()
        with self.beat("Subtract"):
            self.subtract()
        with self.beat("Multiply and add up"):
            self.one_sum()
        with self.beat("Every digit finds its side"):
            self.sides()
        with self.beat("A network begins with noise"):
            self.learning()
        with self.beat("The same digits, judged by the network"):
            self.judged()

    def picture(self, values: np.ndarray, x: float, y: float, width: float, **look) -> PixelGrid:
        return PixelGrid(self.theme, values[None], 1, x, y, width, **look)

    # ---------------------------------------------------------------- 1 the means

    def many(self) -> None:
        piles, means = self.array("piles").astype(int), self.array("means").astype(float)
        self.pair = [self.picture(means[0, k], x, 160, 260, scale=1.0) for k, x in ((0, 180), (1, 520))]
        now = ValueTracker(0.0)

        def place(value: float) -> int:
            return round(value)

        def told(value: float) -> Typeset:
            count = piles[place(value)]
            return self.words(f"mean of {count:,} of each" if count > 1 else "one of each", 20).put(480, 468, "center")

        for k, grid in enumerate(self.pair):
            grid.add_updater(lambda shown, k=k: shown.show(means[place(now.get_value()), k][None]))
        words = self.following(now, told)
        self.play(*(FadeIn(grid) for grid in self.pair), FadeIn(words), run_time=0.8)
        self.wait(0.8)
        self.play(now.animate.set_value(len(piles) - 1), rate_func=linear, run_time=6.5)
        for shown in (*self.pair, words):
            shown.clear_updaters()
        self.wait(1.6)
        self.told = words

    # ---------------------------------------------------------------- 2 their difference

    def subtract(self) -> None:
        share = ValueTracker(0.0)
        self.scale = float(np.abs(self.three - self.seven).max())
        blue = self.picture(self.three, 350, 160, 260, signed=True, scale=self.scale)
        three, seven = self.pair
        self.play(FadeOut(self.told), run_time=0.3)
        self.play(three.animate.move_to(blue), run_time=1.0)
        self.play(FadeOut(three), FadeIn(blue), seven.animate.move_to(at(760, 290)), run_time=0.8)
        blue.add_updater(lambda shown: shown.show((self.three - share.get_value() * self.seven)[None]))
        self.play(share.animate.set_value(1.0), FadeOut(seven, target_position=blue), rate_func=smooth, run_time=2.6)
        blue.clear_updaters()
        words = VGroup(
            self.words("#pos[blue: a three has more ink here]", 19).put(480, 458, "center"),
            self.words("#neg[orange: a seven has more ink here]", 19).put(480, 488, "center"),
        )
        self.write_lines(words, 0.8)
        self.wait(1.4)
        self.shown = [blue, words]

    # ---------------------------------------------------------------- 3 one sum

    def one_sum(self) -> None:
        digits, three = self.array("shown").astype(float), self.array("shown_three").astype(bool)
        border, scores = float(self.array("middle")), self.array("shown_template").astype(float)
        difference = self.three - self.seven
        self.play(*(FadeOut(m) for m in self.shown), run_time=0.4)
        weights = self.picture(difference, 325, 180, 190, signed=True, scale=self.scale)
        heads = VGroup(
            self.words("a new digit", 17, "muted").put(155, 168, "center"),
            self.words("the difference", 17, "muted").put(420, 168, "center"),
            self.words("pixel by pixel", 17, "muted").put(685, 168, "center"),
            self.formula("times", 34).put(288, 288, "center"),
            self.formula("=", 34).put(552, 288, "center"),
        )
        self.play(FadeIn(weights), FadeIn(heads), run_time=0.6)
        before: list = []
        for index in (int(np.flatnonzero(three)[0]), int(np.flatnonzero(~three)[0])):
            digit = self.picture(digits[index], 60, 180, 190, scale=1.0)
            products = digits[index] * difference
            product = self.picture(products, 590, 180, 190, signed=True, scale=self.scale)
            total, score = float(products.sum()), float(products.sum()) - border
            if not np.isclose(score, scores[index], atol=0.05):
                raise ValueError("the score shown is not that of the template")
            said = "#pos[three]" if score > 0 else "#neg[seven]"
            sign = "above" if score > 0 else "below"
            words = self.words(
                f"added up: #text(weight: 700)[{plus(total)}], {sign} the border of {plus(border)}: {said}", 20
            ).put(480, 430, "center")
            self.play(*(FadeOut(m) for m in before), FadeIn(digit), run_time=0.5)
            self.play(FadeIn(product), run_time=0.8)
            self.play(FadeIn(words), run_time=0.5)
            self.wait(1.8)
            before = [digit, product, words]
        self.shown = [weights, heads, *before]

    # ---------------------------------------------------------------- 4 the sides

    def sides(self) -> None:
        digits = self.array("shown").astype(float)
        self.three_is = self.array("shown_three").astype(bool)
        self.template = self.array("shown_template") / float(self.array("scale_template"))
        self.play(*(FadeOut(m) for m in self.shown), run_time=0.4)
        self.cells = Cells(self.theme, digits.reshape(len(digits), -1), scale=1.0)
        mixed = self.random.permutation(len(digits))
        start = np.array([(i % 11, i // 11) for i in mixed]) * [58.0, 74.0] + [168.0, 176.0]
        begin = pixel_boxes(start, 44.0)
        self.play(FadeIn(self.cells.put(begin)), run_time=0.8)
        self.wait(0.8)
        self.ground = VGroup(
            Line(at(60, GROUND), at(900, GROUND), stroke_width=stroke(1.4)).set_stroke(self.theme["muted"]),
            Line(at(MIDDLE, 142), at(MIDDLE, 512), stroke_width=stroke(1.4)).set_stroke(self.theme["muted"]),
            self.words("threes", 16, "muted").put(60, GROUND - 12),
            self.words("sevens", 16, "muted").put(60, GROUND + 22),
        )
        self.judge = self.judges("template")
        self.places = stacked(self.template, self.three_is)
        now = pixel_boxes(self.places, SIDE)
        self.play(FadeIn(self.ground), FadeIn(self.judge), Rearrange(self.cells, begin, now, lag=1.0, run_time=3.4))
        self.wait(0.4)
        self.wrong = self.frames((self.template > 0) != self.three_is, "bad")
        self.play(FadeIn(self.wrong), run_time=0.6)
        self.wait(2.4)

    def judges(self, name: str) -> VGroup:
        return VGroup(
            self.words(f"#neg[← the {name} says 7]", 18).put(MIDDLE - 14, 150, "right"),
            self.words(f"#pos[the {name} says 3 →]", 18).put(MIDDLE + 14, 150),
        )

    def frames(self, which: np.ndarray, role: str) -> VGroup:
        """Frames around some of the small digits where they stand now."""
        frames = VGroup()
        for x, y in self.places[which]:
            frame = Rectangle(width=units(SIDE + 1), height=units(SIDE + 1), fill_opacity=0.0)
            frame.set_stroke(self.theme[role], stroke(1.8)).move_to(at(x + SIDE / 2, y + SIDE / 2))
            frames.add(frame)
        return frames

    # ---------------------------------------------------------------- 5 learning

    def learning(self) -> None:
        weights, steps = self.array("weights").astype(float), self.array("weights_steps").astype(int)
        share = 100 * self.array("weights_accuracy").astype(float)
        self.play(*(FadeOut(m) for m in (self.cells, self.ground, self.judge, self.wrong)), run_time=0.5)
        scale = float(np.quantile(np.abs(weights[-1]), 0.99))
        grid = self.picture(weights[0], 80, 152, 300, signed=True, scale=scale)
        curve = TrainingCurve(
            self.type, (500, 200, 390, 200), steps[1:], share[1:],
            x_ticks={t: f"{t:,}" for t in (1, 10, 100, 1_000, 10_000) if t < steps[-1]},
            y_ticks={0: "0", 50: "50", 100: "100"}, y_range=(0, 100),
            title="validation pictures read right, percent", x_label="steps of learning", step_scale="log",
        )  # fmt: skip
        under = self.words("#pos[blue speaks for 3], #neg[orange for 7]", 18).put(230, 484, "center")
        self.play(FadeIn(grid), FadeIn(curve), FadeIn(under), run_time=0.8)
        self.wait(1.2)
        now = ValueTracker(0.0)  # log10 of steps + 1
        logs = np.log10(steps + 1)

        def latest(shown: PixelGrid) -> None:
            shown.show(weights[np.searchsorted(logs, now.get_value() + 1e-6, side="right") - 1][None])

        grid.add_updater(latest)
        curve.add_updater(lambda c: c.until(10 ** now.get_value() - 1))
        self.play(now.animate.set_value(logs[-1]), rate_func=linear, run_time=7.0)
        grid.clear_updaters()
        curve.clear_updaters()
        self.wait(2.0)
        self.shown = [grid, curve, under]

    # ---------------------------------------------------------------- 6 judged

    def judged(self) -> None:
        network = self.array("shown_network") / float(self.array("scale_network"))
        self.play(*(FadeOut(m) for m in self.shown), run_time=0.4)
        self.play(*(FadeIn(m) for m in (self.cells, self.ground, self.judge, self.wrong)), run_time=0.6)
        self.wait(0.8)
        old = pixel_boxes(self.places, SIDE)
        self.places = stacked(network, self.three_is)
        judge = self.judges("network")
        self.play(FadeOut(self.wrong), FadeOut(self.judge), run_time=0.4)
        self.play(FadeIn(judge), Rearrange(self.cells, old, pixel_boxes(self.places, SIDE), lag=0.6, run_time=3.4))
        before, after = ((score > 0) == self.three_is for score in (self.template, network))
        rescued, wrong = self.frames(~before & after, "good"), self.frames(~after, "bad")
        self.play(FadeIn(rescued), run_time=0.6)
        self.wait(0.6)
        self.play(FadeIn(wrong), run_time=0.6)
        told = VGroup(
            self.words(f"#text(fill: tone.good)[rescued] in the whole test set: {self.metric('first_rescued')}", 17),
            self.words(f"#text(fill: tone.bad)[lost]: {self.metric('first_lost')}, wrong by both: "
                       f"{self.metric('first_neither')}", 17),
        )  # fmt: skip
        for line, y in zip(told, (484, 508), strict=True):
            line.put(900, y, "right")
        self.play(FadeIn(told), run_time=0.5)
        self.wait(2.4)


def plus(value: float) -> str:
    """A number with its sign, as words."""
    return f"{'+' if value >= 0 else '−'}{abs(value):.1f}"


BOX = (112.0, 164.0, 770.0, 284.0)


class SumOfBends(LectureScene):
    """A network with one hidden layer fits a wave: lines with a bend add up to a curve.

    More bends fit better. A jump is never met exactly, and outside the interval of learning the curve goes straight on.
    """

    def construct(self) -> None:
        self.x = self.array("curve_x").astype(float)
        self.inside = np.abs(self.x) <= 2
        self.wave = self.array("curve_wave").astype(float)
        self.axes = Axes(self.type, BOX, (-4, 4), (-3, 3), "input", "output", ticks=4)
        with self.beat("What it is to learn"):
            self.target()
        with self.beat("Ten hidden units, one bend each"):
            self.bends()
        with self.beat("Add them up"):
            self.add_up()
        with self.beat("More bends"):
            self.widths()
        with self.beat("A jump"):
            self.jump()
        with self.beat("Outside"):
            self.outside()

    def line(self, ys: np.ndarray, role: str, width: float = 2.6, where: np.ndarray | None = None) -> VMobject:
        """A curve inside the interval (or `where`), as far as it lies on the page."""
        shown = (self.inside if where is None else where) & (np.abs(ys) <= 3)
        return self.axes.curve(self.x[shown], ys[shown], role, width)

    def morph(self, curve: VMobject, begin: np.ndarray, end: np.ndarray, seconds: float) -> None:
        """Let a curve of the run become another one."""
        share = ValueTracker(0.0)

        def between(shown: VMobject) -> None:
            ys = begin + (end - begin) * share.get_value()
            fits = self.inside & (np.abs(ys) <= 3)
            shown.clear_points()
            for piece in np.split(np.arange(len(ys)), np.flatnonzero(np.diff(fits)) + 1):
                if fits[piece[0]] and len(piece) > 1:  # where it has left the page there is a gap
                    points = [self.axes.point(u, v) for u, v in zip(self.x[piece], ys[piece], strict=True)]
                    shown.start_new_path(points[0]).add_points_as_corners(points[1:])

        curve.add_updater(between)
        self.play(share.animate.set_value(1.0), run_time=seconds)
        curve.clear_updaters()

    def target(self) -> None:
        left, right = self.axes.point(-2, 3), self.axes.point(2, -3)
        self.shade = Rectangle(width=right[0] - left[0], height=left[1] - right[1], stroke_width=0, fill_opacity=1.0)
        self.shade.set_fill(self.theme["surface"]).move_to((left + right) / 2)
        words = self.words("learned here", 17, "muted").put(BOX[0] + BOX[2] / 2, BOX[1] - 10, "center")
        self.goal = self.line(self.wave, "muted", 4.0)
        self.play(FadeIn(self.shade), FadeIn(self.axes), FadeIn(words), run_time=0.8)
        self.play(Create(self.goal), run_time=2.0)
        self.wait(1.5)

    def bends(self) -> None:
        parts = self.array("curve_parts").astype(float)
        self.parts = VGroup(self.line(part, "violet", 2.0) for part in parts.T)
        self.play(LaggedStart(*(Create(part) for part in self.parts), lag_ratio=0.5), run_time=5.0)
        self.wait(1.5)

    def add_up(self) -> None:
        parts = self.array("curve_parts").astype(float)
        sums = float(self.array("curve_floor")) + np.concatenate([np.zeros((len(self.x), 1)), parts.cumsum(axis=1)], 1)
        self.curve = self.line(sums[:, 0], "accent", 3.2)
        self.play(self.parts.animate.set_stroke(opacity=0.35), FadeIn(self.curve), run_time=0.6)
        for k in range(parts.shape[1]):
            self.parts[k].set_stroke(opacity=1.0)
            self.morph(self.curve, sums[:, k], sums[:, k + 1], 0.6)
            self.remove(self.parts[k])
        self.wait(1.6)

    def told(self, width: int) -> Typeset:
        error = self.metric(f"inside_{width}_best")
        return self.words(f"{width} bends: typical error {error:.3f}", 19).put(892, 146, "right")

    def widths(self) -> None:
        now, words = self.array("curve_wave_10").astype(float), None
        for width in (3, 10, 30, 100):
            ys = self.array(f"curve_wave_{width}").astype(float)
            self.morph(self.curve, now, ys, 1.0)
            if words is not None:
                self.remove(words)
            words = self.told(width)
            self.play(FadeIn(words), run_time=0.3)
            self.wait(0.9)
            now = ys
        self.label = words

    def jump(self) -> None:
        x, up = self.x[self.inside], self.array("curve_step")[self.inside]
        fit = self.array("curve_step_100").astype(float)
        at_jump = int(np.flatnonzero(np.diff(up))[0])
        pieces = [(x[: at_jump + 1], up[: at_jump + 1]), (x[at_jump + 1 :], up[at_jump + 1 :])]
        goal = VGroup(self.axes.curve(*piece, "muted", 4.0) for piece in pieces)
        curve = self.line(fit, "accent", 3.0)
        self.play(*(FadeOut(m) for m in (self.goal, self.curve, self.label)), run_time=0.5)
        self.play(FadeIn(goal), run_time=0.6)
        self.play(Create(curve), run_time=2.0)
        words = self.words(f"largest error, near the jump: {self.metric('jump_100'):.2f}", 19).put(892, 146, "right")
        self.play(FadeIn(words), run_time=0.4)
        self.wait(1.6)
        self.step_parts = [goal, curve, words]

    def outside(self) -> None:
        ys = self.array("curve_wave_100").astype(float)
        self.play(*(FadeOut(m) for m in self.step_parts), run_time=0.4)
        self.play(FadeIn(self.goal), FadeIn(self.curve), run_time=0.6)
        sides = [self.x >= 2, self.x <= -2]
        goes_on = [self.line(self.wave, "muted", 4.0, where) for where in sides]
        straight = [self.line(ys, "bad", 3.0, where) for where in sides]
        for pieces in (goes_on, straight):
            pieces[1].reverse_points()
        self.play(*(Create(piece) for piece in goes_on), run_time=1.6)
        self.wait(0.6)
        self.play(*(Create(piece) for piece in straight), run_time=1.6)
        self.wait(2.4)
