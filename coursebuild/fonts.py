"""The three fonts of the course, in the forms its programs need.

Typst and browsers read variable fonts; Pillow, matplotlib, Pango and LibreOffice get static ones, cut down to the
characters of the course before they are instanced (instancing whole Inter takes minutes, this takes seconds).
Licences: all three are under the SIL Open Font Licence 1.1, which allows subsets.
"""

from __future__ import annotations

import io
import shutil
from functools import cache as memo
from pathlib import Path
from typing import NamedTuple

from fontTools import __version__ as fonttools_version
from fontTools import subset
from fontTools.ttLib import TTFont

from coursebuild.assets import ASSETS, asset_file, cache_dir
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import is_whole, keep_digest, key_of, put, remove, sweep, temporary
from coursebuild.lock import alone

OPTICAL_SIZE = 18  # of Inter, everywhere but in titles, so that one width holds in every program
STATIC_RANGES = (
    (0x20, 0x17F),  # Latin
    (0x2B0, 0x30C),  # modifier letters, combining accents
    (0x370, 0x3FF),  # Greek
    (0x1D2C, 0x1D6A),  # raised and lowered letters
    (0x2000, 0x20AC),  # punctuation, raised and lowered digits, currency
    (0x2100, 0x218F),  # letter-like, fractions
    (0x2190, 0x23CF),  # arrows, mathematics, technical
    (0x25A0, 0x25FF),  # shapes
    (0x2700, 0x27BF),  # ticks and crosses
)
FEATURES = ("kern", "mark", "mkmk", "ccmp", "calt", "case", "ss03", "tnum", "zero")
CODE_FEATURES = ("mark", "mkmk", "ccmp", "zero")  # without calt: it draws -> as an arrow
MATH_FEATURES = ("ssty", "ccmp", "dtls", "flac", "kern", "mark", "mkmk")


class Face(NamedTuple):
    """A font file of the assets."""

    asset: str
    member: str


VARIABLE = {
    ("Inter", False): Face("inter", "files/Inter[opsz,wght].ttf"),
    ("Inter", True): Face("inter", "files/Inter-Italic[opsz,wght].ttf"),
    ("JetBrains Mono", False): Face("jetbrains-mono", "files/JetBrainsMono[wght].ttf"),
    ("JetBrains Mono", True): Face("jetbrains-mono", "files/JetBrainsMono-Italic[wght].ttf"),
    ("STIX Two Math", False): Face("stix", "STIXTwoMath-Regular.ttf"),
}
STATIC = (  # family, italic, weights
    ("Inter", False, (400, 700)),
    ("Inter", True, (400, 700)),
    ("JetBrains Mono", False, (400, 700)),
)
FEATURES_OF = {"Inter": FEATURES, "JetBrains Mono": CODE_FEATURES, "STIX Two Math": MATH_FEATURES}


def source(family: str, italic: bool = False) -> Path:
    """The font file of a family as its designers made it (variable, but for STIX Two Math)."""
    face = VARIABLE.get((family, italic)) or VARIABLE.get((family, False))
    if face is None:
        raise CourseError(f"there is no font `{family}`", hint=did_you_mean(family, FEATURES_OF))
    return asset_file(face.asset, face.member)


def fonts_key() -> str:
    """Changes when a font does."""
    return key_of([ASSETS[a].sha256 for a in ("inter", "jetbrains-mono", "stix")])


# ------------------------------------------------------------------ static fonts


def font_dir(cache: Path | None = None) -> Path:
    """A folder of static TTFs for Pillow, matplotlib, Pango and fontconfig; made once per set of fonts.

    They lie with what was downloaded (or below `cache`): making them takes seconds, and they are the same for all.

    Inter and JetBrains Mono in regular and bold (Inter also italic), named Inter-Regular.ttf and so on, and
    STIXTwoMath-Regular.ttf.
    """
    key = key_of(fonts_key(), fonttools_version, OPTICAL_SIZE, STATIC_RANGES, FEATURES_OF, STATIC, "v2")
    home = (cache or cache_dir()) / "fonts"
    folder = home / key[:16]
    if is_whole(folder):  # in a cache that can only be read, too
        return folder
    with alone(home / ".lock"):
        if not is_whole(folder):
            sweep(home)
            part = temporary(folder)
            try:
                _write_all(part)
                put(part, folder)
                keep_digest(folder)
            finally:
                remove(part)
    return folder


