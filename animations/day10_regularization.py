"""Day 10: a circle and a diamond in a real bowl of two weights; 7,840 weights that shrink, jitter or snap to zero."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.meter import LayerHistograms
from kit.pixels import PixelGrid
from kit.plane import Plane, Points
from kit.price import BestDeal, Ring
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke, units
from kit.typeset import Typeset, number
from manim import Create, Dot, FadeIn, FadeOut, Line, Rectangle, ValueTracker, VGroup, linear, smooth

BOX = (MARGIN + 4.0, 176.0, 306.0, 306.0)  # points: the plane of two weights; left, top, width, height
SIDE = 432.0  # left edge of what stands beside it
BAR = 300.0  # points: the longest bar of a weight
PICTURES = (MARGIN, 176.0, 430.0)  # left, top and width of the ten pictures of weights
HISTOGRAM = (548.0, 176.0, 352.0, 220.0)
BINS = 41  # an odd number: zero has a bin of its own
ROLES = {"L2": "accent2", "slope": "violet", "threshold": "accent"}


class CircleAndDiamond(LectureScene):
    """Rings of equal loss of two real weights, and the best weights while a price on them rises.

    With the price of squares a circle shrinks and the best point slides to zero; with the price of sizes a diamond
    shrinks, and the point meets an axis at a corner and stays on it. Then the best points of many small samples.
    """

    def construct(self) -> None:
        self.curvature, self.minimum = self.array("slice_curvature"), self.array("slice_minimum")
        self.share = ValueTracker(0.0)
        with self.beat("Two weights, one loss"):
            self.two_weights()
        with self.beat("The price of squares: a circle"):
            self.rise("slice_l2_path", "circle", "accent2", ("both shrink", "none arrives before the end"))
        with self.beat("The price of sizes: a diamond"):
            self.rise("slice_l1_path", "diamond", "accent", ("at the corner: one weight is zero", "and it stays zero"))
        with self.beat("Many small samples"):
            self.samples()

    def two_weights(self) -> None:
        reach = 1.5 * float(np.linalg.norm(self.minimum))
        self.plane = Plane(self.type, BOX, (-reach, reach), (-reach, reach), "weight of cell A", "weight of cell B")
        self.rings = VGroup()
        whole = Ring(self.plane, self.curvature, self.minimum).size(np.zeros(2))
        for share in (0.2, 0.45, 0.7, 1.0, 1.35):
            ring = Ring(self.plane, self.curvature, self.minimum, "muted", 1.2).draw(share * whole)
            self.rings.add(ring.set_stroke(opacity=0.45))
        self.rings.add(Dot(self.plane.at(*self.minimum), radius=units(4)).set_fill(self.theme["text"]))
        pictures = PixelGrid(self.theme, self.array("slice_means"), 2, SIDE, 168, 380, gap=3, scale=0.8)
        marks = VGroup(*(self.mark(pictures.picture_box(k), j) for k in (0, 1) for j in (0, 1)))
        words = VGroup(
            self.words("the mean 3 and the mean 7", 18).put(SIDE, 384),
            self.words("two cells: how much ink is there?", 18, "muted").put(SIDE, 412),
            self.words("the dot: what the data want", 18).put(SIDE, 456),
        )
        self.play(FadeIn(self.plane), FadeIn(pictures), FadeIn(words[0]), run_time=0.6)
        self.play(FadeIn(marks), FadeIn(words[1]), run_time=0.8)
        self.wait(1.2)
        self.play(Create(self.rings, lag_ratio=0.15), run_time=2.4)
        self.play(FadeIn(words[2]), run_time=0.5)
        self.wait(1.5)
        self.beside = [pictures, marks, words]

    def mark(self, box: tuple[float, float, float, float], which: int) -> VGroup:
        """The frame of cell A or B on a picture of 7 x 7 cells, with its letter."""
        left, top, width, _ = box
        row, column = divmod(int(self.array("slice_cells")[which]), 7)
        cell = width / 7
        x, y = left + (column + 0.5) * cell, top + (row + 0.5) * cell
        frame = Rectangle(width=units(cell), height=units(cell), stroke_width=stroke(2.0)).move_to(at(x, y))
        return VGroup(frame.set_stroke(self.theme["bad"]), self.words("AB"[which], 15, "bad").put(x, y + 5, "center"))

    def rise(self, path: str, shape: str, role: str, says: tuple[str, str]) -> None:
        """The price rises from zero: circle or diamond shrinks, the best weights move, and two bars tell them."""
        self.share.set_value(0.0)
        best = BestDeal(self.plane, self.curvature, self.minimum, self.array(path), shape, role)
        heads = VGroup(
            *(self.words(f"weight of cell {name}", 18).put(SIDE, 222 + 74 * k) for k, name in enumerate("AB"))
        )
        bars = VGroup(*(Line(stroke_width=stroke(12)).set_stroke(self.theme[role]) for _ in "AB"))
        zeros = VGroup(*(self.zero(k) for k in (0, 1)))
        self.play(*(FadeOut(old) for old in self.beside), FadeIn(best), FadeIn(heads), FadeIn(zeros), run_time=0.6)
        longest = np.abs(self.minimum).max()

        def measure(group: VGroup) -> None:
            for k, (bar, value) in enumerate(zip(group, best.place(self.share.get_value()), strict=True)):
                length = max(abs(value) / longest * BAR, 1e-3)
                bar.put_start_and_end_on(at(SIDE, 242 + 74 * k), at(SIDE + length, 242 + 74 * k))
                bar.set_stroke(opacity=1.0 if value else 0.0)

        measure(bars)
        self.play(FadeIn(bars), run_time=0.4)
        bars.add_updater(measure)
        best.add_updater(lambda b: b.until(self.share.get_value()))
        lines = VGroup(*(self.words(text, 18, role).put(SIDE, 392 + 28 * k) for k, text in enumerate(says)))
        gone = (best.path == 0).any(axis=1)
        corner = gone.argmax() / (len(gone) - 1) if gone.any() else 0.55  # where a weight becomes zero, if one does
        for line, until, seconds in zip(lines, (corner, 1.0), (4.0, 3.6), strict=True):
            self.play(self.share.animate.set_value(until), rate_func=linear, run_time=seconds)
            self.play(FadeIn(line), run_time=0.5)
            self.wait(0.8)
        best.clear_updaters()
        bars.clear_updaters()
        self.beside = [best, heads, bars, zeros, lines]

    def zero(self, which: int) -> Line:
        y = 242 + 74 * which
        return Line(at(SIDE, y - 12), at(SIDE, y + 12), stroke_width=stroke(1.4)).set_stroke(self.theme["muted"])

    def samples(self) -> None:
        """Where the best weights of many samples lie, in a plane of their own."""
        found = {name: self.array(f"slice_{name}") for name in ("l2", "l1")}
        reach = 1.1 * max(float(np.abs(points).max()) for points in found.values())
        names = "weight of cell A", "weight of cell B (enlarged)"
        plane = Plane(self.type, BOX, (-reach, reach), (-reach, reach), *names)
        draws, size = int(self.metric("slice_draws")), int(self.metric("slice_sample"))
        head = self.words(f"{draws} samples of {size} images", 18).put(SIDE, 214)
        self.play(*(FadeOut(old) for old in (*self.beside, self.rings, self.plane)), FadeIn(plane), run_time=0.6)
        self.play(FadeIn(head), run_time=0.4)
        for k, (name, role, text) in enumerate((("l2", "accent2", "squares"), ("l1", "accent", "sizes"))):
            dots = Points(plane, found[name], [role], radius=3.0)
            share = 100 * float(self.metric(f"slice_{name}_zero"))
            line = self.words(f"{text}: {share:.0f} % exactly on an axis", 18, role).put(SIDE, 262 + 34 * k)
            self.play(FadeIn(dots), run_time=1.6)
            self.play(FadeIn(line), run_time=0.5)
            self.wait(2.0)
        share = 100 * float(self.metric("even_l1_zero"))
        control = VGroup(
            self.words("the pair of cells that fits best", 18, "muted").put(SIDE, 356),
            self.words(f"sizes, half the price that ends both: {share:.0f} %", 18, "muted").put(SIDE, 384),
        )
        self.play(FadeIn(control), run_time=0.5)
        self.wait(2.0)


class ShrinkOrSnap(LectureScene):
    """Ten pictures of weights and a histogram of all of them, in training with three prices; then one weight enlarged.

    With L2 the weights fade, with L1 by its slope they fade faster, with the threshold thousands become exactly zero.
    """

    def construct(self) -> None:
        self.steps = self.array("snapshots")
        self.weights = {way: self.array(f"weights_{way}").astype(float) for way in ROLES}
        self.zeros = {way: self.array(f"zeros_{way}") for way in ROLES}
        self.limit = max(float(np.quantile(np.abs(w[-1]), 0.999)) for w in self.weights.values())
        self.bright = float(np.quantile(np.abs(self.weights["L2"][-1]), 0.999))  # of the pictures
        self.now = ValueTracker(0.0)
        with self.beat("All weights at the start"):
            self.start()
        with self.beat("L2: what is of no use fades"):
            self.train("L2", "L2")
        with self.beat("L1 by its slope: they jitter"):
            self.train("slope", "L1, by its slope")
        with self.beat("L1 by a threshold: they snap"):
            self.train("threshold", "L1, by a threshold")
        with self.beat("One weight, enlarged"):
            self.enlarged()

    # ---------------------------------------------------------------- pictures, histogram, counter

    def counts(self, way: str, k: int) -> np.ndarray:
        """How many weights have which value, as logarithms, (1, bins)."""
        values = np.clip(self.weights[way][k].reshape(-1), -self.limit, self.limit)
        edges = np.linspace(-self.limit, self.limit, BINS + 1)
        return np.log10(1 + np.histogram(values, edges)[0])[None]

    def zero_counts(self, way: str, k: int) -> np.ndarray:
        only = np.zeros((1, BINS))
        only[0, BINS // 2] = np.log10(1 + self.zeros[way][k])
        return only

    def pictures(self, way: str, k: int) -> np.ndarray:
        return self.weights[way][k].reshape(10, 28, 28)

    def start(self) -> None:
        left, top, width, height = HISTOGRAM
        tallest = np.log10(1 + 7840)
        self.grid = PixelGrid(self.theme, self.pictures("L2", 0), 5, *PICTURES, signed=True, scale=self.bright)
        counts = self.counts("L2", 0)
        self.bars = LayerHistograms(self.theme, counts, HISTOGRAM, role="muted", tallest=tallest)
        marks = VGroup(self.words("0", 16, "muted").put(left + width / 2, top + height + 22, "center"))
        for sign, x in ((-1, self.bars.centres[0] - self.bars.half), (1, self.bars.centres[0] + self.bars.half)):
            marks.add(self.formula(number(sign * self.limit), 16, "muted").put(x, top + height + 22, "center"))
        marks.add(
            self.words("value of a weight (heights logarithmic)", 16, "muted").put(left + width / 2, 446, "center")
        )
        total = int(self.metric("linear_weights"))
        head = self.words(f"{total:,} weights", 18).put(left, 160)
        self.play(FadeIn(self.grid), run_time=0.8)
        self.wait(0.6)
        self.play(FadeIn(self.bars), FadeIn(marks), FadeIn(head), run_time=0.8)
        self.wait(2.2)
        self.head, self.marks = head, marks

    def reached(self) -> int:
        """The last snapshot that was taken by now."""
        step = 10 ** self.now.get_value() - 1
        return max(0, int(np.searchsorted(self.steps, step + 0.5)) - 1)

    def train(self, way: str, name: str) -> None:
        tallest = np.log10(1 + 7840)
        self.now.set_value(0.0)
        bars = LayerHistograms(self.theme, self.counts(way, 0), HISTOGRAM, role=ROLES[way], tallest=tallest)
        zeros = LayerHistograms(self.theme, self.zero_counts(way, 0), HISTOGRAM, role="text", tallest=tallest)
        label = self.words(name, 20, ROLES[way], 700).put(PICTURES[0], 396)
        old = [self.bars, self.head, *getattr(self, "gone", [])]
        self.grid.show(self.pictures(way, 0))
        self.play(*(FadeOut(o) for o in old), FadeIn(bars), FadeIn(zeros), FadeIn(label), run_time=0.5)
        told = self.following(self.now, lambda _: self.told(way))
        steps = self.following(self.now, lambda _: self.progress(way))
        self.add(told, steps)
        followers = (
            (self.grid, lambda grid: grid.show(self.pictures(way, self.reached()))),
            (bars, lambda b: b.show(self.counts(way, self.reached()))),
            (zeros, lambda z: z.show(self.zero_counts(way, self.reached()))),
        )
        for follower, update in followers:
            follower.add_updater(update)
        end = float(np.log10(self.steps[-1] + 1))
        self.play(self.now.animate.set_value(end), rate_func=linear, run_time=6.5)
        for follower in (self.grid, bars, zeros, told, steps):
            follower.clear_updaters()
        self.wait(1.4)
        self.bars, self.head, self.gone = bars, told, [zeros, label, steps]

    def told(self, way: str) -> Typeset:
        zeros, total = int(self.zeros[way][self.reached()]), int(self.metric("linear_weights"))
        return self.words(f"exactly zero (white): #text(weight: 700)[{zeros:,}] of {total:,}", 18).put(
            HISTOGRAM[0], 160
        )

    def progress(self, way: str) -> Typeset:
        step, share = int(self.steps[self.reached()]), 100 * float(self.array(f"accuracy_{way}")[self.reached()])
        words = f"step {step:,}: reads {share:.0f} % of the validation images"
        return self.words(words, 18, "muted").put(PICTURES[0], 428)

    # ---------------------------------------------------------------- one weight

    def enlarged(self) -> None:
        self.play(*(FadeOut(o) for o in (self.grid, self.bars, self.head, self.marks, *self.gone)), run_time=0.5)
        tails = {way: self.array(f"tail_{way}").astype(float) for way in ("slope", "threshold")}
        high = 1.25 * max(float(np.abs(t).max()) for t in tails.values()) or 1.0
        last = int(self.steps[-1])
        steps = np.arange(last - len(tails["slope"]) + 1, last + 1)
        ticks = {float(steps[0]): f"{steps[0]:,}", float(last): f"{last:,}"}
        curves = []
        for k, (way, tail) in enumerate(tails.items()):
            curves.append(
                TrainingCurve(
                    self.type, (150.0, 190.0, 500.0, 240.0), steps, tail, x_ticks={} if k else ticks,
                    y_ticks={} if k else {0.0: "0"}, y_range=(-high, high), title="" if k else "the weight",
                    x_label="" if k else "step", role=ROLES[way],
                )
            )  # fmt: skip
        says = VGroup(
            self.words("by its slope: over zero", 18, ROLES["slope"]).put(676, 240),
            self.words("and back, again and again", 18, ROLES["slope"]).put(676, 266),
            self.words("by the threshold: zero", 18, ROLES["threshold"]).put(676, 322),
        )
        self.now.set_value(float(steps[0]))
        self.play(*(FadeIn(c) for c in curves), run_time=0.6)
        for k, curve in enumerate(curves):
            self.now.set_value(float(steps[0]))
            curve.add_updater(lambda c: c.until(self.now.get_value()))
            self.play(self.now.animate.set_value(float(last)), rate_func=linear, run_time=4.0 - 1.5 * k)
            curve.clear_updaters()
            self.play(FadeIn(says[2] if k else says[:2]), rate_func=smooth, run_time=0.5)
            self.wait(0.8)
        self.wait(0.8)
