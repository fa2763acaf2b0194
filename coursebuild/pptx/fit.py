"""Text that breaks into more lines in PPTX than on the frames is set a little smaller, or refused.

Other programs set formulas in the text font, cannot narrow titles, and round widths up; so a line that is nearly full
may break. Widths come from the fonts themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from coursebuild.measure import lines, words_width
from coursebuild.model import JsonDict
from coursebuild.pptx.canvas import Canvas
from coursebuild.pptx.template import BULLETS, NUMBER_MARGIN
from coursebuild.shown import CAPITALS, LEADING, Box

FACTORS = tuple(1 - 0.02 * n for n in range(11))
SLACK = 0.3  # of the text size: what a text box leaves below its last line
BULLET_GAP = 0.92  # between items / size, as deck.typ has it
TITLE_LEADING = {"title": 0.36, "content": 0.34, "animation": 0.34}
TITLE_TRACKING = -0.0125  # of titles, in shares of the size; cover titles are narrower still


def text_height(count: int, size: float) -> float:
    """From the top of the first line's capitals to the last baseline, in points."""
    return size * (CAPITALS + (count - 1) * (CAPITALS + LEADING))


def factor(canvas: Canvas, block: JsonDict, box: Box, height: Callable[[float, bool], float]) -> float:
    """The largest factor for the text's size with which `height(factor, whole_links)` fits the box.

    Where links keep it from fitting in LibreOffice alone, that is let be. Raises CourseError at 80 %.
    """
    for whole_links, candidate in product((True, False), FACTORS):
        if height(candidate, whole_links) <= box.h + SLACK * box.size:
            return candidate
    need, have = height(FACTORS[-1], False), box.h
    what = f"the {block['type']} needs {need:.0f} points of height in PPTX and has {have:.0f}"
    raise canvas.sources.error(what, block, "shorten it, or split the slide")


def of_lines(canvas: Canvas, block: JsonDict, box: Box, spans: list[JsonDict], size: float, room: float) -> float:
    """The factor for a paragraph of `size` points in `room` points of width."""

    def height(f: float, whole: bool) -> float:
        return text_height(lines(spans, size * f, room, canvas.cache, whole_links=whole), size * f)

    return factor(canvas, block, box, height)


def of_bullets(canvas: Canvas, block: JsonDict, box: Box, sub_scale: float) -> float:
    """The factor for a list."""

    def height(f: float, whole: bool) -> float:
        total = 0.0
        for item in block["items"]:
            size = box.size * f * (sub_scale if item["level"] else 1)
            margin = NUMBER_MARGIN if block["ordered"] and not item["level"] else BULLETS[item["level"]][1]
            room = box.w - margin * box.k
            count = lines(item["spans"], size, room, canvas.cache, whole_links=whole)
            total += text_height(count, size) + BULLET_GAP * size
        return total - BULLET_GAP * box.size * f

    return factor(canvas, block, box, height)


def title_size(canvas: Canvas, spans: list[JsonDict], box: Box | None, size: float, kind: str) -> float:
    """The size in points with which a title fills as many lines as the layout engine gave it."""
    if box is None:
        return size
    count = round((box.h / size - CAPITALS) / (CAPITALS + TITLE_LEADING[kind])) + 1
    bold: list[Any] = [{**span, "b": True} for span in spans]
    for candidate in (size * f for f in FACTORS):
        longest = max(words_width(bold, candidate, canvas.cache, TITLE_TRACKING), default=0.0)
        if longest <= box.w and lines(bold, candidate, box.w, canvas.cache, TITLE_TRACKING) <= count:
            return int(candidate * 2) / 2
    return int(size * FACTORS[-1] * 2) / 2
