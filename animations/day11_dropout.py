"""Day 11: one real digit through the sub-networks of a network, and the cloud of what they say."""

from __future__ import annotations

import numpy as np
from kit.axes import Axes
from kit.bars import SignedBars, Toward
from kit.heatmap import Cells, Frame
from kit.network import Draw, Edges, Nodes, Pulse, Recolour, Strip, between, strongest
from kit.pixels import PixelGrid
from kit.pulls import PulledDots
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke, units
from kit.typeset import Typeset
from manim import (
    Animation,
    Circle,
    Create,
    DashedLine,
    Dot,
    FadeIn,
    FadeOut,
    ValueTracker,
    VGroup,
    VMobject,
    linear,
    smooth,
)

TOP, BOTTOM, HEADS = 178.0, 468.0, 152.0  # points: first and last node of every column, and what stands above
STRIP = Strip(784, x=238, top=TOP - 10, width=12, height=BOTTOM - TOP + 20)
HIDDEN_X, OUTPUT_X, BARS_X, REACH = 404.0, 566.0, 694.0, 84.0
SHOWN = 260  # of the edges from the pixels, the strongest
SIDE = 800.0  # left edge of what is said beside the bars
SIX = 6  # passes that are shown one by one


class Speak(Recolour):
    """Change the brightness of the units; the rim of a silent one fades, too."""

    def __init__(self, nodes: Nodes, brightness: np.ndarray, mask: np.ndarray, **kwargs) -> None:
        colours = [nodes.theme.mix("surface", "text", float(share)) for share in brightness]
        self.rims = [(disc, disc.get_stroke_opacity(), 1.0 if m else 0.16) for disc, m in zip(nodes, mask, strict=True)]
        super().__init__(nodes, colours, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        super().interpolate_mobject(alpha)
        for disc, begin, end in self.rims:
            disc.set_stroke(opacity=begin + (end - begin) * self.rate_func(alpha))


class OneDigitManyNetworks(LectureScene):
    """A real digit passes through a network with ten hidden units. Then a coin falls for each unit, and those that lost
    are dark: the logits change, and so does the answer. Six such passes, and then the votes of all sub-networks.
    """

    def construct(self) -> None:
        self.digit = int(self.metric("digit"))
        self.masks = self.array("sub_masks").astype(float)  # (1024, 10)
        self.logits = self.array("sub_logits").astype(float)  # (1024, 10)
        self.hidden = self.array("sub_hidden").astype(float)  # (10,)
        self.scale = float(np.abs(np.concatenate([self.logits[:SIX], [self.array("sub_eval")]])).max())
        with self.beat("The whole network"):
            self.whole()
        with self.beat("A coin for every hidden unit"):
            self.first_mask()
        with self.beat("Every pass, another network"):
            self.more_masks()
        with self.beat("All of them"):
            self.all_of_them()

    # ---------------------------------------------------------------- 1 the whole network

    def whole(self) -> None:
        pixels = self.array("sub_pixels")
        picture = PixelGrid(self.theme, pixels[None], 1, MARGIN, 236.0, 148.0, scale=1.0)
        column = Cells(self.theme, pixels, scale=1.0)
        column.put(column.column_boxes(STRIP.x, STRIP.top, STRIP.width, STRIP.height))
        ground = Frame(self.theme, STRIP.x, STRIP.top, STRIP.width, STRIP.height)
        self.units = Nodes(self.theme, 10, HIDDEN_X, TOP, BOTTOM, 11.0)
        self.outputs = Nodes(self.theme, 10, OUTPUT_X, TOP, BOTTOM, 9.0)
        self.bars = SignedBars(self.theme, self.outputs.heights, BARS_X, REACH, self.scale)
        names = VGroup(
            self.words(str(k), 17, "good" if k == self.digit else "muted").put(OUTPUT_X + 24, y + 6, "center")
            for k, y in enumerate(self.outputs.heights)
        )
        units = self.words("10 hidden units", 17, "muted").put(HIDDEN_X, HEADS, "center")
        self.head = self.words("logits", 17, "muted").put(BARS_X, HEADS, "center")
        caption = self.words(f"a handwritten {self.digit}", 17, "muted").put(MARGIN + 74, 408, "center")
        self.play(FadeIn(picture), FadeIn(caption), FadeIn(ground), FadeIn(column), run_time=0.8)
        self.play(
            FadeIn(self.units),
            FadeIn(self.outputs),
            FadeIn(names),
            FadeIn(units),
            FadeIn(self.head),
            FadeIn(self.bars.zero),
        )
        everyone = np.ones(10)
        self.first, self.second = self.edges(everyone, 1.0)
        self.play(Pulse(self.first.copy(), rate_func=linear), Draw(self.first, rate_func=linear), run_time=1.2)
        self.play(self.brighten(everyone, 1.0), run_time=0.4)
        self.play(Pulse(self.second.copy(), rate_func=linear), Draw(self.second, rate_func=linear), run_time=0.9)
        whole = self.array("sub_eval").astype(float)
        self.add(self.bars)
        self.answer = self.verdict(whole)
        self.play(Toward(self.bars, whole, run_time=0.8), FadeIn(self.answer, run_time=0.8))
        self.wait(1.2)

    def edges(self, mask: np.ndarray, factor: float) -> tuple[Edges, Edges]:
        """What the pixels add to the units that speak, and these to the logits."""
        added = self.array("sub_first") * mask[:, None]
        count = int(SHOWN * mask.mean())
        look = {"widest": 2.0, "faintest": 0.04, "strongest": 0.5}
        first = Edges(self.theme, *strongest(STRIP, self.units, added, count), scale=self.largest("sub_first"), **look)
        passed = self.array("sub_output") * (self.hidden * mask * factor)
        starts, ends = between(self.units, self.outputs)
        speak = np.flatnonzero(np.abs(passed).reshape(-1) > 0)
        at_most = 2.0 * float(np.abs(self.array("sub_output") * self.hidden).max())
        second = Edges(
            self.theme, starts[speak], ends[speak], passed.reshape(-1)[speak], scale=at_most, widest=3.4,
            faintest=0.08, strongest=0.9,
        )  # fmt: skip
        return first, second

    def largest(self, name: str) -> float:
        return float(np.abs(self.array(name)).max())

    def brighten(self, mask: np.ndarray, factor: float, **kwargs) -> Animation:
        """Units are as bright as they speak, silent ones are dark; doubled, the strongest one is white."""
        return Speak(self.units, self.hidden * mask * factor / (2.0 * self.hidden.max()), mask, **kwargs)

    def verdict(self, logits: np.ndarray) -> VGroup:
        said = int(np.argmax(logits))
        role = "good" if said == self.digit else "bad"
        return VGroup(
            self.words("it reads", 18, "muted").put(SIDE, 232),
            self.words(str(said), 44, role, 700).put(SIDE + 4, 282),
        )

    # ---------------------------------------------------------------- 2 and 3 masks

    def first_mask(self) -> None:
        mask = self.masks[0]
        self.silence(mask, 0.8)
        self.wait(1.0)
        doubled = self.words("those that speak count double", 17, "muted").put(HIDDEN_X, 504, "center")
        self.play(self.brighten(mask, 2.0), FadeIn(doubled), run_time=0.7)
        self.wire(mask, 0.6)
        self.speak(0, 0.9)
        self.wait(1.4)
        self.note = doubled

    def silence(self, mask: np.ndarray, seconds: float) -> None:
        """Dark nodes and no edges for the units whose coin fell badly."""
        self.play(FadeOut(self.first), FadeOut(self.second), self.brighten(mask, 1.0), run_time=seconds)

    def wire(self, mask: np.ndarray, seconds: float) -> None:
        self.first, self.second = self.edges(mask, 2.0)
        self.play(FadeIn(self.first), FadeIn(self.second), run_time=seconds)

    def speak(self, k: int, seconds: float) -> None:
        """The logits of the k-th sub-network, its answer, and the tally of the answers so far."""
        answer = self.verdict(self.logits[k])
        said = int(np.argmax(self.logits[k]))
        role = "good" if said == self.digit else "bad"
        mark = self.words(str(said), 22, role, 700).put(SIDE + 4 + 32 * (k % 3), 346 + 32 * (k // 3))
        toward = Toward(self.bars, self.logits[k], run_time=seconds)
        self.remove(self.answer)
        self.play(toward, FadeIn(answer, run_time=seconds), FadeIn(mark, run_time=seconds))
        self.answer = answer
        self.marks = getattr(self, "marks", VGroup()).add(mark)

    def more_masks(self) -> None:
        for k in range(1, SIX):
            mask = self.masks[k]
            first, second = self.edges(mask, 2.0)
            gone, new = (FadeOut(self.first), FadeOut(self.second)), (FadeIn(first), FadeIn(second))
            self.play(*gone, *new, self.brighten(mask, 2.0), run_time=0.5)
            self.first, self.second = first, second
            self.speak(k, 0.6)
            self.wait(0.5)
        self.wait(0.8)

    # ---------------------------------------------------------------- 4 votes

    def all_of_them(self) -> None:
        gone = (self.first, self.second, self.bars, self.head, self.answer, self.marks, self.note)
        count = len(self.masks)
        told = VGroup(
            self.formula(f"2^10 = {count:,}", 18).put(SIDE - 8, 400),
            self.words("sub-networks", 16, "muted").put(SIDE - 8, 426),
        )
        self.play(*(FadeOut(m) for m in gone), FadeIn(told), run_time=0.6)
        for mask in self.masks[SIX : SIX + 14]:
            self.play(self.brighten(mask, 2.0), run_time=0.2)
        shares = self.array("sub_votes") / count
        left = OUTPUT_X + 44
        votes = SignedBars(self.theme, self.outputs.heights, left, 190.0, 1.0)
        head = self.words("how many read it so", 17, "muted").put(left, HEADS)
        self.play(FadeIn(votes.zero), FadeIn(head), self.brighten(np.ones(10), 1.0), run_time=0.4)
        self.add(votes)
        self.play(Toward(votes, shares, run_time=1.6))
        numbers = VGroup(
            self.words(f"{100 * share:.0f} %", 16, "good" if k == self.digit else "text").put(
                votes.end(share) + 8, y + 6
            )
            for k, (share, y) in enumerate(zip(shares, self.outputs.heights, strict=True))
            if share > 0.05
        )
        self.play(FadeIn(numbers), run_time=0.5)
        self.wait(1.6)


BOX = (112.0, 172.0, 440.0, 284.0)
WORDS = 612.0  # left edge of the words beside the plane


class Drift(Animation):
    """Let the dots move to other places."""

    def __init__(self, dots: PulledDots, begin: np.ndarray, end: np.ndarray, right: np.ndarray, **kwargs) -> None:
        self.begin_places, self.end_places, self.right = begin, end, right
        super().__init__(dots, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = self.rate_func(alpha)
        self.mobject.put(self.begin_places + share * (self.end_places - self.begin_places), self.right)


class TwoAverages(LectureScene):
    """What every sub-network says about one digit, as a dot. As logits, the mean of the cloud walks into the ring of
    eval(). Then the same dots as probabilities: there, the mean and eval() lie apart.
    """

    def construct(self) -> None:
        self.digit, self.rival = int(self.metric("digit")), int(self.metric("rival"))
        every = self.array("sub_logits").astype(float)  # (1024, 10)
        pair = [self.digit, self.rival]
        self.right = every.argmax(axis=1) == self.digit
        whole = self.array("sub_eval").astype(float)
        self.values = {"logit": every[:, pair], "probability": softmax(every)[:, pair]}
        self.evals = {"logit": whole[pair], "probability": softmax(whole[None])[0, pair]}
        with self.beat("A dot for each sub-network"):
            self.cloud()
        with self.beat("The mean of the logits"):
            self.walk("logit")
            self.tell("the mean is eval()", "good")
        with self.beat("The same networks, as probabilities"):
            self.bend()
        with self.beat("The mean of the probabilities"):
            self.walk("probability")
            mean, used = self.values["probability"][:, 0].mean(), self.evals["probability"][0]
            self.tell(f"mean: {100 * mean:.0f} %, eval(): {100 * used:.0f} %", "text")

    def axes(self, kind: str) -> Axes:
        """Logits on a square of their own; probabilities from 0 to 1."""
        if kind == "probability":
            low, high = 0.0, 1.0
        else:
            low, high = np.floor(self.values[kind].min()), np.ceil(self.values[kind].max())
            high += (low - high) % 4  # so that the four steps of the axes end at whole numbers
        labels = (f"{kind} of {name}" for name in (self.digit, self.rival))
        return Axes(self.type, BOX, (low, high), (low, high), *labels)

    def places(self, axes: Axes, values: np.ndarray) -> np.ndarray:
        """Where pairs of values are on the page, in points."""
        left, top, width, height = BOX
        (low, high), shares = axes.x_range, np.asarray(values, float)
        shares = (shares - low) / (high - low)
        return np.stack([left + shares[..., 0] * width, top + (1 - shares[..., 1]) * height], axis=-1)

    def cloud(self) -> None:
        self.plane = self.axes("logit")
        places = self.places(self.plane, self.values["logit"])
        self.dots = PulledDots(self.theme, len(places), BOX, (0.0, 1.0), radius=2.4)
        border = DashedLine(
            self.plane.point(*[self.plane.x_range[0]] * 2), self.plane.point(*[self.plane.x_range[1]] * 2),
            stroke_width=stroke(1.2), dash_length=units(6.0),
        )  # fmt: skip
        self.border = border.set_stroke(self.theme["muted"])
        self.play(FadeIn(self.plane), Create(self.border), run_time=0.8)
        count = ValueTracker(0.0)

        def show(dots: PulledDots) -> None:
            n = round(float(np.expm1(count.get_value())))
            dots.put(places[:n], self.right[:n])

        self.dots.add_updater(show)
        self.add(self.dots)
        self.play(count.animate.set_value(np.log1p(SIX)), rate_func=linear, run_time=1.2)
        words = VGroup(
            self.words(f"reads {self.digit}", 20, "good").put(WORDS, 232),
            self.words("reads something else", 20, "bad").put(WORDS, 262),
            self.words(f"dashed: {self.digit} and {self.rival} are equal", 17, "muted").put(WORDS, 298),
        )
        self.play(FadeIn(words), run_time=0.5)
        self.wait(1.0)
        self.play(count.animate.set_value(np.log1p(len(places))), rate_func=smooth, run_time=2.6)
        self.dots.clear_updaters()
        self.dots.put(places, self.right)
        self.wait(1.2)
        self.beside = words

    def walk(self, kind: str) -> None:
        """The mean of the first 1, 2, 3, ... sub-networks, in random order; and a ring at eval()."""
        values = self.values[kind]
        means = np.cumsum(values, axis=0) / np.arange(1, len(values) + 1)[:, None]
        path = self.places(self.plane, means)
        ring = Circle(units(9.0), stroke_width=stroke(3.0), fill_opacity=0.0).set_stroke(self.theme["accent2"])
        ring.move_to(at(*self.places(self.plane, self.evals[kind])))
        head = Dot(radius=units(4.6)).set_fill(self.theme["accent"])
        trail = VMobject(fill_opacity=0.0).set_stroke(self.theme["accent"], stroke(2.4))
        words = VGroup(
            self.words("eval()", 20, "accent2").put(WORDS, 232),
            self.words("mean of the dots so far", 20, "accent").put(WORDS, 262),
        )
        self.play(FadeOut(self.beside), self.dots.animate.set_opacity(0.3), run_time=0.5)
        self.play(FadeIn(ring), FadeIn(words), run_time=0.5)
        passed = ValueTracker(0.0)

        def follow(_: VMobject) -> None:
            n = max(1, round(float(np.exp(passed.get_value()))))
            corners = [at(*place) for place in path[:n]]
            trail.set_points_as_corners(corners if n > 1 else corners * 2)
            head.move_to(corners[-1])

        trail.add_updater(follow)
        counter = self.following(passed, self.counted)
        self.add(trail, head, counter)
        self.play(passed.animate.set_value(np.log(len(path))), rate_func=linear, run_time=4.5)
        trail.clear_updaters()
        counter.clear_updaters()
        self.wait(0.6)
        self.beside, self.marks = VGroup(words, counter), VGroup(ring, trail, head)

    def counted(self, passed: float) -> Typeset:
        n = max(1, round(float(np.exp(passed))))
        return self.words(f"{n:,} of {len(self.right):,}", 18, "muted").put(WORDS, 292)

    def tell(self, words: str, role: str) -> None:
        line = self.words(words, 22, role, 700).put(WORDS, 344)
        self.play(FadeIn(line), run_time=0.5)
        self.wait(1.4)
        self.beside = VGroup(self.beside, line)

    def bend(self) -> None:
        begin = self.places(self.plane, self.values["logit"])
        gone = [FadeOut(m) for m in (self.marks, self.beside, self.plane)]
        self.plane = self.axes("probability")
        end = self.places(self.plane, self.values["probability"])
        formula = self.formula('p = op("softmax")(z)', 22).put(WORDS, 246)
        self.play(*gone, self.dots.animate.set_opacity(0.8), run_time=0.6)
        self.play(FadeIn(self.plane), FadeIn(formula), run_time=0.6)
        self.play(Drift(self.dots, begin, end, self.right, rate_func=smooth, run_time=2.8))
        self.wait(1.6)
        self.beside = formula


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
