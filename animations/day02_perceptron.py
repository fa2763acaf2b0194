"""Day 2: a line that turns at every mistake until none is left; and XOR, where it turns for ever."""

from __future__ import annotations

import numpy as np
from kit.pixels import PixelGrid
from kit.plane import Arrow, Boundary, Plane, Points, Swing, Turn, discs
from kit.scene import LectureScene
from kit.theme import at, stroke, units
from kit.typeset import Typeset
from manim import Create, FadeIn, FadeOut, Line, Rectangle, VGroup, VMobject

PLANE = (60.0, 146.0, 390.0, 336.0)  # points: left, top, width, height
REACH = (1.15, 1.15 * 336 / 390)  # how far the plane shows x and y
WEIGHTS = (540.0, 166.0, 250.0, 250.0)
SLOW, SHOWN = 2, 60  # so many mistakes are shown slowly; after so many the rest is skipped
ROLES = ("accent2", "accent")  # no, yes


def ring(scene: LectureScene, centre: np.ndarray, radius: float, role: str = "text") -> VMobject:
    """A circle around a place, in points."""
    circle = VMobject(fill_opacity=0.0).set_stroke(scene.theme[role], stroke(2.4))
    circle.points = discs(centre[None], units(radius))
    return circle


class LineThatLearns(LectureScene):
    """Zeros and ones of MNIST in the plane of their two principal axes, and a perceptron that learns them.

    At every mistake the arrow of the point is added to the weights or subtracted, and the line turns with them. At the
    end no point is misclassified, and other orders of the same points have led to other lines.
    """

    def construct(self) -> None:
        self.xy = self.array("plane_points").astype(float)  # (images, 2)
        self.labels = self.array("plane_labels").astype(int)
        self.order = self.array("plane_order").astype(int)  # the point of each mistake
        self.path = self.array("plane_path").astype(float)  # (mistakes + 1, 3): w1, w2, b
        with self.beat("Every point is an image"):
            self.images()
        with self.beat("The first mistake"):
            self.first_mistake()
        with self.beat("Add it or subtract it"):
            for k in range(1, min(SLOW, len(self.order))):
                self.mistake(k, 1.6)
            self.wait(0.6)
        with self.beat("Only mistakes count"):
            self.go_on()
        with self.beat("A pass without a mistake" if self.metric("plane_done") else "Not done"):
            self.one_more_pass()
        with self.beat("Another order, another line"):
            self.other_lines()

    # ---------------------------------------------------------------- 1 images

    def images(self) -> None:
        (x, y) = REACH
        self.plane = Plane(self.type, PLANE, (-x, x), (-y, y), "first principal axis")
        self.dots = Points(self.plane, self.xy, ROLES, self.labels, radius=4.2)
        pictures = self.array("plane_pictures").astype(float) / 255
        grid = PixelGrid(self.theme, pictures, 10, 520.0, 160.0, 330.0, scale=1.0)
        self.play(FadeIn(self.plane), FadeIn(grid), run_time=0.8)
        self.play(FadeIn(self.dots), run_time=0.8)
        chosen = [self.xy[:, 0].argmin(), self.xy[:, 0].argmax(), self.xy[:, 1].argmax(), self.xy[:, 1].argmin()]
        for k in dict.fromkeys(int(i) for i in chosen):
            left, top, width, height = grid.picture_box(k)
            role = ROLES[self.labels[k]]
            frame = Rectangle(width=units(width + 4), height=units(height + 4), stroke_width=stroke(2.4))
            frame.set_stroke(self.theme[role]).move_to(at(left + width / 2, top + height / 2))
            link = Line(at(left, top + height / 2), self.plane.at(*self.xy[k]), stroke_width=stroke(1.4))
            link.set_stroke(self.theme[role])
            marks = VGroup(frame, ring(self, self.plane.at(*self.xy[k]), 9, role))
            self.play(FadeIn(marks), Create(link), run_time=0.7)
            self.wait(0.5)
            self.play(FadeOut(marks), FadeOut(link), run_time=0.3)
        names = VGroup()
        for digit in (0, 1):
            middle = self.xy[self.labels == digit].mean(axis=0)
            across, _ = self.plane.on_page(*middle)
            name = self.words(str(digit), 26, ROLES[digit], 700)
            names.add(name.put(across, PLANE[1] + PLANE[3] - 16, "center"))
        self.play(FadeIn(names), run_time=0.5)
        self.pictures = grid

    # ---------------------------------------------------------------- 2 the first mistake

    def told(self, k: int) -> VGroup:
        """What stands below the weights after `k` mistakes."""
        w1, w2, b = self.path[k]
        mistakes = "no mistake yet" if k == 0 else f"{k} mistake{'s' if k > 1 else ''}"
        line = f"{mistakes}: #text(weight: 700)[w] = ({w1:.2f}, {w2:.2f}), b = {b:.0f}".replace("-", "−")
        words = VGroup(self.words(line, 17).put(WEIGHTS[0] - 20, 470))
        if k:
            digit = self.labels[self.order[k - 1]]
            what = ("a #neg[zero] was taken for a one: subtract", "a #pos[one] was taken for a zero: add")[digit]
            words.add(self.words(what, 17).put(WEIGHTS[0] - 20, 498))
        return words

    def tell(self, k: int) -> None:
        if hasattr(self, "shown"):
            self.remove(self.shown)
        self.shown = self.told(k)
        self.add(self.shown)

    def first_mistake(self) -> None:
        largest = 1.12 * np.abs(self.path[: SHOWN + 1, :2]).max()
        self.weights = Plane(
            self.type, WEIGHTS, (-largest, largest), (-largest, largest), "", "the weights, as an arrow"
        )
        self.line = Boundary(self.plane, np.zeros(2), 0.0)
        self.w = Arrow(self.weights, role="text", width=3.0)
        self.play(FadeOut(self.pictures), run_time=0.4)
        self.play(FadeIn(self.weights), run_time=0.5)
        self.tell(0)
        self.line.sides[0].set_fill(opacity=0.14)
        self.add(self.line, self.dots, self.w)
        self.play(FadeIn(self.line), run_time=0.5)
        self.wait(1.6)
        self.mistake(0, 1.2)
        self.wait(0.6)

    def mistake(self, k: int, pace: float) -> None:
        """The update of mistake number `k`: point, arrow, addition, and the line that turns."""
        point, digit = self.xy[self.order[k]], self.labels[self.order[k]]
        before, after = self.path[k], self.path[k + 1]
        mark = ring(self, self.plane.at(*point), 10, "bad")
        ray = Arrow(self.plane, (0, 0), (0, 0), role=ROLES[digit])
        added = Arrow(self.weights, before[:2], before[:2], role=ROLES[digit])
        if pace > 0.7:
            self.play(FadeIn(mark), run_time=0.4 * pace)
            self.play(Turn(ray, (0, 0), point), run_time=0.5 * pace)
            added.span(before[:2], before[:2] + point)
            self.play(FadeIn(added), run_time=0.4 * pace)
            self.tell(k + 1)
            if digit == 0:
                self.play(Turn(added, before[:2], after[:2]), run_time=0.6 * pace)
            self.wait(0.3 * pace)
        else:
            self.tell(k + 1)
            self.add(mark, added.span(before[:2], after[:2]))
        turning = [Turn(self.w, (0, 0), after[:2], run_time=pace)]
        if before[:2].any():
            turning.append(Swing(self.line, after[:2], after[2], run_time=pace))
        else:  # there was no line yet
            turning.append(FadeOut(self.line, run_time=0.3))
        self.play(*turning)
        if not before[:2].any():
            self.line = Boundary(self.plane, after[:2], after[2])
            self.add(self.line, self.dots)
            self.play(FadeIn(self.line), run_time=0.8)
            self.add(self.dots)
        if pace > 0.7:
            self.play(FadeOut(mark), FadeOut(ray), FadeOut(added), run_time=0.3)
        else:
            self.remove(mark, added)

    # ---------------------------------------------------------------- 4, 5 to the end

    def go_on(self) -> None:
        last = min(len(self.order), SHOWN)
        if last <= SLOW:
            self.wait(1.0)
        patient = last - SLOW < 8  # then there is time to show the points that are right, too
        for k in range(SLOW, last):
            if patient:
                self.pass_over(self.passed(k))
            self.mistake(k, max(0.2, min(0.7, 9.0 / max(1, last - SLOW))))
        self.wait(0.8)

    def passed(self, k: int) -> list[int]:
        """The points that were visited after the mistake before number `k`, and were right."""
        before, now = self.order[k - 1], self.order[k]
        if now > before:
            return list(range(before + 1, now))
        return [*range(before + 1, len(self.xy)), *range(now)]

    def pass_over(self, points: list[int]) -> None:
        """A ring that goes from one point to the next, and nothing changes."""
        mark = ring(self, self.plane.at(0, 0), 10, "good")
        self.add(mark)
        for i in points:
            mark.move_to(self.plane.at(*self.xy[i]))
            self.wait(min(0.4, max(0.1, 2.0 / len(points))))
        self.remove(mark)

    def one_more_pass(self) -> None:
        w, b = self.path[min(len(self.order), SHOWN)][:2], self.path[min(len(self.order), SHOWN)][2]
        right = (self.xy @ w + b >= 0) == (self.labels == 1)
        seen = VGroup()
        for part in np.array_split(np.arange(len(self.xy)), 8):
            for role, chosen in (("good", part[right[part]]), ("bad", part[~right[part]])):
                rings = Points(self.plane, self.xy[chosen], [role], radius=7.0)
                rings[0].set_fill(opacity=0.0).set_stroke(self.theme[role], stroke(1.6))
                seen.add(rings)
            self.add(*seen[:-2])
            self.play(*(FadeIn(rings) for rings in seen[-2:] if len(rings[0].points)), run_time=0.3)
        self.remove(self.shown)
        words = VGroup(
            self.words(f"#text(fill: tone.good, weight: 700)[{int(right.sum())} of {len(right)}] right", 20),
            self.words(f"after {int(self.metric('plane_mistakes'))} mistakes", 18, "muted"),
        )
        for n, line in enumerate(words):
            line.put(WEIGHTS[0] - 20, 470 + 28 * n)
        self.play(FadeIn(words), run_time=0.5)
        self.wait(1.2)
        self.play(FadeOut(seen), run_time=0.4)
        self.shown = words

    # ---------------------------------------------------------------- 6 other orders

    def other_lines(self) -> None:
        self.play(FadeOut(self.shown), FadeOut(self.weights), FadeOut(self.w), FadeOut(self.line), run_time=0.5)
        seen = self.path[-1] / max(np.linalg.norm(self.path[-1][:2]), 1e-9)
        for n, (w1, w2, b) in enumerate(self.array("plane_others").astype(float)):
            w, known = np.array([w1, w2]), np.allclose(seen, (w1, w2, b), atol=1e-6)
            line = Boundary(self.plane, w, b, tint=0.0, normal=False, width=2.0, role="good" if known else "text")
            distance = np.abs(self.xy @ w + b).min()
            told = self.words(f"order {n + 1}: nearest point at {distance:.3f}", 18, "good" if known else "text")
            self.play(FadeIn(line), FadeIn(told.put(500, 200 + 34 * n)), run_time=0.6)
            self.wait(0.3)
            if known:
                note = self.words("green: the run we saw, picked for its many mistakes", 16, "good")
                self.play(FadeIn(note.put(500, 200 + 34 * 7)), run_time=0.3)
        self.wait(1.4)


