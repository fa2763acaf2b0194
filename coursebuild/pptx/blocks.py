"""Blocks of text: bullets, paragraphs, callouts. `draw` hands every block to its renderer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Pt

from coursebuild.model import JsonDict
from coursebuild.pptx import fit, listing, pictures, quiz, tables
from coursebuild.pptx.canvas import ASCENT, DESCENT, Canvas
from coursebuild.pptx.template import BULLET_COLOURS, BULLETS, HANG, LINE, NUMBER_MARGIN
from coursebuild.pptx.text import TONES, Style
from coursebuild.pptx.xml import describe, element, emu
from coursebuild.shown import PARA_SCALE, walk

SUB_SCALE = 0.87  # second-level bullets / first level
CALLOUT_SCALE = 0.92
CALLOUT_AIR = 0.5  # at least, above and below its text / size
CALLOUT_PAD = 22.0  # points at both sides of its text


def draw(canvas: Canvas, blocks: list[JsonDict]) -> None:
    """Draw the blocks of a slide at their places, and remember which click each belongs to."""
    renderers = {
        "bullets": bullets,
        "para": paragraph,
        "callout": callout,
        "quiz": quiz.quiz,
        "math": pictures.formula,
        "figure": pictures.figure,
        "animation": pictures.movie,
        "code": listing.code,
        "table": tables.table,
    }
    for block in walk(blocks):
        renderers[block["type"]](canvas, block)


def bullets(canvas: Canvas, block: JsonDict) -> None:
    """A list, in the slide's body placeholder while there is one, else in a text box."""
    box = canvas.sources.box(block)
    size = box.size
    body = canvas.take_body()
    place = (box.x, box.y - ASCENT * size, box.w, box.h + (ASCENT + DESCENT) * size)
    shape = body or canvas.text_box(place, "Bullets")
    describe(shape, "Bullets")
    shrink = fit.of_bullets(canvas, block, box, SUB_SCALE)
    if body is not None:
        shape.left, shape.top, shape.width, shape.height = (emu(v) for v in place)
    for number, item in enumerate(block["items"]):
        par = shape.text_frame.paragraphs[0] if number == 0 else shape.text_frame.add_paragraph()
        par.level = item["level"]
        inherits = body is not None and box.k * shrink == 1
        _bullet(par, item["level"], box.k, block["ordered"] and item["level"] == 0, inherits, first=number == 0)
        scale = SUB_SCALE if item["level"] else 1
        canvas.pen.spans(par, item["spans"], Style(size=None if inherits else size * shrink * scale))
    canvas.builds.appear_by_paragraph(shape, [item["step"] for item in block["items"]])


def _bullet(par: Any, level: int, k: float, numbered: bool, inherits: bool, first: bool) -> None:
    """Indent, mark and space of a list paragraph; what the placeholder has already is left to it."""
    _, margin, mark, percent, above = BULLETS[level]
    properties = par._p.get_or_add_pPr()
    if not inherits:
        properties.set("marL", str(emu(margin * k)))
        properties.set("indent", str(emu(-HANG[level] * k)))
        par.line_spacing = LINE
    if first or not inherits:
        par.space_before = Pt(0 if first else above * k)
    if numbered:
        properties.set("marL", str(emu(NUMBER_MARGIN * k)))
        properties.set("indent", str(emu(-NUMBER_MARGIN * k)))
        parts = ['<a:buClr><a:schemeClr val="accent1"/></a:buClr>', '<a:buSzPct val="100000"/>']
        parts += ['<a:buFont typeface="+mj-lt"/>', '<a:buAutoNum type="arabicPeriod"/>']
    elif not inherits:
        parts = [
            f'<a:buClr><a:schemeClr val="{BULLET_COLOURS[level]}"/></a:buClr>',
            f'<a:buSzPct val="{percent * 1000}"/>',
        ]
        parts += ['<a:buFont typeface="Arial"/>', f'<a:buChar char="{mark}"/>']
    else:
        parts = []
    for part in parts:
        properties.append(element(part))


def paragraph(canvas: Canvas, block: JsonDict) -> None:
    box, style = canvas.sources.box(block), block["style"]
    head = style in ("head", "head2")
    size = box.size * PARA_SCALE[style]
    colour = {"head": COLOUR.ACCENT_1, "head2": COLOUR.ACCENT_2, "small": COLOUR.TEXT_2}.get(style)
    spans = [{**span, "b": True} for span in block["spans"]] if head else block["spans"]
    size *= fit.of_lines(canvas, block, box, spans, size, box.w, fit.room_below(canvas, block, box))
    shape = canvas.block_text(box, "Heading" if head else "Text", size)
    par = shape.text_frame.paragraphs[0]
    par.line_spacing = LINE
    canvas.pen.spans(par, block["spans"], Style(size, colour, bold=head or None))
    canvas.appear([shape], block["step"])


def callout(canvas: Canvas, block: JsonDict) -> None:
    """A card whose text begins with its label."""
    box, tone = canvas.sources.box(block), TONES[block["tone"]]
    shapes = canvas.card(box, "Callout", tone, decorative=False)
    par = _card_text(shapes[0], CALLOUT_PAD)
    size = box.size * CALLOUT_SCALE
    label = [{"k": "text", "t": block["label"] + "   ", "b": True}] if block["label"] else []
    inside = replace(box, h=box.h - 2 * CALLOUT_AIR * size)
    size *= fit.of_lines(canvas, block, inside, label + block["spans"], size, box.w - 2 * CALLOUT_PAD)
    if block["label"]:
        canvas.pen.run(par, block["label"] + "   ", Style(size, tone, bold=True))
    canvas.pen.spans(par, block["spans"], Style(size, COLOUR.TEXT_1))
    canvas.appear(shapes, block["step"])


def _card_text(card: Any, left: float) -> Any:
    """The first paragraph of a card, left-aligned, in the middle of its height."""
    frame = card.text_frame
    frame.word_wrap = True
    frame.margin_left, frame.margin_right = emu(left), emu(left)
    frame.margin_top = frame.margin_bottom = 0
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    par = frame.paragraphs[0]
    par.line_spacing, par.alignment = LINE, PP_ALIGN.LEFT
    return par
