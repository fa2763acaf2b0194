"""Day 9: two curves that turn at different times; wrong labels learned by heart; polynomials that leave ghosts."""

from __future__ import annotations

import numpy as np
from kit.bend import BentCurve, Cloud, View
from kit.curve import TrainingCurve
from kit.pixels import PixelGrid
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke, units
from kit.typeset import number
from manim import Create, DashedLine, FadeIn, FadeOut, Line, Rectangle, ValueTracker, VGroup, linear, smooth

LOSS, ACCURACY = (116.0, 172.0, 450.0, 128.0), (116.0, 346.0, 450.0, 108.0)  # points: left, top, width, height
SIDE = 622.0  # left edge of what stands beside the curves
PICTURES, BARS = (SIDE, 168.0, 42.0), (676.0, 190.0)  # left, top, width of the pictures; left and length of the bars


def epoch_ticks(last: int, first: int = 0) -> dict[float, str]:
    return {float(max(k, first)): str(max(k, first)) for k in range(0, last + 1, max(1, last // 5))}


class TwoMoments(LectureScene):
    """Loss and accuracy of one training run, on its own and on new images, drawn epoch by epoch.

    A line marks the lowest validation loss, another the highest validation accuracy. Bars show how sure the network is
    of answers that are wrong. At the end the same with wrong training labels.
    """

    def construct(self) -> None:
        self.epoch, self.last = ValueTracker(1.0), int(self.metric("epochs"))
        with self.beat(f"{int(self.metric('images')):,} images, epoch by epoch"):
            self.panels("clean")
            legend = VGroup(
                self.words("training: it learns from these", 18, "accent2").put(SIDE, 214),
                self.words("validation: new images", 18, "accent").put(SIDE, 244),
            )
            self.play(FadeIn(self.curves), FadeIn(legend), run_time=0.8)
            low, high = int(self.metric("first_lowest")), int(self.metric("first_highest"))
            self.run_to(low, 4.5)
            self.flag(low, "lowest loss", LOSS)
            self.wait(0.8)
        with self.beat("And on"):
            self.wait(0.3)
            self.run_to(max(low, high), 3.5)
            self.flag(high, "highest accuracy", ACCURACY)
            self.run_to(self.last, 2.0)
            self.wait(1.0)
        with self.beat("Wrong, and how sure"):
            self.play(FadeOut(legend), run_time=0.3)
            self.wrong_ones(low)
        with self.beat(f"Now with {100 * self.metric('wrong_share'):.0f} % wrong labels"):
            self.play(*(FadeOut(m) for m in (*self.beside, self.curves, self.flags)), run_time=0.5)
            self.panels("noisy")
            self.epoch.set_value(1.0)
            told = self.words("their labels are true", 18, "muted").put(SIDE, 274)
            self.play(FadeIn(self.curves), FadeIn(legend), FadeIn(told), run_time=0.6)
            marks = [("first_noisy_lowest", "lowest loss", LOSS), ("first_noisy_highest", "highest accuracy", ACCURACY)]
            for name, words, box in sorted(marks, key=lambda mark: self.metric(mark[0])):
                self.run_to(int(self.metric(name)), 1.6)
                self.flag(int(self.metric(name)), words, box)
            self.run_to(self.last, 5.0)
            self.wait(1.2)

    def panels(self, name: str) -> None:
        """Both pairs of axes with their curves, from the first epoch on."""
        epochs = np.arange(1, self.last + 1)
        values = {
            kind: {which: self.array(f"{name}_{which}_{kind}")[1:] for which in ("train", "val")}
            for kind in ("loss", "accuracy")
        }
        top = np.ceil(10 * max(v.max() for v in values["loss"].values())) / 10
        floor = np.floor(10 * min(v.min() for v in values["accuracy"].values())) / 10
        levels = {0.0: "0", top / 2: f"{top / 2:g}", top: f"{top:g}"}
        shares = {share: f"{100 * share:.0f} %" for share in (floor, (floor + 1) / 2, 1.0)}
        self.curves, self.flags = VGroup(), VGroup()
        for role, which in (("accent2", "train"), ("accent", "val")):
            first = which == "train"
            self.curves.add(
                TrainingCurve(
                    self.type, LOSS, epochs, values["loss"][which], role=role, y_range=(0.0, top),
                    x_ticks={}, y_ticks=levels if first else {}, title="loss" if first else "",
                ),
                TrainingCurve(
                    self.type, ACCURACY, epochs, values["accuracy"][which], role=role,
                    y_range=(floor, 1.0), x_ticks=epoch_ticks(self.last, 1) if first else {},
                    y_ticks=shares if first else {}, title="accuracy" if first else "",
                    x_label="epoch" if first else "",
                ),
            )  # fmt: skip

    def x_of(self, epoch: float) -> float:
        return LOSS[0] + (epoch - 1) / (self.last - 1) * LOSS[2]

    def run_to(self, epoch: int, seconds: float) -> None:
        for curve in self.curves:
            curve.add_updater(lambda c: c.until(self.epoch.get_value()))
        self.play(self.epoch.animate.set_value(float(epoch)), rate_func=linear, run_time=seconds)
        for curve in self.curves:
            curve.clear_updaters()

    def flag(self, epoch: int, words: str, box: tuple[float, float, float, float]) -> None:
        """A line through both panels, and its words: at the top of the upper one, or above the lower one."""
        x = self.x_of(epoch)
        role = "text" if box is LOSS else "good"
        y = box[1] + 12 if box is LOSS else box[1] - 12
        line = VGroup(
            DashedLine(at(x, top), at(x, top + height), dash_length=0.08) for _, top, _, height in (LOSS, ACCURACY)
        ).set_stroke(self.theme[role], stroke(1.6))
        left = epoch > 0.6 * self.last
        x = x if left or box is LOSS else max(x, LOSS[0] + 84)  # beside the title
        name = self.words(f"{words}: epoch {epoch}", 16, role).put(
            x + (-7 if left else 7), y, "right" if left else "left"
        )
        self.flags.add(line, name)
        self.play(Create(line), FadeIn(name), run_time=0.5)

    def wrong_ones(self, low: int) -> None:
        """Images that are read wrong at the lowest loss and at the end; the bars go from one to the other."""
        pixels, sure = self.array("wrong_pixels"), self.array("wrong_sure")  # (k, 28, 28), (epochs + 1, k)
        digits, answers = self.array("wrong_digits"), self.array("wrong_answers")
        grid = PixelGrid(self.theme, pixels, 1, *PICTURES, gap=5, scale=1.0)
        left, longest = BARS
        names, tracks, bars = VGroup(), VGroup(), VGroup()
        for k, (digit, answer) in enumerate(zip(digits, answers, strict=True)):
            top = grid.picture_box(k)[1]
            names.add(self.words(f"a {digit}, read as {answer}", 16).put(left, top + 15))
            for group, role in ((tracks, "line"), (bars, "bad")):
                bar = Rectangle(width=units(longest), height=units(12), stroke_width=0, fill_opacity=1)
                group.add(bar.set_fill(self.theme[role]).move_to(at(left + longest / 2, top + 31)))
        bottom = grid.box[1] + grid.box[3] + 20
        scale = VGroup(
            self.words("how sure of the wrong answer", 16, "muted").put(SIDE, PICTURES[1] - 16),
            self.words("0", 16, "muted").put(left, bottom),
            self.words("100 %", 16, "muted").put(left + longest, bottom, "right"),
        )
        now = ValueTracker(float(low))
        marker = Line(at(0, LOSS[1]), at(0, ACCURACY[1] + ACCURACY[3])).set_stroke(self.theme["bad"], stroke(2.2))

        def grow(shown: VGroup) -> None:
            for k, bar in enumerate(shown):
                long = max(0.5, longest * float(np.interp(now.get_value(), np.arange(len(sure)), sure[:, k])))
                bar.stretch_to_fit_width(units(long)).set_x(at(left + long / 2, 0)[0])

        def follow(shown: Line) -> None:
            shown.set_x(at(self.x_of(now.get_value()), 0)[0])

        grow(bars)
        follow(marker)
        self.play(*(FadeIn(m) for m in (grid, names, tracks, scale, bars, marker)), run_time=0.9)
        self.wait(2.0)
        bars.add_updater(grow)
        marker.add_updater(follow)
        self.play(now.animate.set_value(float(self.last)), rate_func=linear, run_time=5.0)
        bars.clear_updaters()
        marker.clear_updaters()
        self.wait(1.0)
        self.beside = [grid, *VGroup(names, tracks, scale, bars, marker)]  # a picture cannot be in a group of paths


GRID = (MARGIN, 152.0, 420.0)  # points: left, top, width of the pictures
SHARES = (590.0, 180.0, 300.0, 224.0)
LEGEND = 480.0  # baseline


class LearningOurMistakes(LectureScene):
    """Training images with wrong labels, and what the network answers on them in every epoch.

    A green frame: the true digit, against the label. A red frame: the label. The shares of all mislabelled images draw
    themselves beside, and at the end the accuracy on new images.
    """

    def construct(self) -> None:
        self.epoch, self.last = ValueTracker(0.0), int(self.metric("epochs"))
        with self.beat("Labels that are wrong"):
            self.pictures()
        with self.beat("First it knows better"):
            self.shares()
            self.run_to(int(self.metric("first_knows_better")), 3.5)
            self.wait(1.5)
        with self.beat("Then it gives in"):
            self.wait(0.3)
            self.run_to(self.last, 7.0)
            self.wait(1.0)
        with self.beat("And new digits"):
            self.new_digits()

    def pictures(self) -> None:
        self.grid = PixelGrid(self.theme, self.array("mistake_pixels"), 6, *GRID, gap=16, scale=1.0)
        self.frames, labels = VGroup(), VGroup()
        for k, given in enumerate(self.array("mistake_given")):
            left, top, width, height = self.grid.picture_box(k)
            frame = Rectangle(width=units(width + 5), height=units(height + 5), fill_opacity=0)
            self.frames.add(frame.move_to(at(left + width / 2, top + height / 2)))
            labels.add(self.words(str(int(given)), 16, "bad").put(left + width / 2, top + height + 20, "center"))
        self.frames.set_stroke(self.theme["line"], stroke(3.0))
        told = self.words("#text(fill: tone.bad)[red digit]: the label that we gave", 17, "muted").put(MARGIN, LEGEND)
        self.play(FadeIn(self.grid), run_time=0.8)
        self.play(FadeIn(labels, lag_ratio=0.05), FadeIn(told), run_time=1.6)
        self.wait(1.0)
        self.told = told

    def curve(self, name: str, role: str, axes: bool = False) -> TrainingCurve:
        count = int(self.metric("wrong_images"))
        return TrainingCurve(
            self.type, SHARES, np.arange(self.last + 1), self.array(name), role=role, y_range=(0.0, 1.0),
            x_ticks=epoch_ticks(self.last) if axes else {},
            y_ticks={0.0: "0 %", 0.5: "50 %", 1.0: "100 %"} if axes else {},
            title=f"all {count:,} mislabelled images: it answers" if axes else "", x_label="epoch" if axes else "",
        )  # fmt: skip

    def shares(self) -> None:
        self.truth, self.given = self.curve("mistake_says_truth", "good", True), self.curve("mistake_says_given", "bad")
        legend = VGroup(
            self.words("the true digit", 17, "good").put(SHARES[0], LEGEND),
            self.words("our label", 17, "bad").put(SHARES[0] + 124, LEGEND),
        )
        frames = "frame: #text(fill: tone.good)[the true digit], #text(fill: tone.bad)[our label], another"
        told = self.words(frames, 17, "muted").put(MARGIN, LEGEND)
        self.play(
            FadeOut(self.told), FadeIn(told), FadeIn(self.truth), FadeIn(self.given), FadeIn(legend), run_time=0.6
        )
        self.add(self.frames)

    def run_to(self, epoch: int, seconds: float) -> None:
        answers, truth, given = (self.array(f"mistake_{name}") for name in ("answers", "truth", "given"))
        self.seen = -1

        def colour(frames: VGroup) -> None:
            now = round(self.epoch.get_value())
            if now != self.seen:
                self.seen = now
                for frame, answer, right, wrong in zip(frames, answers[now], truth, given, strict=True):
                    role = "good" if answer == right else "bad" if answer == wrong else "muted"
                    frame.set_stroke(self.theme[role])

        moving = [
            (self.frames, colour),
            *((c, lambda c: c.until(self.epoch.get_value())) for c in (self.truth, self.given)),
        ]
        for mobject, updater in moving:
            mobject.add_updater(updater)
        self.play(self.epoch.animate.set_value(float(epoch)), rate_func=linear, run_time=seconds)
        for mobject, _ in moving:
            mobject.clear_updaters()

    def new_digits(self) -> None:
        accuracy = self.curve("noisy_val_accuracy", "accent")
        name = self.words("new digits", 17, "accent").put(SHARES[0] + SHARES[2], LEGEND, "right")
        self.play(FadeIn(name), run_time=0.4)
        self.add(accuracy)
        self.epoch.set_value(0.0)
        accuracy.add_updater(lambda c: c.until(self.epoch.get_value()))
        self.play(self.epoch.animate.set_value(float(self.last)), rate_func=linear, run_time=5.0)
        accuracy.clear_updaters()
        self.wait(1.2)


VIEW = View((MARGIN, 150.0, 560.0, 346.0), (0.0, 1.0), (-2.7, 1.8))
WORDS, ERRORS = 660.0, (700.0, 186.0, 190.0, 226.0)
SUM = "text"  # colour of bias² + variance, and of the mean of the fits


class GhostsOfAFit(LectureScene):
    """Polynomials through the same places, measured again and again: each fit leaves a ghost.

    A straight line gives a thin cloud in the wrong place, a high degree a wide cloud around the truth.
    """

    def construct(self) -> None:
        self.grid, self.degrees = self.array("ghost_grid"), self.array("ghost_degrees").astype(int)
        self.heights, self.fits = self.array("ghost_heights"), self.array("ghost_fits")
        with self.beat("One measurement, one fit"):
            self.first()
        with self.beat("The same again, with other noise"):
            self.wait(0.3)
            self.cloud(0, 6.0)
        with self.beat(f"Degree {self.degrees[1]}"):
            self.next_degree(1)
            self.cloud(1, 3.5)
        with self.beat(f"Degree {self.degrees[2]}"):
            self.next_degree(2)
            self.cloud(2, 5.0)
        with self.beat("Every degree"):
            self.every_degree()

    def page(self, values: np.ndarray) -> np.ndarray:
        """A curve over the grid in points of the page; what leaves the view is left out."""
        places = np.stack([self.grid, values], axis=1)
        page = VIEW.page(places)
        page[~VIEW.inside(places)] = np.nan
        return page

    def first(self) -> None:
        truth = BentCurve(self.theme, "good", 3.0).show(self.page(self.array("ghost_truth")))
        self.points, self.fit = Cloud(self.theme, "muted", 4.0), BentCurve(self.theme, "accent", 3.0)
        self.at_time(0, 0.0)
        legend = VGroup(
            self.words("the truth", 18, "good").put(WORDS, 190),
            self.words(f"{len(self.heights[0])} points: truth and noise", 18, "muted").put(WORDS, 220),
            self.words(f"fit of degree {self.degrees[0]}", 18, "accent").put(WORDS, 250),
        )
        self.play(FadeIn(VIEW.ground(self.theme)), Create(truth), FadeIn(legend[0]), run_time=1.4)
        self.play(FadeIn(self.points), FadeIn(legend[1]), run_time=0.8)
        self.wait(0.6)
        self.play(Create(self.fit), FadeIn(legend[2]), run_time=1.2)
        self.wait(1.0)
        self.legend = legend

    def at_time(self, which: int, time: float) -> None:
        """Points and fit between two measurements; a fit is linear in its data, so what lies between is a fit, too."""
        k, share = min(int(time), len(self.heights) - 2), time - min(int(time), len(self.heights) - 2)
        between = [(1 - share) * v[k] + share * v[k + 1] for v in (self.heights, self.fits[which])]
        places = np.stack([self.array("ghost_places"), between[0]], axis=1)
        self.points.show(VIEW.page(places[VIEW.inside(places)]))
        self.fit.show(self.page(between[1]))

    def cloud(self, which: int, seconds: float) -> None:
        """Measure again and again; every fit leaves its ghost. Then the mean of all, and what it means in numbers."""
        self.ghosts = VGroup(*(BentCurve(self.theme, "accent", 1.6).show(self.page(fit)) for fit in self.fits[which]))
        self.ghosts.set_stroke(opacity=0.0)
        time = ValueTracker(0.0)

        def haunt(ghosts: VGroup) -> None:
            self.at_time(which, time.get_value())
            for k, ghost in enumerate(ghosts):
                ghost.set_stroke(opacity=0.3 if k <= time.get_value() else 0.0)

        self.add(self.ghosts, self.points, self.fit)
        self.ghosts.add_updater(haunt)
        self.play(time.animate.set_value(len(self.heights) - 1.0), rate_func=smooth, run_time=seconds)
        self.ghosts.clear_updaters()
        degree = self.degrees[which]
        bias2, variance = float(self.array("poly_bias2")[degree]), float(self.array("poly_variance")[degree])
        self.mean = BentCurve(self.theme, SUM, 3.6).show(self.page(self.array("ghost_means")[which]))
        self.numbers = VGroup(
            self.words("the mean of all fits", 18, SUM).put(WORDS, 300),
            self.formula(f'upright("bias")^2 = {number(max(bias2, 0.0))}', 20, "violet").put(WORDS, 346),
            self.formula(f'upright("variance") = {number(variance)}', 20, "accent").put(WORDS, 384),
        )
        self.play(FadeOut(self.fit), FadeOut(self.points), FadeIn(self.mean), FadeIn(self.numbers[0]), run_time=0.8)
        self.play(FadeIn(self.numbers[1:]), run_time=0.5)
        self.wait(1.4)

    def next_degree(self, which: int) -> None:
        """The old cloud goes; the first measurement again, with another degree."""
        self.play(
            FadeOut(self.ghosts), FadeOut(self.mean), FadeOut(self.numbers), FadeOut(self.legend[2]), run_time=0.5
        )
        self.at_time(which, 0.0)
        name = self.words(f"fit of degree {self.degrees[which]}", 18, "accent").put(WORDS, 250)
        self.legend = VGroup(self.legend[0], self.legend[1], name)
        self.play(FadeIn(self.points), FadeIn(self.fit), FadeIn(name), run_time=0.6)

    def every_degree(self) -> None:
        bias2, variance = self.array("poly_bias2"), self.array("poly_variance")
        degrees, low, high = np.arange(len(bias2)), -3.0, 0.5
        self.play(FadeOut(self.numbers), FadeOut(self.legend), run_time=0.4)
        curves = VGroup()
        for role, values in ((SUM, bias2 + variance), ("violet", bias2), ("accent", variance)):
            first = role == SUM
            curve = TrainingCurve(
                self.type, ERRORS, degrees, np.log10(np.maximum(values, 10**low)), role=role, y_range=(low, high),
                x_ticks={0: "0", 5: "5", 10: "10", 15: "15"} if first else {}, x_label="degree" if first else "",
                y_ticks={k: f"{10.0**k:g}" for k in (-3, -2, -1, 0)} if first else {},
                title="squared error" if first else "",
            )  # fmt: skip
            curves.add(curve)
        words = (("bias²", "violet", 640), ("variance", "accent", 710), ("together", SUM, 810))
        names = VGroup(self.words(text, 18, role).put(x, 492) for text, role, x in words)
        self.play(FadeIn(curves), FadeIn(names), run_time=0.6)
        now = ValueTracker(0.0)
        for curve in curves:
            curve.add_updater(lambda c: c.until(now.get_value()))
        self.play(now.animate.set_value(float(degrees[-1])), rate_func=linear, run_time=4.5)
        for curve in curves:
            curve.clear_updaters()
        self.wait(1.2)