SQUARE = (60.0, 150.0, 342.0, 342.0)
RING, RADIUS, BOX = (715.0, 318.0), 112.0, (104.0, 34.0)


class XorNeverEnds(LectureScene):
    """The four points of XOR, and a perceptron that visits them one after the other.

    The line jumps at every mistake. On the right every set of weights is written down, with arrows from one to the
    next; the chain closes into a ring, and the rest of the run goes round in it.
    """

    def construct(self) -> None:
        self.states = self.array("xor_states").astype(int)  # (visits + 1, 3), before each visit
        self.corners, self.targets = self.array("xor_corners").astype(float), self.array("xor_targets").astype(int)
        self.period = int(self.metric("xor_period"))
        self.first = 4 * (int(self.metric("xor_first_pass")) - 1)  # visits before the state that comes back
        with self.beat("One or the other, not both"):
            self.no_line()
        with self.beat("The rule begins"):
            self.begin()
            for t in range(self.first):
                self.visit(t, 0.7)
        with self.beat("These weights have been here before"):
            self.come_back()
        with self.beat("For ever"):
            self.for_ever()

    def no_line(self) -> None:
        self.square = Plane(self.type, SQUARE, (-1.6, 2.0), (-1.6, 2.0))
        self.dots = Points(self.square, self.corners, ROLES, self.targets, radius=9.0)
        names = VGroup()
        for corner in self.corners:
            x, y = self.square.on_page(*corner)
            text = f"({corner[0]:.0f}, {corner[1]:.0f})"
            side = (-16, "right") if corner[0] == 0 else (16, "left")
            names.add(self.words(text, 16, "muted").put(x + side[0], y + (-14 if corner[1] else 26), side[1]))
        self.play(FadeIn(self.square), FadeIn(names), FadeIn(self.dots), run_time=0.8)
        legend = VGroup(
            self.words("#pos[blue: should be yes]", 20).put(470, 230),
            self.words("#neg[orange: should be no]", 20).put(470, 262),
        )
        self.write_lines(legend, 0.2)
        line = Boundary(self.square, np.array([1.0, 1.0]), -0.5)
        told: Typeset | None = None
        for n, (w, b) in enumerate((((1, 1), -0.5), ((-1, -1), 1.5), ((1, -1), -0.5), ((-1, 1), -0.5))):
            right = int(((self.corners @ w + b >= 0) == (self.targets == 1)).sum())
            if told is not None:
                self.remove(told)
            if n == 0:
                self.add(line, self.dots)
                self.play(FadeIn(line), run_time=0.5)
            else:
                self.play(FadeOut(line), run_time=0.25)
                line = Boundary(self.square, np.array(w, float), b)
                self.add(line, self.dots)
                self.play(FadeIn(line), run_time=0.5)
            told = self.words(f"this line: #text(weight: 700)[{right} of 4] right", 20).put(470, 320)
            self.add(told)
            self.wait(0.9)
        self.play(FadeOut(line), FadeOut(told), FadeOut(legend), run_time=0.4)

    # ---------------------------------------------------------------- the chain of weights

    def places(self) -> dict[tuple[int, ...], tuple[float, float]]:
        """Where each set of weights stands: the cycle on a ring, what comes before it in a column."""
        cycle = list(dict.fromkeys(map(tuple, self.states[self.first : self.first + self.period])))
        tail = [s for s in dict.fromkeys(map(tuple, self.states[: self.first])) if s not in cycle]
        entry = next(tuple(s) for s in self.states if tuple(s) in cycle)
        cycle = cycle[cycle.index(entry) :] + cycle[: cycle.index(entry)]
        spots = {}
        for n, state in enumerate(cycle):
            angle = np.pi + 2 * np.pi * n / len(cycle)
            spots[state] = (RING[0] + 1.25 * RADIUS * np.cos(angle), RING[1] - RADIUS * np.sin(angle))
        for n, state in enumerate(tail):
            spots[state] = (500.0, RING[1] - 62.0 * (len(tail) - n))
        return spots

    def begin(self) -> None:
        self.spots, self.arrows, self.boxes = self.places(), {}, {}
        head = self.words("weights #h(0.3em) $(w_1, w_2, b)$", 18, "muted").put(900, 140, "right")
        self.line = Boundary(self.square, self.states[0][:2], self.states[0][2])
        self.add(self.line, self.dots)
        rule = self.words("a point on the line counts as yes", 16, "muted").put(SQUARE[0], 508)
        self.play(FadeIn(head), FadeIn(rule), FadeIn(self.line), run_time=0.5)
        self.box(tuple(self.states[0]))
        self.here = Rectangle(width=units(BOX[0] + 6), height=units(BOX[1] + 6), stroke_width=stroke(2.6))
        self.here.set_stroke(self.theme["good"]).move_to(at(*self.spots[tuple(self.states[0])]))
        self.mark = ring(self, self.square.at(*self.corners[0]), 15)
        self.mistakes = 0
        self.count(0)
        self.play(FadeIn(self.here), FadeIn(self.mark), run_time=0.4)

    def box(self, state: tuple[int, ...]) -> None:
        """Write down weights that are seen for the first time."""
        if state in self.boxes:
            return
        x, y = self.spots[state]
        frame = Rectangle(width=units(BOX[0]), height=units(BOX[1]), stroke_width=stroke(1.2), fill_opacity=1.0)
        frame.set_fill(self.theme["surface"]).set_stroke(self.theme["muted"]).move_to(at(x, y))
        text = ", ".join(str(v) for v in state)
        self.boxes[state] = VGroup(frame, self.formula(f"({text})", 18).put(x, y + 6, "center"))
        self.play(FadeIn(self.boxes[state]), run_time=0.3)

    def link(self, one: tuple[int, ...], other: tuple[int, ...]) -> None:
        """An arrow from one set of weights to the next."""
        if (one, other) in self.arrows:
            return
        p, q = (np.array(self.spots[s]) for s in (one, other))
        away = np.array([0.5 * BOX[0] + 5, 0.5 * BOX[1] + 5])
        inset = [1 / max(np.abs((q - p) / away).max(), 1e-9)] * 2  # where the line leaves a box
        begin, end = p + (q - p) * inset[0], q - (q - p) * inset[1]
        arrow = Line(at(*begin), at(*end), stroke_width=stroke(1.8)).set_stroke(self.theme["muted"])
        arrow.add_tip(tip_length=units(9), tip_width=units(8))
        self.arrows[one, other] = arrow
        self.play(FadeIn(arrow), run_time=0.2)

    def count(self, visits: int) -> None:
        if hasattr(self, "counter"):
            self.remove(self.counter)
        made = f"#text(fill: tone.bad, weight: 700)[{self.mistakes} mistake{'s' * (self.mistakes != 1)}]"
        text = f"pass {(max(visits, 1) - 1) // 4 + 1}: #h(0.3em) {visits} visit{'s' * (visits != 1)}, {made}"
        self.counter = self.words(text, 18).put(560, 508)
        self.add(self.counter)

    def visit(self, t: int, pace: float) -> None:
        """Example number `t`: right, or a mistake that moves the line."""
        before, after = self.states[t], self.states[t + 1]
        wrong = bool((before != after).any())
        self.mark.move_to(self.square.at(*self.corners[t % 4])).set_stroke(self.theme["bad" if wrong else "good"])
        self.mistakes += wrong
        self.count(t + 1)
        if pace > 0.4:
            self.wait(0.3 * pace)
        if not wrong:
            self.wait(0.5 * pace)
            return
        new, old = tuple(after), tuple(before)
        self.link(old, new)
        self.box(new)
        self.play(Swing(self.line, after[:2], after[2]), self.here.animate.move_to(at(*self.spots[new])), run_time=pace)

    def come_back(self) -> None:
        state = tuple(self.states[self.first])
        number = self.first // 4 + 1
        x, y = self.spots[state]
        note = self.words(f"start of pass {number}", 16, "good").put(x, y + (40 if y > RING[1] else -26), "center")
        self.play(FadeIn(note), run_time=0.5)
        self.wait(0.8)
        for t in range(self.first, self.first + self.period):
            self.visit(t, 0.8)
        self.remove(note)
        again = number + self.period // 4
        note = self.words(f"start of pass {number}, and of {again}", 16, "good")
        note.put(x, y + (40 if y > RING[1] else -26), "center")
        self.play(FadeIn(note), run_time=0.4)
        self.wait(1.4)

    def for_ever(self) -> None:
        last = min(len(self.states) - 1, self.first + 7 * self.period)
        for t in range(self.first + self.period, last):
            self.visit(t, 0.33)
        self.wait(1.2)
