"""Text that breaks into more lines in PPTX than on the frames is set a little smaller, or refused.

Other programs set formulas in the text font, cannot narrow titles, and round widths up; so a line that is nearly full
may break. Widths come from the fonts themselves. Where the course's fonts are not installed, a wider one stands in: its
additional lines may use the free room below a text, and the text is set smaller where they would hit something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coursebuild.measure import lines, words_width
from coursebuild.model import JsonDict
from coursebuild.pptx.canvas import Canvas
from coursebuild.pptx.template import BULLETS, NUMBER_MARGIN
from coursebuild.shown import CAPITALS, LEADING, Box

FACTORS = tuple(1 - 0.02 * n for n in range(11))
FACTORS_WIDER = FACTORS[:8]  # so much, and no more, is given for programs without the course's fonts
FACTORS_COVER = tuple(1 - 0.02 * n for n in range(16))  # its title is large: one word may be a line
WIDER, WIDER_BOLD = 1.10, 1.18  # DejaVu Sans, the widest common stand-in, / Inter; measured with the course's texts
BODY_BOTTOM = 497.0  # points: deck.typ lets no block go lower
SLACK = 0.3  # of the text size: what a text box leaves below its last line
BULLET_GAP = 0.92  # between items / size, as deck.typ has it
TITLE_LEADING = {"title": 0.36, "content": 0.34, "animation": 0.34}
TITLE_TRACKING = -0.0125  # of titles, in shares of the size; cover titles are narrower still


def text_height(count: int, size: float) -> float:
    """From the top of the first line's capitals to the last baseline, in points."""
    return size * (CAPITALS + (count - 1) * (CAPITALS + LEADING))


def factor(
    canvas: Canvas, block: JsonDict, box: Box, height: Callable[[float, bool], float], below: float = 0
) -> float:
    """The largest factor for the text's size with which `height(factor, wider)` fits the box.

    `wider` asks for the height in a font that is wider than ours; that one may be `below` points higher than the box.
    Where even a smaller text would not fit so, only our font counts. Raises CourseError at 80 %.
    """
    room = box.h + SLACK * box.size
    for candidate in FACTORS_WIDER:
        if height(candidate, False) <= room and height(candidate, True) <= room + below:
            return candidate
    for candidate in FACTORS:
        if height(candidate, False) <= room:
            return candidate
    need, have = height(FACTORS[-1], False), box.h
    what = f"the {block['type']} needs {need:.0f} points of height in PPTX and has {have:.0f}"
    raise canvas.sources.error(what, block, "shorten it, or split the slide")


def room_below(canvas: Canvas, block: JsonDict, box: Box) -> float:
    """Points between the last line of a block, with its descenders, and what comes next on the slide."""
    places = canvas.sources.geometry
    page, end = places[block["id"]]["page"], box.y + box.h
    under = [
        place["y"]
        for name, place in places.items()
        if name != block["id"]
        and place["page"] == page
        and place["y"] >= end - 1
        and place["x"] < box.x + box.w
        and place["x"] + place["w"] > box.x
    ]
    return max(0.0, min(under, default=BODY_BOTTOM) - end - 2 * SLACK * box.size)


def of_lines(
    canvas: Canvas, block: JsonDict, box: Box, spans: list[JsonDict], size: float, room: float, below: float = 0
) -> float:
    """The factor for a paragraph of `size` points in `room` points of width."""

    def height(f: float, wider: bool) -> float:
        return text_height(lines(spans, size * f, room / (wideness(spans) if wider else 1)), size * f)

    return factor(canvas, block, box, height, below)


def of_bullets(canvas: Canvas, block: JsonDict, box: Box, sub_scale: float) -> float:
    """The factor for a list."""

    def height(f: float, wider: bool) -> float:
        total = 0.0
        for item in block["items"]:
            size = box.size * f * (sub_scale if item["level"] else 1)
            margin = NUMBER_MARGIN if block["ordered"] and not item["level"] else BULLETS[item["level"]][1]
            room = (box.w - margin * box.k) / (wideness(item["spans"]) if wider else 1)
            total += text_height(lines(item["spans"], size, room), size) + BULLET_GAP * size
        return total - BULLET_GAP * box.size * f

    return factor(canvas, block, box, height, room_below(canvas, block, box))


def wideness(spans: list[JsonDict]) -> float:
    """How much wider than ours a stand-in font may set a text: bold letters differ more."""
    return WIDER_BOLD if spans and all(span.get("b") for span in spans) else WIDER


def caption_size(spans: list[JsonDict], size: float, room: float) -> float:
    """At most `size` points, with which a caption has no more lines in a wider font than it has in ours."""
    count = lines(spans, size, room)
    fits = (f for f in FACTORS_WIDER if lines(spans, size * f, room / wideness(spans)) <= count)
    return size * next(fits, 1.0)


def title_size(canvas: Canvas, spans: list[JsonDict], box: Box | None, size: float, kind: str) -> float:
    """The size in points with which a title fills as many lines as the layout engine gave it."""
    if box is None:
        return size
    count = round((box.h / size - CAPITALS) / (CAPITALS + TITLE_LEADING[kind])) + 1
    bold: list[Any] = [{**span, "b": True} for span in spans]
    for wider, factors in ((WIDER_BOLD, FACTORS_COVER if kind == "title" else FACTORS_WIDER), (1, FACTORS)):
        room = box.w / wider
        for candidate in (size * f for f in factors):
            longest = max(words_width(bold, candidate, TITLE_TRACKING), default=0.0)
            if longest <= room and lines(bold, candidate, room, TITLE_TRACKING) <= count:
                return int(candidate * 2) / 2
    return int(size * FACTORS[-1] * 2) / 2
