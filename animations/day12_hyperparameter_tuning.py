"""Day 12: sixteen runs of a grid and sixteen random ones cast shadows; the best so far climbs, its truth does not."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.plane import Plane
from kit.scene import LectureScene
from kit.theme import at, stroke, units
from kit.trials import BestSoFar, Trials
from kit.typeset import Typeset
from manim import FadeIn, FadeOut, Line, Rectangle, ValueTracker, VGroup, linear

FIELD = (146.0, 168.0, 430.0, 246.0)  # points: left, top, width, height of the plane of the search
SIDE = 640.0  # left edge of the words beside it
TICKS, NAMES = 460.0, 486.0  # baselines below the plane
RACE = (112.0, 170.0, 520.0, 268.0)
AVERAGES = (112.0, 184.0, 520.0, 254.0)


class GridAndRandom(LectureScene):
    """Sixteen runs of a grid land in the plane of learning rate and width, coloured by their validation accuracy.

    Their shadows on the axis of the rate are four marks. Sixteen random runs cast sixteen. Then the dots rise to the
    height of their accuracy: over the rate there is a shape.
    """

    def construct(self) -> None:
        self.grid_runs, self.random_runs = self.array("scene_grid"), self.array("scene_random")
        self.rates = np.log10([self.metric("lowest_rate"), self.metric("highest_rate")])
        self.widths = np.array(self.metric("widths"), float)
        both = np.concatenate([self.grid_runs[:, 2], self.random_runs[:, 2]])
        self.limits = float(both.min()), float(both.max())
        with self.beat("Two numbers to choose"):
            self.field()
        with self.beat(f"A grid: {len(self.grid_runs)} runs"):
            self.search(self.grid_runs, "accent2")
        with self.beat("Its shadows"):
            self.shadows(self.grid_runs)
        with self.beat(f"At random: {len(self.random_runs)} runs"):
            self.play(FadeOut(self.trials), FadeOut(self.marks), FadeOut(self.said), run_time=0.5)
            self.search(self.random_runs, "accent")
        with self.beat("Their shadows"):
            self.shadows(self.random_runs)
        with self.beat("From the side: accuracy over the rate"):
            self.from_the_side()
        with self.beat("Accuracy over the width"):
            self.from_the_other_side()

    def place(self, runs: np.ndarray) -> np.ndarray:
        return np.log10(runs[:, :2])

    def field(self) -> None:
        step = np.log10(self.widths[1] / self.widths[0]) / 2
        y_range = float(np.log10(self.widths[0]) - step), float(np.log10(self.widths[-1]) + step)
        self.plane = Plane(self.type, FIELD, (float(self.rates[0]), float(self.rates[1])), y_range, zero=False)
        self.rate_ticks = self.ticks_of_rates()
        self.width_ticks = VGroup(
            *(self.tick_left(np.log10(width), f"{width:.0f}") for width in self.widths),
            self.words("width", 16, "muted").put(FIELD[0], FIELD[1] - 10),
        )
        self.play(FadeIn(self.plane), run_time=0.5)
        self.play(FadeIn(self.rate_ticks), run_time=0.6)
        self.play(FadeIn(self.width_ticks), run_time=0.6)
        self.legend = self.brightness()
        self.play(FadeIn(self.legend), run_time=0.6)
        self.wait(1.0)

    def ticks_of_rates(self) -> VGroup:
        ticks = VGroup(self.words("learning rate", 16, "muted").put(FIELD[0] + FIELD[2] / 2, NAMES, "center"))
        for power in range(round(self.rates[0]), round(self.rates[1]) + 1):
            across = self.plane.on_page(power, self.plane.y_range[0])[0]
            ticks.add(self.formula(f"10^({power})", 15, "muted").put(across, TICKS, "center"))
        return ticks

    def tick_left(self, y: float, text: str) -> Typeset:
        return self.words(text, 16, "muted").put(FIELD[0] - 32, self.plane.on_page(0, y)[1] + 5, "right")

    def brightness(self) -> VGroup:
        """What the brightness of a dot means."""
        bar, wide = VGroup(), 11.0
        for k in range(12):
            box = Rectangle(width=units(wide), height=units(14), stroke_width=0, fill_opacity=1.0)
            box.set_fill(self.theme.mix("surface", "accent", k / 11))
            bar.add(box.move_to(at(SIDE + (k + 0.5) * wide, 206)))
        low, high = (f"{100 * limit:.0f} %" for limit in self.limits)
        return VGroup(
            bar,
            self.words("validation accuracy", 16, "muted").put(SIDE, 188),
            self.words(low, 16, "muted").put(SIDE, 234),
            self.words(high, 16, "muted").put(SIDE + 12 * wide, 234, "right"),
        )

    def search(self, runs: np.ndarray, outline: str) -> None:
        self.trials = Trials(self.plane, self.place(runs), runs[:, 2], self.limits, outline=outline)
        self.play(self.trials.land(4.0))
        best = self.words(f"best: {100 * runs[:, 2].max():.1f} %", 20).put(SIDE, 292)
        self.play(FadeIn(best), run_time=0.5)
        self.wait(0.8)
        self.said = VGroup(best)

    def shadows(self, runs: np.ndarray) -> None:
        below = self.trials.shadows(0)
        self.play(self.trials.cast(below, 3.0))
        count = len(np.unique(runs[:, 0]))
        told = self.words(f"#text(weight: 700)[{count}] different rates", 20).put(SIDE, 332)
        self.play(FadeIn(told), run_time=0.5)
        left = self.trials.shadows(1)
        self.play(self.trials.cast(left, 2.0))
        widths = self.words(f"{len(np.unique(runs[:, 1]))} different widths", 20).put(SIDE, 364)
        self.play(FadeIn(widths), run_time=0.5)
        self.wait(0.8)
        self.marks = VGroup(below, left)
        self.said = VGroup(*self.said, told, widths)

    def from_the_side(self) -> None:
        """The height of a dot becomes its accuracy."""
        self.grid = Trials(self.plane, self.place(self.grid_runs), self.grid_runs[:, 2], self.limits, outline="accent2")
        low, high = self.plane.y_range
        self.heights = {
            id(trials): low + (high - low) * runs[:, 2]
            for trials, runs in ((self.trials, self.random_runs), (self.grid, self.grid_runs))
        }
        self.play(FadeOut(self.marks), FadeOut(self.said), FadeOut(self.width_ticks), FadeIn(self.grid), run_time=0.6)
        moves = [
            move
            for trials in (self.trials, self.grid)
            for move in trials.move(np.stack([trials.xy[:, 0], self.heights[id(trials)]], axis=1))
        ]
        levels = VGroup(
            self.tick_left(low + (high - low) * share, f"{100 * share:.0f} %") for share in (0, 1 / 4, 1 / 2, 3 / 4, 1)
        )
        name = self.words("validation accuracy", 16, "muted").put(FIELD[0], FIELD[1] - 10)
        self.play(*moves, FadeIn(levels), FadeIn(name), run_time=2.4)
        who = VGroup(
            self.words("outlined: which search", 16, "muted").put(SIDE, 290),
            self.words("#neg[grid]", 20).put(SIDE, 320),
            self.words("#pos[random]", 20).put(SIDE, 348),
        )
        self.play(FadeIn(who), run_time=0.5)
        self.wait(1.2)

    def from_the_other_side(self) -> None:
        """Across becomes the width; the heights stay."""
        low, high = self.plane.y_range
        begin, end = self.plane.x_range
        ticks = VGroup(self.words("width", 16, "muted").put(FIELD[0] + FIELD[2] / 2, NAMES, "center"))
        for width in self.widths:
            across = self.plane.on_page(begin + (end - begin) * (np.log10(width) - low) / (high - low), low)[0]
            ticks.add(self.words(f"{width:.0f}", 16, "muted").put(across, TICKS, "center"))
        self.play(FadeOut(self.rate_ticks), run_time=0.4)
        moves = []
        for trials, runs in ((self.trials, self.random_runs), (self.grid, self.grid_runs)):
            across = begin + (end - begin) * (np.log10(runs[:, 1]) - low) / (high - low)
            moves += trials.move(np.stack([across, self.heights[id(trials)]], axis=1))
        self.play(*moves, FadeIn(ticks), run_time=2.4)
        self.wait(1.6)


class WinnersCurse(LectureScene):
    """Runs of one and the same config land one after the other; the best so far climbs.

    On fresh images the networks that lead do not climb. Averaged over all orders, and for a real search, the promise
    runs ahead of the truth.
    """

    def construct(self) -> None:
        self.val, self.fresh = (100 * (v - v.mean()) for v in (self.array("luck_val"), self.array("luck_fresh")))
        self.moment = ValueTracker(0.0)
        with self.beat(f"One config, {len(self.val)} seeds"):
            self.promise()
        with self.beat("The same networks on fresh images"):
            self.truth()
        with self.beat("All orders, many validation sets"):
            self.averages("luck_curse", "best of N seeds of one config")
        with self.beat("A real search"):
            self.averages("search_curse", "best of N random configs", begin=2)

    def promise(self) -> None:
        most = 1.12 * max(np.abs(self.val).max(), np.abs(self.fresh).max())
        self.plane = Plane(self.type, RACE, (0.0, len(self.val) + 1.0), (-most, most), "run")
        marks = VGroup(self.words("points above the average of all", 16, "muted").put(RACE[0], RACE[1] - 12))
        for level in range(-int(most), int(most) + 1):
            sign = "+" if level > 0 else "−" if level < 0 else ""
            y = self.plane.on_page(0, level)[1] + 5
            marks.add(self.words(f"{sign}{abs(level)}", 16, "muted").put(RACE[0] - 8, y, "right"))
        self.play(FadeIn(self.plane), FadeIn(marks), run_time=0.6)
        self.blue = BestSoFar(self.plane, self.val, self.val, "accent")
        told = VGroup(
            self.words("#pos[on the validation images]", 18).put(SIDE + 20, 210),
            self.words("line: the best so far", 18).put(SIDE + 20, 238),
        )
        self.play(FadeIn(told), run_time=0.5)
        self.run_race(self.blue, 7.0)
        best = self.words(f"at the end: {self.val.max():+.1f} points", 18, "accent").put(SIDE + 20, 272)
        self.play(FadeIn(best), run_time=0.5)
        self.wait(1.0)
        self.shown = VGroup(self.plane, marks, told, best)

    def run_race(self, race: BestSoFar, seconds: float) -> None:
        self.moment.set_value(0.0)
        self.add(race)
        race.add_updater(lambda r: r.until(self.moment.get_value()))
        self.play(self.moment.animate.set_value(float(len(self.val))), rate_func=linear, run_time=seconds)
        race.clear_updaters()

    def truth(self) -> None:
        self.green = BestSoFar(self.plane, self.fresh, self.val, "good")
        told = VGroup(
            self.words("#text(fill: tone.good)[on fresh images]", 18).put(SIDE + 20, 326),
            self.words("line: who leads in #pos[blue]", 18).put(SIDE + 20, 354),
        )
        self.play(FadeIn(told), run_time=0.5)
        self.play(self.blue.dots.animate.set_fill(opacity=0.15), run_time=0.4)
        self.run_race(self.green, 7.0)
        end = self.fresh[self.val.argmax()]
        last = self.words(f"at the end: {end:+.1f} points".replace("-", "−"), 18, "good").put(SIDE + 20, 388)
        self.play(FadeIn(last), run_time=0.5)
        self.wait(1.0)
        self.shown.add(self.blue, self.green, told, last)

    def averages(self, name: str, label: str, begin: int = 0) -> None:
        """Promise and truth of the best of N, for N from 2 ** begin on."""
        counts, table = self.array("curse_counts")[begin:], 100 * self.array(name)[:, begin:]
        low, high = float(np.floor(table.min())), float(np.ceil(table.max()))
        levels = np.arange(low, high + 1, max(1, round((high - low) / 5)))
        look = {
            "x_ticks": {int(n): f"{int(n)}" for n in counts[::2]}, "x_label": label, "step_scale": "log",
            "y_ticks": {v: f"{v:.0f} %" for v in levels}, "y_range": (low, high),
        }  # fmt: skip
        promise = TrainingCurve(self.type, AVERAGES, counts, table[0], title="accuracy", **look)
        empty = look | {"x_ticks": {}, "y_ticks": {}, "x_label": ""}
        truth = TrainingCurve(self.type, AVERAGES, counts, table[1], role="good", **empty)
        self.play(FadeOut(self.shown), run_time=0.5)
        self.play(FadeIn(promise), FadeIn(truth), run_time=0.5)
        self.moment.set_value(float(begin))
        last = np.log2(float(counts[-1]))
        for curve in (promise, truth):
            curve.add_updater(lambda c: c.until(2.0 ** self.moment.get_value()))
        self.play(self.moment.animate.set_value(last), rate_func=linear, run_time=4.5)
        for curve in (promise, truth):
            curve.clear_updaters()
        ends = [
            AVERAGES[1] + (1 - (value - low) / (high - low)) * AVERAGES[3] for value in (table[0, -1], table[1, -1])
        ]
        gap = Line(at(SIDE + 4, ends[0]), at(SIDE + 4, ends[1]), stroke_width=stroke(3.0)).set_stroke(self.theme["bad"])
        middle = (ends[0] + ends[1]) / 2
        told = VGroup(
            self.words("#pos[promise]: validation", 18).put(SIDE + 20, min(ends[0], middle - 32) + 4),
            self.words(f"{table[0, -1] - table[1, -1]:.1f} points too much", 18, "bad").put(SIDE + 20, middle + 6),
            self.words("#text(fill: tone.good)[truth]: fresh images", 18).put(SIDE + 20, max(ends[1], middle + 32) + 8),
        )
        self.play(FadeIn(gap), FadeIn(told), run_time=0.6)
        self.wait(1.4)
        self.shown = VGroup(promise, truth, gap, told)
