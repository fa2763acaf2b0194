"""Colours and fonts of the course, from templates/theme.json, and whether people can read them.

Contrast is that of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), from 1 to 21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import ROOT
from coursebuild.model import Stored
from coursebuild.reads import note, pointer
from coursebuild.shapes import Wrong

THEME_FILE = ROOT / "templates" / "theme.json"
MIN_CONTRAST = 4.5  # WCAG level AA for text of any size
GROUNDS = ("bg", "surface", "hl")
TEXT_ROLES = ("text", "muted", "accent", "accent2", "good", "bad", "violet", "com", "str", "num", "kw", "fn", "txt")


COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
FAMILY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]*")  # of a font; it stands in style sheets


@dataclass(frozen=True)
class ThemeFile(Stored):
    """templates/theme.json"""

    fonts: dict[str, str]
    themes: dict[str, dict[str, str]]

    def check(self) -> None:
        for use in ("text", "mono", "math"):
            if not FAMILY.fullmatch(self.fonts.get(use, "")):
                raise Wrong("names no font", ("fonts", use), "letters, digits, blanks and -")
        for theme in ("dark", "light"):
            colours = self.themes.get(theme, {})
            for role in sorted({*TEXT_ROLES, *GROUNDS, "line", *self.themes.get("dark", {}), *colours}):
                if not COLOUR.fullmatch(colours.get(role, "")):
                    raise Wrong("is no colour", ("themes", theme, role), "write it like #5CC8FF")


@cache
def _file(path: Path = THEME_FILE) -> dict:
    return ThemeFile.load(path).to_json()


def everything() -> dict:
    """The whole file, checked."""
    return _file()


def themes() -> list[str]:
    """Names of the themes: "dark", "light"."""
    return list(_file()["themes"])


def tokens(theme: str) -> dict[str, str]:
    """Colour names of a theme to "#RRGGBB"; raises CourseError for a theme that does not exist."""
    known = _file()["themes"]
    if theme not in known:
        raise CourseError(f"there is no theme `{theme}`", file=THEME_FILE, hint=did_you_mean(theme, known))
    note("theme", pointer("themes", theme))
    return dict(known[theme])


def fonts() -> dict[str, str]:
    """Families by use: "text", "mono", "math"."""
    note("theme", "/fonts")
    return dict(_file()["fonts"])


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB", 0 (black) to 1 (white)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours, 1 (same) to 21 (black on white)."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def check_contrast(theme: str) -> list[str]:
    """One line for each text colour that is too weak on a ground it stands on; empty when all is well."""
    colour = tokens(theme)
    return [
        f"{theme}: {role} {colour[role]} on {ground} {colour[ground]} is {ratio:.2f}, needs {MIN_CONTRAST}"
        for role, ground in product(TEXT_ROLES, GROUNDS)
        if (ratio := contrast(colour[role], colour[ground])) < MIN_CONTRAST
    ]
