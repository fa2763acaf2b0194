"""Quizzes: a card for each choice; with the click of the answer the right ones get a tick and a green frame."""

from __future__ import annotations

from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Pt

from coursebuild.measure import lines
from coursebuild.model import JsonDict
from coursebuild.pptx import fit
from coursebuild.pptx.canvas import RADIUS, Canvas
from coursebuild.pptx.template import LINE
from coursebuild.pptx.text import Style
from coursebuild.pptx.xml import describe
from coursebuild.shown import CAPITALS, LEADING, Box, letters

# As the layout engine draws them; all but the last two are shares of the block's text size.
TEXT, GAP, INSET, SIDE, LETTER = 0.94, 0.5, 0.5, 1.28, 0.68
PAD, GUTTER = 18.0, 16.0  # points


def quiz(canvas: Canvas, block: JsonDict) -> None:
    """Draw the choices; the ticks appear with the step `answer_step`."""
    box = canvas.sources.box(block)
    y, shapes, answers = box.y, [], []
    names = letters(len(block["items"]))
    for letter, item, height in zip(names, block["items"], heights(canvas, block, box), strict=True):
        row = Box(box.x, y, box.w, height, box.k)
        shapes += _choice(canvas, block, row, letter, item["spans"])
        if item["correct"]:
            answers += _answer(canvas, row, letter)
        y += height + GAP * box.size
    canvas.appear(shapes, block["step"])
    canvas.appear(answers, block["answer_step"])


def heights(canvas: Canvas, block: JsonDict, box: Box) -> list[float]:
    """Heights of the choices in points, by the lines that each needs; with the gaps they fill the block."""
    width = box.w - 2 * PAD - GUTTER - SIDE * box.size
    counts = [lines(item["spans"], TEXT * box.size, width) for item in block["items"]]
    needed = [2 * INSET + max(SIDE, TEXT * (CAPITALS + (n - 1) * (CAPITALS + LEADING))) for n in counts]
    room = box.h - (len(counts) - 1) * GAP * box.size
    return [room * share / sum(needed) for share in needed]


def _choice(canvas: Canvas, block: JsonDict, row: Box, letter: str, spans: list[JsonDict]) -> list[Any]:
    card = canvas.rectangle((row.x, row.y, row.w, row.h), f"Card {letter}", COLOUR.BACKGROUND_2, RADIUS)
    mark = _mark(canvas, row, f"Letter {letter}")
    mark.fill.background()
    mark.line.color.theme_color, mark.line.width = COLOUR.ACCENT_1, Pt(1.5)
    style = Style(LETTER * row.size, COLOUR.ACCENT_1, bold=True)
    canvas.pen.run(mark.text_frame.paragraphs[0], letter, style)
    left = PAD + SIDE * row.size + GUTTER
    text = canvas.text_box((row.x + left, row.y, row.w - left - PAD, row.h), f"Choice {letter}", "ctr")
    par = text.text_frame.paragraphs[0]
    par.line_spacing = LINE
    size, room = TEXT * row.size, row.w - left - PAD
    size *= fit.of_lines(canvas, block, row, spans, size, room)
    canvas.pen.spans(par, spans, Style(size, COLOUR.TEXT_1))
    return [card, mark, text]


def _answer(canvas: Canvas, row: Box, letter: str) -> list[Any]:
    """The mark of a right answer: a green frame, and a tick over the letter, with an alt text."""
    frame = canvas.rectangle((row.x, row.y, row.w, row.h), f"Frame {letter}", COLOUR.ACCENT_3, RADIUS)
    frame.fill.background()
    frame.line.color.theme_color, frame.line.width = COLOUR.ACCENT_3, Pt(1.75)
    tick = _mark(canvas, row, f"Tick {letter}", f"{letter} is right")
    canvas.pen.run(tick.text_frame.paragraphs[0], "✓", Style(0.9 * row.size, COLOUR.BACKGROUND_1, bold=True))
    return [frame, tick]


def _mark(canvas: Canvas, row: Box, name: str, alt: str = "") -> Any:
    """The small square at the left of a choice."""
    side = SIDE * row.size
    place = (row.x + PAD, row.y + (row.h - side) / 2, side, side)
    shape = canvas.rectangle(place, name, COLOUR.ACCENT_3, 5, decorative=False)
    describe(shape, name, alt)
    frame = shape.text_frame
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.vertical_anchor, frame.paragraphs[0].alignment = MSO_ANCHOR.MIDDLE, PP_ALIGN.CENTER
    return shape