def _write_all(folder: Path) -> None:
    folder.mkdir(parents=True)
    for family, italic, weights in STATIC:
        _write_static(family, italic, weights, folder)
    shutil.copyfile(source("STIX Two Math"), folder / "STIXTwoMath-Regular.ttf")


def style_name(weight: int, italic: bool) -> str:
    """ "Regular", "Bold", "Italic" or "Bold Italic"."""
    return " ".join(filter(None, ["Bold" if weight >= 600 else "", "Italic" if italic else ""])) or "Regular"


def _write_static(family: str, italic: bool, weights: tuple[int, ...], folder: Path) -> None:
    from fontTools.varLib import instancer

    codes = [code for first, last in STATIC_RANGES for code in range(first, last + 1)]
    small = io.BytesIO(_subset(source(family, italic), codes, FEATURES_OF[family], drop=("STAT",)))
    for weight in weights:
        small.seek(0)
        font = TTFont(small, recalcTimestamp=False)
        wanted = {"wght": weight, "opsz": OPTICAL_SIZE}
        axes = {a.axisTag: wanted[a.axisTag] for a in font["fvar"].axes}
        overlap = instancer.OverlapMode.KEEP_AND_DONT_SET_FLAGS
        font = instancer.instantiateVariableFont(font, axes, inplace=True, overlap=overlap)
        _name(font, family, style_name(weight, italic), weight)
        font.save(folder / f"{family}-{style_name(weight, italic)}.ttf".replace(" ", ""))


def _name(font: TTFont, family: str, style: str, weight: int) -> None:
    """Names and style bits by which programs tell the four styles of a family apart."""
    bold, italic = "Bold" in style, "Italic" in style
    names = font["name"]
    for number in (16, 17, 21, 22, 25):
        names.removeNames(nameID=number)
    names.removeNames(platformID=1)
    texts = {1: family, 2: style, 4: f"{family} {style}", 6: f"{family}-{style}".replace(" ", "")}
    for number, text in texts.items():
        names.setName(text, number, 3, 1, 0x409)
    font["OS/2"].usWeightClass = weight
    bits = font["OS/2"].fsSelection & ~0b1100001  # italic, bold, regular
    font["OS/2"].fsSelection = bits | (1 if italic else 0) | (32 if bold else 0) | (0 if bold or italic else 64)
    font["head"].macStyle = (1 if bold else 0) | (2 if italic else 0)


def _subset(
    path: Path, codes: list[int], features: tuple[str, ...], *, drop: tuple[str, ...] = (), flavor: str | None = None
) -> bytes:
    """The font with these characters only; the bytes depend on the arguments and on nothing else."""
    options = subset.Options()
    options.layout_features = list(features)
    options.drop_tables += ["DSIG", "meta", *drop]
    options.hinting = False
    options.notdef_outline = True
    options.ignore_missing_unicodes = True
    options.flavor = flavor
    font = TTFont(path, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    out = io.BytesIO()
    font.flavor = flavor
    font.save(out)
    return out.getvalue()


# ------------------------------------------------------------------ the web, and missing characters


def woff2(family: str, text: str, italic: bool = False) -> bytes:
    """A WOFF2 of the family with the characters of `text`: the variable font (axes wght, and opsz of Inter).

    Inter's width follows `opsz`: set `font-variation-settings: "opsz" 18` (OPTICAL_SIZE) to match the frames.
    """
    codes = sorted({ord(c) for c in text} | {0x20})
    return _subset(source(family, italic), codes, FEATURES_OF[family], flavor="woff2")


@memo
def characters(family: str) -> frozenset[int]:
    """The code points a family can draw."""
    with TTFont(source(family), lazy=True) as font:
        selectors = next((t for t in font["cmap"].tables if t.format == 14), None)
        return frozenset(font.getBestCmap()) | frozenset(selectors.uvsDict if selectors else ())


def missing_glyphs(text: str, family: str) -> set[str]:
    """The characters of `text` that the family cannot draw (line breaks and tabs apart)."""
    return {c for c in set(text) - set("\n\t") if ord(c) not in characters(family)}
