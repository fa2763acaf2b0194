"""Day 6: two losses pull on the same real digits; forty labels pull on one answer."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.pixels import PixelGrid
from kit.pulls import PulledDots
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke
from kit.typeset import Typeset
from manim import DashedLine, FadeIn, FadeOut, Line, ValueTracker, VGroup, linear, smooth

LEFT, WIDTH = MARGIN, 604.0  # points: the axis of both scenes
UPPER, LOWER = (148.0, 140.0), (304.0, 140.0)  # top and height of the two lanes
BASE = 454.0  # height of the axis
WORDS = 740.0  # left end of what stands beside the lanes


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


class TwoPulls(LectureScene):
    """Two dozen handwritten threes and sevens, all read wrongly, on an axis of how sure the network is.

    A bar at each dot shows how hard a loss pulls it: the squared error hardly pulls those that are surely wrong, the
    cross-entropy pulls them hardest. Along the real training paths they cross to the right side, at different times.
    """

    def construct(self) -> None:
        self.steps = {name: self.array(f"{name}_steps").astype(float) for name in ("mse", "ce")}
        self.margins = {name: self.array(f"{name}_margins").astype(float) for name in ("mse", "ce")}
        self.count = self.margins["ce"].shape[1]
        everything = np.concatenate([m.ravel() for m in self.margins.values()])
        self.range = (float(np.floor(everything.min())) - 1, float(np.ceil(everything.max())))
        self.now = ValueTracker(0.0)  # log10(steps + 1)
        self.last = int(self.metric("neuron_ce_steps")), int(self.metric("neuron_mse_steps"))
        with self.beat("Real digits, taught wrong"):
            self.digits()
        with self.beat("How hard the squared error pulls"):
            self.pull("mse", UPPER)
        with self.beat("How hard cross-entropy pulls"):
            self.pull("ce", LOWER)
        with self.beat(f"The first {self.last[0]} steps"):
            self.advance(self.last[0], 8.0)
        with self.beat("The squared error goes on"):
            self.whose_pull()
            self.advance(self.last[1], 10.0)
        with self.beat("One digit that had to wait"):
            self.paid()

    # ---------------------------------------------------------------- what is measured

    def at_step(self, name: str, step: float) -> np.ndarray:
        """The logits of the right answers after so many steps; between two measured steps a straight line."""
        return np.array([np.interp(step, self.steps[name], one) for one in self.margins[name].T])

    def force(self, name: str, margins: np.ndarray) -> np.ndarray:
        """The pull on each logit; the squared error's is 27/8 times as strong, as in the run."""
        p = sigmoid(margins)  # of the right answer
        return 1 - p if name == "ce" else float(self.metric("fair")) * 2 * (1 - p) * p * (1 - p)

    def lane(self, name: str, lane: tuple[float, float]) -> PulledDots:
        role = "accent" if name == "ce" else "accent2"
        return PulledDots(self.theme, self.count, (LEFT, lane[0], WIDTH, lane[1]), self.range, role=role, reach=110.0)

    # ---------------------------------------------------------------- 1 the digits

    def axis(self) -> VGroup:
        low, high = self.range
        x = LEFT - low / (high - low) * WIDTH
        ground = Line(at(LEFT, BASE), at(LEFT + WIDTH, BASE), stroke_width=stroke(1.4)).set_stroke(self.theme["muted"])
        zero = DashedLine(at(x, UPPER[0] - 6), at(x, BASE), stroke_width=stroke(1.2)).set_stroke(self.theme["muted"])
        parts = VGroup(ground, zero)
        for value in range(5 * int(np.ceil(low / 5)), int(high) + 1, 5):
            place = LEFT + (value - low) / (high - low) * WIDTH
            parts.add(self.formula(f"{value}", 16, "muted").put(place, BASE + 22, "center"))
        parts.add(self.words("#text(fill: tone.bad)[surely wrong]", 17).put(LEFT, BASE + 48))
        parts.add(self.words("#text(fill: tone.good)[surely right]", 17).put(LEFT + WIDTH, BASE + 48, "right"))
        parts.add(self.words("logit of the right answer", 17, "muted").put(LEFT + WIDTH / 2, BASE + 48, "center"))
        return parts

    def digits(self) -> None:
        pictures = self.array("actor_pixels")
        grid = PixelGrid(self.theme, pictures, 12, LEFT, 150.0, WIDTH, scale=1.0)
        self.play(FadeIn(grid), run_time=0.8)
        words = VGroup(
            self.words("threes and sevens,", 18).put(WORDS - 56, 190),
            self.words("learned with", 18).put(WORDS - 56, 216),
            self.words("swapped labels", 18).put(WORDS - 56, 242),
        )
        self.write_lines(words, 0.2)
        self.play(FadeIn(self.axis()), run_time=0.6)
        self.upper = self.lane("mse", (270.0, 176.0))
        begin = np.array([np.array(grid.picture_box(k)) for k in range(self.count)])
        begin = begin[:, :2] + begin[:, 2:] / 2
        values = self.at_step("mse", 0.0)
        end = np.stack([self.upper.x(values), self.upper.y()], axis=1)
        share = ValueTracker(0.0)
        self.upper.put(begin, values >= 0)
        self.play(FadeIn(self.upper), run_time=0.4)
        self.upper.add_updater(lambda dots: dots.put(begin + (end - begin) * share.get_value(), values >= 0))
        self.play(share.animate.set_value(1.0), rate_func=smooth, run_time=2.0)
        self.upper.clear_updaters()
        self.wait(1.2)
        self.leaving = VGroup(words)
        self.pictures = grid

    # ---------------------------------------------------------------- 2, 3 the pulls

    def pull(self, name: str, lane: tuple[float, float]) -> None:
        values = self.at_step(name, 0.0)
        dots = self.lane(name, lane)
        if name == "mse":  # the dots move up, to make room for a second lane
            self.play(FadeOut(self.leaving), FadeOut(self.pictures), run_time=0.5)
            old, share = self.upper.y(), ValueTracker(0.0)
            x = self.upper.x(values)
            self.upper.add_updater(
                lambda d: d.put(np.stack([x, old + (dots.y() - old) * share.get_value()], axis=1), values >= 0)
            )
            self.play(share.animate.set_value(1.0), rate_func=smooth, run_time=1.0)
            self.remove(self.upper)
            self.upper = dots
        else:
            self.lower = dots
        head, formula = {
            "mse": ("squared error", "27/8 dot 2 (1 - p)^2 p"),
            "ce": ("cross-entropy", "1 - p"),
        }[name]
        role = "accent" if name == "ce" else "accent2"
        dots.show(values)
        if name == "ce":
            self.play(FadeIn(dots), run_time=0.4)
        self.add(dots)
        kinds = VGroup(
            self.words("threes", 16, "muted").put(LEFT + WIDTH + 10, lane[0] + 0.25 * lane[1] + 5),
            self.words("sevens", 16, "muted").put(LEFT + WIDTH + 10, lane[0] + 0.75 * lane[1] + 5),
        )
        self.play(FadeIn(kinds), FadeIn(self.words(head, 19, role, 700).put(WORDS, lane[0] + 18)), run_time=0.5)
        whose = self.words("p: of the right answer", 15, "muted").put(WORDS, lane[0] + 82)
        self.play(FadeIn(self.formula(formula, 18).put(WORDS, lane[0] + 54)), FadeIn(whose), run_time=0.4)
        force, grown = self.force(name, values), ValueTracker(0.0)
        dots.add_updater(lambda d: d.show(values, force * grown.get_value()))
        self.play(grown.animate.set_value(1.0), rate_func=smooth, run_time=1.6)
        dots.clear_updaters()
        self.wait(1.2)

    # ---------------------------------------------------------------- 4, 5 the steps

    def told(self, name: str, lane: tuple[float, float]) -> Typeset:
        """How many steps this lane has made, and how many of all images are right."""
        step = min(self.step(), self.steps[name][-1])
        share = 100 * float(np.interp(step, self.steps[name], self.array(f"{name}_right")))
        words = f"{step:,.0f} steps: #text(weight: 700)[{share:.0f} %]"
        return self.words(words, 18).put(WORDS, lane[0] + 108)

    def step(self) -> float:
        return 10 ** self.now.get_value() - 1

    def whose_pull(self) -> None:
        """Beside each lane: the share of the pull that came from the kind that wins, in the first ten steps."""
        kind = "threes" if self.metric("neuron_stuck_sevens") else "sevens"
        lines = [
            self.words(f"pull by {kind}: {100 * float(self.metric(f'neuron_share_{name}')):.0f} %", 16, role)
            for name, role in (("mse", "accent2"), ("ce", "accent"))
        ]
        for line, (top, _) in zip(lines, (UPPER, LOWER), strict=True):
            line.put(WORDS, top + 134)
        self.play(*(FadeIn(line) for line in lines), run_time=0.6)

    def advance(self, step: int, seconds: float) -> None:
        for old in getattr(self, "counters", ()):
            self.remove(old)
        lanes = (("mse", UPPER, self.upper), ("ce", LOWER, self.lower))
        self.counters = []
        for name, lane, dots in lanes:

            def follow(shown: PulledDots, name: str = name) -> None:
                values = self.at_step(name, self.step())
                shown.show(values, self.force(name, values))

            dots.add_updater(follow)
            self.counters.append(self.following(self.now, lambda _, name=name, lane=lane: self.told(name, lane)))
        self.add(*self.counters)
        self.play(self.now.animate.set_value(np.log10(step + 1)), rate_func=linear, run_time=seconds)
        for follower in (self.upper, self.lower, *self.counters):
            follower.clear_updaters()
        self.wait(1.0)

    # ---------------------------------------------------------------- 6 one digit

    def paid(self) -> None:
        self.play(*(FadeOut(m) for m in self.mobjects[1:]), run_time=0.5)
        actor = int(self.margins["mse"].min(axis=0).argmin())
        picture = PixelGrid(self.theme, self.array("actor_pixels")[[actor]], 1, MARGIN, 176.0, 220.0, scale=1.0)
        first, deepest = self.margins["ce"][0, actor], self.margins["mse"][:, actor].min()
        words = VGroup(
            self.words(f"at the start: {first:.1f}", 18).put(MARGIN, 430),
            self.words(f"#neg[squared error, at worst: {deepest:.1f}]", 18).put(MARGIN, 458),
        )
        self.play(FadeIn(picture), FadeIn(words[0]), run_time=0.8)
        last, (low, high) = self.last[1], self.range
        ticks = {t: f"{t:,}" for t in (1, 10, 100, 1_000) if t <= last}
        levels = {v: f"{v}" for v in range(10 * int(np.ceil(low / 10)), int(high) + 1, 10)}
        curves = VGroup()
        for key, role in (("ce", "accent"), ("mse", "accent2")):
            after = self.steps[key] >= 1
            xs, ys = self.steps[key][after], self.margins[key][after, actor]
            if key == "ce":  # the same axis for both; what lies beyond the last step is never shown
                xs, ys = np.append(xs, last), np.append(ys, ys[-1])
            curve = TrainingCurve(
                self.type, (400.0, 172.0, 480.0, 268.0), xs, ys, x_ticks=ticks, y_ticks=levels, y_range=(low, high),
                title="logit of the right answer", x_label="steps", role=role, step_scale="log",
            )  # fmt: skip
            curves.add(curve if key == "ce" else VGroup(curve.line, curve.head))
            curve.until(0.0)
            setattr(self, f"curve_{key}", curve)
        self.play(FadeIn(curves), run_time=0.6)
        now = ValueTracker(0.0)
        followed = (self.curve_ce, self.curve_mse)
        for part, curve, end in zip(curves, followed, self.last, strict=True):
            part.add_updater(lambda _, curve=curve, end=end: curve.until(min(10 ** now.get_value(), end)))
        self.play(now.animate.set_value(np.log10(last)), rate_func=linear, run_time=5.0)
        for part in curves:
            part.clear_updaters()
        names = VGroup(
            self.words("cross-entropy", 17, "accent", 700).put(420, 196),
            self.words("squared error", 17, "accent2", 700).put(420, 424),
        )
        self.play(FadeIn(names), FadeIn(words[1]), run_time=0.5)
        self.wait(1.6)


