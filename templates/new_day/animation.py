"""Day $number: a line finds its points."""

from __future__ import annotations

from kit.scene import LectureScene
from kit.theme import at
from manim import Create, Dot, FadeIn, LaggedStart, Line, VGroup


class Fit(LectureScene):
    """A line turns until it passes through the middle of the points; both are those of the run."""

    def construct(self) -> None:
        x, y, (slope, intercept) = self.array("x"), self.array("y"), self.array("line")

        def place(u: float, v: float):  # data to the slide: x from -1 to 1, y from -3 to 3
            return at(480 + 330 * u, 320 - 52 * v)

        with self.beat("The points"):
            dots = VGroup(
                *[Dot(place(u, v), radius=0.04, color=self.theme["muted"]) for u, v in zip(x, y, strict=True)]
            )
            self.play(LaggedStart(*[FadeIn(d) for d in dots], lag_ratio=0.02), run_time=2)
        with self.beat("The line"):
            line = Line(place(-1, intercept - slope), place(1, intercept + slope), color=self.theme["accent"])
            self.play(Create(line), run_time=1.5)
            self.play(FadeIn(self.words(f"slope {slope:.2f}", 20, "accent").put(700, 200)))
