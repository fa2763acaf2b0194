"""LectureScene: a slide that moves. It has the slides' title, colours and page, and the run's numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from manim import Animation, FadeIn, Scene, ValueTracker, VGroup, config

from kit.record import KitError, Record
from kit.theme import MARGIN, PAGE_HEIGHT, PAGE_WIDTH, Theme
from kit.typeset import Typeset, Typesetter, plain

CAP_HEIGHT = 1490 / 2048  # of Inter: the slides give the top of the capitals, a baseline lies this far below
TICK = 15  # durations are whole fifteenths of a second, so that every quality has the same timing
EDGE = 24.0  # points above and below that words keep clear of; left and right it is the margin
OVERHANG = 2.0  # points by which the ink of a letter may pass the margin
TOUCH = 1.5  # points by which the ink of two pieces may meet
SETTLE = 2 / TICK  # seconds of rest at the end of a beat: its last picture is the finished one


class LectureScene(Scene):
    """Base of the course's scenes. The docstring of a scene is the description for people who do not see it.

    The builder gives title, kicker, theme, fonts and record through the environment (DL50_TITLE, DL50_KICKER,
    DL50_THEME, DL50_FONTS, DL50_RECORD). Text lies between y = 122 and 516 points; `kit.theme.at` converts.
    """

    record: Record
    theme: Theme
    type: Typesetter

    def setup(self) -> None:
        self.record = Record.from_environment()
        self.theme = Theme.load(os.environ.get("DL50_THEME", "dark"))
        folders = [Path(folder) for folder in os.environ.get("DL50_FONTS", "").split(os.pathsep) if folder]
        self.type = Typesetter(self.theme, folders)
        self.camera.background_color = self.theme["bg"]
        self.camera.init_background()
        self.random = np.random.default_rng(0)
        self._beat: Typeset | None = None
        self._arriving: list[Animation] = []
        self._number = 0
        self.add(self._heading())

    def _heading(self) -> VGroup:
        """Kicker and title, where `templates/deck.typ` has them."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__)
        title = plain(os.environ.get("DL50_TITLE") or words)
        kicker = plain(os.environ.get("DL50_KICKER", "").upper())
        heading = VGroup()
        if kicker:
            small = f"#text(weight: 700, tracking: 0.14em)[{kicker}]"
            heading.add(self.type.typeset(small, 12, "accent").put(MARGIN, 39 + 12 * CAP_HEIGHT))
        large = f"#text(weight: 700, tracking: -0.015em, variations: (opsz: 30))[{title}]"
        heading.add(self.type.typeset(large, 32).put(MARGIN, 60 + 32 * CAP_HEIGHT))
        return heading

    # -------------------------------------------------------------- what the run measured

    def metric(self, name: str) -> Any:
        """A number of the run; an unknown name is an error that names the nearest one."""
        return self.record.metric(name)

    def array(self, name: str) -> np.ndarray:
        """An array of the run."""
        return self.record.array(name)

    # -------------------------------------------------------------- words

    def words(self, source: str, size: float = 18, colour: str = "text", weight: int = 400) -> Typeset:
        return self.type.words(source, size, colour, weight)

    def formula(self, source: str, size: float = 20, colour: str = "text") -> Typeset:
        return self.type.formula(source, size, colour)

    def following(self, value: ValueTracker, draw: Callable[[float], Typeset]) -> Typeset:
        """What `draw` makes of a tracker's value, drawn anew whenever that changes."""
        return draw(value.get_value()).add_updater(lambda shown: shown.become(draw(value.get_value())))

    # -------------------------------------------------------------- time

    def write_lines(self, lines: VGroup, rest: float = 0.7) -> None:
        """Show lines one after the other, with time to read each."""
        for line in lines:
            self.play(FadeIn(line), run_time=0.5)
            self.wait(rest)

    @contextmanager
    def beat(self, name: str) -> Iterator[None]:
        """One section of the clip: what is seen while one beat of the narration is spoken."""
        self.next_section(name)
        self._number += 1
        if self._beat is not None:
            self.remove(self._beat)
        line = f"#text(fill: tone.accent, weight: 700)[{self._number}]#h(0.6em){plain(name)}"
        self._beat = self.type.typeset(line, 19, "muted").put(MARGIN, 122)
        self._arriving = [FadeIn(self._beat, run_time=0.4)]
        plays = self.renderer.num_plays
        yield
        if self.renderer.num_plays == plays:
            raise KitError(f"the beat {name!r} plays nothing: put a self.play(...) or self.wait(...) into it")
        self.check_words(name)
        self.wait(SETTLE)

    def check_words(self, name: str) -> None:
        """Refuse words that leave the page or lie on other words when the beat is over."""
        pieces = {piece: piece.ink() for m in self.mobjects for piece in m.get_family() if isinstance(piece, Typeset)}
        for piece, (left, top, right, bottom) in pieces.items():
            beside, over = min(left, PAGE_WIDTH - right), min(top, PAGE_HEIGHT - bottom)
            if beside < MARGIN - OVERHANG or over < EDGE:
                box = f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f} points"
                raise KitError(f"at the end of the beat {name!r}, {piece.source!r} passes the margin: it lies at {box}")
        for (one, a), (other, b) in combinations(pieces.items(), 2):
            if min(a[2], b[2]) - max(a[0], b[0]) > TOUCH and min(a[3], b[3]) - max(a[1], b[1]) > TOUCH:
                raise KitError(f"at the end of the beat {name!r}, {one.source!r} and {other.source!r} overlap")

    def play(self, *animations: Any, **kwargs: Any) -> None:
        """Like manim's, but every duration is a whole number of fifteenths of a second.

        A beat's name that is still arriving does so at its own speed: `run_time` does not stretch it.
        """
        arriving, self._arriving = self._arriving, []
        for name in arriving:
            name.run_time = min(name.run_time, kwargs.get("run_time") or name.run_time)
        animations = [*self.compile_animations(*animations, **_snapped(kwargs)), *arriving]
        for animation in animations:
            animation.run_time = snap(animation.run_time)
        super().play(*animations)

    def wait(self, duration: float = 1.0, stop_condition: Any = None, frozen_frame: bool | None = None) -> None:
        """Rest; see `play`. A beat's name may still be arriving, then it does so first."""
        if self._arriving:
            self.play()
        super().wait(snap(duration), stop_condition, frozen_frame)


def _snapped(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "run_time": snap(kwargs["run_time"])} if kwargs.get("run_time") else kwargs


def snap(seconds: float) -> float:
    """The nearest whole number of fifteenths of a second, at least one.

    A hundredth of a frame less, because manim counts frames with floating-point steps and would sometimes draw
    one too many.
    """
    frames = max(1, round(seconds * TICK))
    return frames / TICK - 0.01 / config.frame_rate
