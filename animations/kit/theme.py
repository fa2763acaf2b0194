"""Colours, fonts and the page: the same 960 x 540 points on which the slides are laid out.

Colours have roles (`text`, `accent`, ...), never names such as "blue", so that a scene is drawn in every theme of
`templates/theme.json` without a change. Everywhere in the course `accent` means positive, `accent2` negative.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from manim import ManimColor, interpolate_color

PAGE_WIDTH, PAGE_HEIGHT = 960.0, 540.0  # points
FRAME_HEIGHT = 8.0  # manim's units, its default
POINT = FRAME_HEIGHT / PAGE_HEIGHT  # units in a point
MARGIN = 60.0  # points, left and right
TOP, BOTTOM = 122.0, 516.0  # points: the content of a slide lies between them
THEME_FILE = Path(__file__).resolve().parents[2] / "templates" / "theme.json"


@dataclass(frozen=True)
class Theme:
    """A named set of colours and fonts."""

    name: str
    colours: dict[str, str]
    fonts: dict[str, str]

    @classmethod
    def load(cls, name: str, path: Path | None = None) -> Theme:
        """Read theme `name` of a theme file (else of DL50_THEME_FILE, else the course's); KeyError if it lacks it."""
        path = path or Path(os.environ.get("DL50_THEME_FILE", THEME_FILE))
        content = json.loads(path.read_text(encoding="utf-8"))
        if name not in content["themes"]:
            raise KeyError(f"there is no theme {name!r}; there are: {', '.join(sorted(content['themes']))}")
        return cls(name, content["themes"][name], content["fonts"])

    def __getitem__(self, role: str) -> ManimColor:
        if role not in self.colours:
            raise KeyError(f"there is no colour {role!r}; there are: {', '.join(sorted(self.colours))}")
        return ManimColor(self.colours[role])

    def signed(self, value: float) -> ManimColor:
        """The colour of a number's sign."""
        return self["accent"] if value >= 0 else self["accent2"]

    def mix(self, low: str, high: str, share: float) -> ManimColor:
        """The colour `share` (0 to 1) of the way from one role to the other."""
        return interpolate_color(self[low], self[high], float(np.clip(share, 0.0, 1.0)))


def at(x: float, y: float) -> np.ndarray:
    """Manim's coordinates of a place on the page, in points from its upper left corner."""
    return np.array([(x - PAGE_WIDTH / 2) * POINT, (PAGE_HEIGHT / 2 - y) * POINT, 0.0])


def on_page(x: float, y: float) -> tuple[float, float]:
    """The reverse of `at`."""
    return x / POINT + PAGE_WIDTH / 2, PAGE_HEIGHT / 2 - y / POINT


def units(points: float) -> float:
    """A length in manim's units."""
    return points * POINT


def stroke(points: float) -> float:
    """Manim's stroke width of a line that is `points` wide (manim divides by 100)."""
    return points * POINT * 100