class MeanOrMedian(LectureScene):
    """Forty sevens turned by about thirty degrees; some of their labels have the wrong sign.

    One number has to answer for all. Under the squared error far labels pull harder, and the answer rests at the mean.
    Under the absolute error all pull alike, and it rests at the median.
    """

    def construct(self) -> None:
        self.labels = self.array("crowd").astype(float)
        self.paths = {name: self.array(f"crowd_{name}").astype(float) for name in ("squared", "absolute")}
        self.done = ValueTracker(0.0)
        self.lanes = {"squared": (252.0, 92.0), "absolute": (360.0, 92.0)}
        with self.beat("Forty sevens, forty labels"):
            self.crowd()
        with self.beat("Squared error: the far ones pull harder"):
            self.pulls("squared")
        with self.beat("Absolute error: all pull alike"):
            self.pulls("absolute")
        with self.beat("Let go"):
            self.let_go()

    def dots(self, name: str) -> PulledDots:
        top, height = self.lanes[name]
        role = "accent2" if name == "squared" else "accent"
        return PulledDots(
            self.theme, len(self.labels), (LEFT, top, WIDTH, height), (-50.0, 50.0), role=role, radius=2.2, thick=1.6,
            reach=1.0,
        )  # fmt: skip

    def force(self, name: str, answer: float) -> np.ndarray:
        """Bars in points, from each label towards the answer: what it adds to the derivative."""
        error = answer - self.labels
        return 1.5 * error if name == "squared" else 42.0 * np.sign(error)

    def crowd(self) -> None:
        pictures = self.array("crowd_pixels")
        grid = PixelGrid(self.theme, pictures, 20, MARGIN, 142.0, 840.0, scale=1.0)
        self.play(FadeIn(grid), run_time=0.8)
        ground = Line(at(LEFT, BASE + 6), at(LEFT + WIDTH, BASE + 6), stroke_width=stroke(1.4))
        parts = VGroup(ground.set_stroke(self.theme["muted"]))
        shown = self.dots("squared")
        for value in (-45, -30, -15, 0, 15, 30, 45):
            parts.add(self.formula(f"{value}", 16, "muted").put(float(shown.x(value)), BASE + 28, "center"))
        parts.add(self.words("label, degrees", 17, "muted").put(LEFT + WIDTH / 2, BASE + 52, "center"))
        self.play(FadeIn(parts), run_time=0.5)
        self.shown = {name: self.dots(name).show(self.labels) for name in self.lanes}
        self.play(*(FadeIn(d) for d in self.shown.values()), run_time=0.8)
        flipped = int(self.metric("crowd_flipped"))
        words = VGroup(
            self.words(f"#text(fill: tone.good)[{len(self.labels) - flipped} right labels]", 18).put(WORDS, 290),
            self.words(f"#text(fill: tone.bad)[{flipped} wrong signs]", 18).put(WORDS, 316),
        )
        self.write_lines(words, 0.4)
        self.wait(0.6)
        self.beside = words

    def answer(self, name: str) -> float:
        path = self.paths[name]
        return float(np.interp(self.done.get_value(), np.arange(len(path)), path))

    def pulls(self, name: str) -> None:
        top, height = self.lanes[name]
        role = "accent2" if name == "squared" else "accent"
        if self.beside is not None:
            self.play(FadeOut(self.beside), run_time=0.3)
            self.beside = None
        shown, grown = self.shown[name], ValueTracker(0.0)
        x = float(shown.x(self.answer(name)))
        marker = Line(at(x, top - 4), at(x, top + height + 4), stroke_width=stroke(3.0)).set_stroke(self.theme["text"])
        title = {"squared": "squared error", "absolute": "absolute error"}[name]
        self.play(FadeIn(marker), FadeIn(self.words(title, 19, role, 700).put(WORDS, top + 30)), run_time=0.6)
        shown.add_updater(lambda d: d.show(self.labels, self.force(name, self.answer(name)) * grown.get_value()))
        self.play(grown.animate.set_value(1.0), rate_func=smooth, run_time=1.4)
        shown.clear_updaters()
        self.wait(1.2)
        self.markers = {**getattr(self, "markers", {}), name: marker}

    def told(self, name: str) -> Typeset:
        top, _ = self.lanes[name]
        return self.words(f"answer: #text(weight: 700)[{self.answer(name):.1f}°]", 18).put(WORDS, top + 60)

    def let_go(self) -> None:
        counters = [self.following(self.done, lambda _, name=name: self.told(name)) for name in self.lanes]
        for name, shown in self.shown.items():
            shown.add_updater(lambda d, name=name: d.show(self.labels, self.force(name, self.answer(name))))
            top, height = self.lanes[name]
            self.markers[name].add_updater(
                lambda m, name=name, top=top, height=height, dots=shown: m.move_to(
                    at(float(dots.x(self.answer(name))), top + height / 2)
                )
            )
        self.add(*counters)
        last = len(self.paths["squared"]) - 1
        self.play(self.done.animate.set_value(last), rate_func=linear, run_time=7.0)
        for follower in (*self.shown.values(), *self.markers.values(), *counters):
            follower.clear_updaters()
        mean, median = float(self.metric("crowd_mean")), float(self.metric("crowd_median"))
        names = VGroup(
            self.words(f"the mean: {mean:.1f}°", 17, "muted").put(WORDS, self.lanes["squared"][0] + 86),
            self.words(f"the median: {median:.1f}°", 17, "muted").put(WORDS, self.lanes["absolute"][0] + 86),
        )
        self.play(FadeIn(names), run_time=0.5)
        self.wait(1.4)
