"""Day 3: a trained layer bends the plane until one line separates XOR; two layers pull the two moons apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from contourpy import contour_generator
from kit.bend import BentCurve, BentGrid, Cloud, View, line_through
from kit.curve import TrainingCurve
from kit.scene import LectureScene
from kit.typeset import Typeset
from manim import FadeIn, FadeOut, ValueTracker, VGroup, linear, smooth

BOX = (92.0, 140.0, 346.0, 346.0)  # points: left, top, width, height of the window
BESIDE, CURVE = 500.0, (540.0, 330.0, 350.0, 112.0)  # where the words begin; the curve
Layers = list[tuple[np.ndarray, np.ndarray]]


class Training:
    """The layers of a network at the steps at which the run kept them; between two of these, in between."""

    def __init__(self, array: Callable[[str], np.ndarray], prefix: str, layers: int) -> None:
        self.steps = array(f"{prefix}_steps").astype(float)
        self._kept = [
            tuple(array(f"{prefix}_{part}{k}").astype(float) for part in ("W", "b")) for k in range(1, layers + 1)
        ]

    def at(self, step: float) -> Layers:
        place = float(np.interp(step, self.steps, np.arange(len(self.steps))))
        low = min(int(place), len(self.steps) - 2)
        share = place - low
        return [tuple((1 - share) * kept[low] + share * kept[low + 1] for kept in pair) for pair in self._kept]


def hidden(layers: Layers, places: np.ndarray) -> np.ndarray:
    """The values (n, 2) of the last hidden layer for places (n, 2) of the plane."""
    a = places.T
    for W, b in layers[:-1]:
        a = np.tanh(W @ a + b)
    return a.T


def border(layers: Layers, view: View, fineness: int = 161) -> np.ndarray:
    """Places of the plane where the output is one half; rows of nan between the pieces."""
    x, y = np.linspace(*view.x_range, fineness), np.linspace(*view.y_range, fineness)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    W, b = layers[-1]
    output = (W @ hidden(layers, places).T + b).reshape(fineness, fineness)
    gap = np.full((1, 2), np.nan)
    return np.concatenate([gap, *(part for line in contour_generator(x, y, output).lines(0.5) for part in (line, gap))])


def separating(layers: Layers, view: View) -> np.ndarray:
    """The line in the hidden plane on which the output is one half, as far as the window goes."""
    W, b = layers[-1]
    places = line_through(W[0], 0.5 - float(b[0, 0]), 4.0)
    return np.where(view.inside(places)[:, None], view.page(places), np.nan)


class Bending(LectureScene):
    """What both scenes share: a grid and two classes of points in one box, which maps move together."""

    training: Training
    plane: View
    points: np.ndarray  # (n, 2), in the plane
    target: np.ndarray  # (n,) of booleans

    def begin(self, every: float, opacity: float, radius: float, outline: str = "") -> None:
        """The plane with its grid and the points."""
        self.last = float(self.training.steps[-1])
        self.square = View(BOX, (-1.15, 1.15), (-1.15, 1.15))
        self.grid = BentGrid(self.theme, self.plane.x_range, self.plane.y_range, every, opacity=opacity)
        self.ones, self.zeros = (Cloud(self.theme, role, radius, outline=outline) for role in ("accent", "accent2"))
        self.line = BentCurve(self.theme, "text", 3.4)
        self.draw(self.plane.page)
        self.axes = self.names("x")
        self.add(self.plane.ground(self.theme))
        self.play(FadeIn(self.grid), FadeIn(self.axes), run_time=0.6)
        self.play(FadeIn(self.ones), FadeIn(self.zeros), run_time=0.6)

    def names(self, letter: str) -> VGroup:
        """The names of both axes of the box."""
        left, top, width, height = BOX
        return VGroup(
            self.formula(f"{letter}_1", 18, "muted").put(left + width / 2, top + height + 24, "center"),
            self.formula(f"{letter}_2", 18, "muted").put(left - 12, top + height / 2 + 5, "right"),
        )

    def draw(self, place: Callable[[np.ndarray], np.ndarray]) -> None:
        """The grid and the points where `place` puts them."""
        self.grid.show(place)
        points = place(self.points)
        self.ones.show(points[self.target])
        self.zeros.show(points[~self.target])

    def moving(self, tracker: ValueTracker, draw: Callable[[float], None], to: float, seconds: float, rate=smooth):
        """Draw anew in every frame while the tracker runs."""
        self.grid.add_updater(lambda _: draw(tracker.get_value()))
        self.play(tracker.animate.set_value(to), rate_func=rate, run_time=seconds)
        self.grid.clear_updaters()
        draw(to)

    def new_axes(self, letter: str) -> None:
        self.axes = self.names(letter)
        self.play(FadeIn(self.axes), run_time=0.4)

    def show_step(self, step: float) -> None:
        """Grid, points and separating line in the hidden plane after so many steps."""
        layers = self.training.at(step)
        self.draw(lambda x: self.square.page(hidden(layers, x)))
        self.line.show(separating(layers, self.square))

    def train(self, curve: TrainingCurve, told: Callable[[float], Typeset], which: str) -> None:
        """The steps of the training pass; curve and counter follow. `which` start this is stands below."""
        chosen = self.words(which, 18, "muted").put(BESIDE, 232)
        self.curve, now = curve, ValueTracker(0.0)  # the cube root of the steps: the first ones slowly
        self.show_step(0.0)
        words = self.following(now, lambda value: told(value**3))
        self.play(FadeOut(self.text), run_time=0.3)
        self.play(FadeIn(self.line), FadeIn(curve), FadeIn(chosen), run_time=0.6)
        self.add(words)
        curve.add_updater(lambda shown: shown.until(now.get_value() ** 3))
        self.moving(now, lambda t: self.show_step(t**3), float(np.cbrt(self.last)), 10.0, linear)
        curve.clear_updaters()
        words.clear_updaters()
        self.text, self.chosen = VGroup(words), chosen

    def curve_of(self, values: np.ndarray, y_ticks: dict[float, str], title: str, role: str) -> TrainingCurve:
        ticks = {t: f"{t:,}" for t in (1, 10, 100, 1_000) if t < self.last}
        return TrainingCurve(
            self.type, CURVE, self.training.steps[1:], values[1:], x_ticks=ticks, y_ticks=y_ticks,
            y_range=(min(y_ticks), max(y_ticks)), title=title, x_label="steps", role=role, step_scale="log",
        )  # fmt: skip

    def unbend(self) -> None:
        """From the hidden plane back to the plane; what was a line becomes a curve."""
        layers = self.training.at(self.last)
        places = border(layers, self.plane)
        curve = BentCurve(self.theme, "text", 3.4)

        def between(x: np.ndarray, t: float) -> np.ndarray:
            return (1 - t) * self.square.page(hidden(layers, x)) + t * self.plane.page(x)

        def draw(t: float) -> None:
            self.draw(lambda x: between(x, t))
            curve.show(between(places, t))

        draw(0.0)
        self.play(FadeOut(self.line), FadeOut(self.axes), FadeIn(curve), run_time=0.5)
        self.moving(ValueTracker(0.0), draw, 1.0, 4.0)
        self.new_axes("x")


class BendThePlane(Bending):
    """A grid of the plane is stretched and bent by two tanh units while they learn XOR.

    At first no line has the four points on their right sides. The trained layer bends the grid until one straight
    line does; back in the plane, the same line is the border between the classes.
    """

    def construct(self) -> None:
        self.training = Training(self.array, "xor", 2)
        self.plane = View(BOX, (-0.5, 1.5), (-0.5, 1.5))
        self.points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
        self.target = np.array([False, True, True, False])
        with self.beat("Four points, and no line"):
            self.no_line()
        with self.beat("Two neurons: weights and biases"):
            self.stretch()
        with self.beat("The bend"):
            self.bend()
        with self.beat("Training moves the bend"):
            losses = self.array("xor_loss").astype(float)
            highest = min(0.25, float(np.ceil(losses.max() * 20) / 20))
            which = f"1 of {int(self.metric('xor_starts'))} starts, chosen for its clear bend"
            self.train(self.curve_of(losses, {0: "0", highest: f"{highest:.2f}"}, "loss", "bad"), self.told, which)
        with self.beat("Now one line is enough"):
            self.enough()
        with self.beat("Back in the plane"):
            self.back()

    def beside(self, *lines: tuple[str, float, str]) -> VGroup:
        """Words on the right: text, baseline, colour."""
        return VGroup(self.words(text, 20, colour).put(BESIDE, y) for text, y, colour in lines)

    # ---------------------------------------------------------------- 1 no line

    def no_line(self) -> None:
        self.begin(0.1, 0.5, 10.0, outline="text")
        text = self.beside(
            ("#pos[XOR is 1]: just one input is on", 200, "text"),
            ("#neg[XOR is 0]: none, or both", 232, "text"),
        )
        self.write_lines(text, 0.3)
        angle = ValueTracker(0.0)
        line = BentCurve(self.theme, "text")
        line.add_updater(lambda shown: shown.show(self.swinging(angle.get_value())))
        told = self.following(angle, self.count_right)
        self.add(line, told)
        self.play(angle.animate.set_value(2 * np.pi), rate_func=linear, run_time=5.0)
        line.clear_updaters()
        told.clear_updaters()
        self.play(FadeOut(line), FadeOut(told), run_time=0.4)
        lines = self.beside(("no line gets all four", 300, "text"))
        self.write_lines(lines, 0.4)
        self.text = VGroup(text, lines)

    def weights(self, angle: float) -> tuple[np.ndarray, float]:
        """A line that turns, and passes nearer and farther from the middle."""
        normal = np.array([np.cos(angle), np.sin(angle)])
        return normal, float(normal @ [0.5, 0.5] + 0.38 * np.sin(2.5 * angle))

    def swinging(self, angle: float) -> np.ndarray:
        places = line_through(*self.weights(angle), 3.0)
        return np.where(self.plane.inside(places)[:, None], self.plane.page(places), np.nan)

    def count_right(self, angle: float) -> Typeset:
        normal, level = self.weights(angle)
        right = int(((self.points @ normal > level) == self.target).sum())
        return self.words(f"right: #text(weight: 700)[{max(right, 4 - right)} of 4]", 22).put(BESIDE, 300)

    # ---------------------------------------------------------------- 2 and 3: the layer at its start

    def stretch(self) -> None:
        W, b = self.training.at(0)[0]
        ends = np.array([[x, y] for x in self.plane.x_range for y in self.plane.y_range]) @ W.T + b[:, 0]
        self.reach = max(1.15, 1.05 * float(np.abs(ends).max()))
        wide = View(BOX, (-self.reach, self.reach), (-self.reach, self.reach))
        text = self.beside(
            ("$z = W_1 x + b_1$", 200, "text"),
            ("turned, stretched, sheared, shifted", 240, "text"),
            ("straight lines stay straight,", 270, "text"),
            ("so no new line helps", 300, "muted"),
        )
        self.play(FadeOut(self.text), FadeOut(self.axes), run_time=0.4)

        def draw(t: float) -> None:
            self.draw(lambda x: (1 - t) * self.plane.page(x) + t * wide.page(x @ W.T + b[:, 0]))

        self.moving(ValueTracker(0.0), draw, 1.0, 3.0)
        self.new_axes("z")
        self.write_lines(text, 0.3)
        self.text = text

    def bend(self) -> None:
        W, b = self.training.at(0)[0]
        self.play(FadeOut(self.text), FadeOut(self.axes), run_time=0.4)

        def bent(x: np.ndarray, t: float) -> np.ndarray:
            reach, z = (1 - t) * self.reach + t * 1.15, x @ W.T + b[:, 0]
            return View(BOX, (-reach, reach), (-reach, reach)).page((1 - t) * z + t * np.tanh(z))

        self.moving(ValueTracker(0.0), lambda t: self.draw(lambda x: bent(x, t)), 1.0, 3.0)
        text = self.beside(
            ("$h = tanh(z)$", 200, "text"),
            ("everything lands between −1 and 1", 240, "text"),
            ("straight lines are curved now", 270, "text"),
            ("random weights: bent, but to no purpose", 300, "muted"),
        )
        self.new_axes("h")
        self.write_lines(text, 0.3)
        self.text = text

    # ---------------------------------------------------------------- 4 to 6

    def outputs(self, step: float) -> np.ndarray:
        W, b = (layers := self.training.at(step))[-1]
        return (W @ hidden(layers, self.points).T + b)[0]

    def told(self, step: float) -> Typeset:
        right = int(((self.outputs(step) > 0.5) == self.target).sum())
        return self.words(f"step {int(step + 0.5):,}, right: #text(weight: 700)[{right} of 4]", 22).put(BESIDE, 200)

    def enough(self) -> None:
        rows = VGroup()
        for place, output, target, y in zip(
            self.points, self.outputs(self.last), self.target, (270, 300, 330, 360), strict=True
        ):
            role = "accent" if target else "accent2"
            left = self.formula(f"({place[0]:.0f}, {place[1]:.0f})", 20, role).put(BESIDE, y)
            rows.add(
                VGroup(left, self.formula(f"{round(output, 2) + 0.0:.2f}", 20, role).put(BESIDE + 130, y, "right"))
            )
        head = self.words("output for each point", 18, "muted").put(BESIDE, 238)
        self.play(FadeOut(self.curve), FadeOut(self.chosen), run_time=0.4)
        self.play(FadeIn(head), run_time=0.3)
        self.write_lines(rows, 0.3)
        self.wait(1.6)
        self.text.add(head, rows)

    def back(self) -> None:
        self.play(FadeOut(self.text), run_time=0.4)
        self.unbend()
        twice = int(self.metric("path_borders")) > 1
        text = self.beside(
            ("the same line, seen from the inputs:", 220, "text"),
            ("it crosses the bent plane twice" if twice else "a bent border between the classes", 252, "text"),
            ("the plane was bent, not the line", 300, "muted"),
        )
        self.write_lines(text, 0.4)
        self.wait(1.2)


class MoonsUnfold(Bending):
    """Two interleaved half moons of points, then the same points in the second hidden layer of a small network.

    While it learns, the moons move apart until a line passes between them; in the plane this line winds between them.
    """

    def construct(self) -> None:
        self.training = Training(self.array, "moons", 3)
        self.points = self.array("moons_X").astype(float).T
        self.target = self.array("moons_Y")[0] > 0.5
        self.accuracy = self.array("moons_accuracy").astype(float)
        self.plane = View(BOX, (-2.0, 2.0), (-2.0, 2.0))
        with self.beat("The best line in the plane"):
            self.in_the_plane()
        with self.beat("Two random layers later"):
            self.through()
        with self.beat("The layers learn"):
            ticks = {40: "40", 60: "60", 80: "80", 100: "100"}
            which = f"the best of {int(self.metric('moons_starts'))} starts"
            curve = self.curve_of(100 * self.accuracy, ticks, "new points right, percent", "accent")
            self.train(curve, self.told, which)
        with self.beat("Back in the plane"):
            self.play(FadeOut(self.curve), FadeOut(self.chosen), run_time=0.4)
            self.unbend()
            self.play(FadeIn(self.words("the same line, seen from the inputs", 20).put(BESIDE, 240)), run_time=0.5)
            self.wait(1.5)

    def share(self, words: str, value: float, y: float) -> Typeset:
        return self.words(f"{words}: #text(weight: 700)[{100 * value:.1f} %]", 20).put(BESIDE, y)

    def in_the_plane(self) -> None:
        self.begin(0.25, 0.35, 4.2)
        w1, w2, level = self.array("moons_line").astype(float)
        places = line_through(np.array([w1, w2]), float(level), 4.0)
        self.line.show(np.where(self.plane.inside(places)[:, None], self.plane.page(places), np.nan))
        self.play(FadeIn(self.line), run_time=0.8)
        self.text = VGroup(
            self.words(f"{int(self.metric('moons_points'))} points to learn from", 18, "muted").put(BESIDE, 200),
            self.share("new points right", float(self.metric("moons_plane")), 240),
        )
        self.write_lines(self.text, 0.8)

    def through(self) -> None:
        layers = self.training.at(0)
        self.play(FadeOut(self.line), FadeOut(self.axes), FadeOut(self.text), run_time=0.4)

        def draw(t: float) -> None:
            self.draw(lambda x: (1 - t) * self.plane.page(x) + t * self.square.page(hidden(layers, x)))

        self.moving(ValueTracker(0.0), draw, 1.0, 3.5)
        self.new_axes("h")
        self.text = VGroup(
            self.words("$2 arrow.r 8 arrow.r 2$ with tanh, random weights", 20).put(BESIDE, 200),
            self.words("each point is where the second", 18, "muted").put(BESIDE, 240),
            self.words("hidden layer sees it", 18, "muted").put(BESIDE, 266),
        )
        self.write_lines(self.text, 0.5)

    def told(self, step: float) -> Typeset:
        return self.share(f"step {int(step + 0.5):,}", float(np.interp(step, self.training.steps, self.accuracy)), 200)
