"""How wide text is and in how many lines it breaks, from the fonts themselves. Lengths in points."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache

from PIL import ImageFont

from coursebuild import fonts, mathtex
from coursebuild.model import JsonDict
from coursebuild.shown import CODE_ASPECT, CODE_SCALE, Box

EM = 1000  # size in which the fonts are read
SCRIPT = 0.66  # size of raised and lowered text / that on the line
SOURCE = (11.5, 10.0)  # points: size of a figure's source, and the least with which it is kept on one line
ROUNDING = 0.98  # share of a line that may be full: programs round widths up


def lines(
    spans: list[JsonDict],
    size: float,
    room: float,
    tracking: float = 0.0,
) -> int:
    """Lines that rich text of `size` points fills when it is broken at spaces into `room` points.

    `tracking` is what is added between letters, in shares of the size.
    """
    count, x, room = 1, 0.0, room * ROUNDING
    space = (_length("Regular", " ") + tracking) * size
    for needed in words_width(spans, size, tracking):
        if x and x + space + needed > room:
            count, x = count + 1, needed
        else:
            x += (space if x else 0) + needed
        count, x = count + int(x // room), x % room
    return count


def words_width(spans: list[JsonDict], size: float, tracking: float = 0.0) -> list[float]:
    """Width of each piece of the text that does not break."""
    return [sum(_span_width(span, size, tracking) for span in word) for word in _words(spans)]


def fitting(text: str, size: float, room: float) -> float:
    """`size`, or the smaller size in points with which `text` fits on one line of `room` points."""
    needed = _length("Regular", text) * size / ROUNDING
    return size if needed <= room else int(size * room / needed * 10) / 10


def source_size(text: str, box: Box) -> float:
    """Size in points of the line that says where a figure came from: a little smaller where that keeps it on a line."""
    size = fitting(text, SOURCE[0], box.w)
    return size if size >= SOURCE[1] else SOURCE[0]


def _words(spans: list[JsonDict]) -> Iterator[list[JsonDict]]:
    """The pieces between spaces; formulas and inline code do not break."""
    word: list[JsonDict] = []
    for span in spans:
        if span["k"] != "text":
            word.append(span)
            continue
        for number, part in enumerate(span["t"].split(" ")):
            if number and word:
                yield word
                word = []
            if part:
                word.append({**span, "t": part})
    if word:
        yield word


def _span_width(span: JsonDict, size: float, tracking: float) -> float:
    if span["k"] == "code":
        return len(span["t"]) * CODE_ASPECT * CODE_SCALE * size
    if span["k"] == "text":
        text = span["t"]
        return (_length("Bold" if span.get("b") else "Regular", text) + tracking * len(text)) * size
    runs = mathtex.runs(span["tex"]) or [(mathtex.unicode(span["tex"]), False, False, 0)]
    return sum(_length("Regular", t) * size * (SCRIPT if level else 1) for t, _, _, level in runs)


@cache
def _font(style: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(fonts.font_dir() / f"Inter-{style}.ttf"), EM)


@lru_cache(maxsize=65536)
def _length(style: str, text: str) -> float:
    """Width of text / its size."""
    return _font(style).getlength(text) / EM
