"""Blocks of text: bullets, paragraphs, callouts, quizzes. `draw` hands every block to its renderer."""

from __future__ import annotations

from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Pt

from coursebuild.model import JsonDict
from coursebuild.pptx import listing, pictures, tables
from coursebuild.pptx.canvas import ASCENT, DESCENT, RADIUS, Canvas
from coursebuild.pptx.template import BULLETS, HANG, LINE
from coursebuild.pptx.text import TONES, Style
from coursebuild.pptx.xml import describe, element, emu
from coursebuild.shown import letters, walk

SUB_SCALE = 0.86  # second-level bullets / first level
CALLOUT_SCALE = 0.92
HEAD_SCALE = 1.05
SMALL_SCALE = 0.72


def draw(canvas: Canvas, blocks: list[JsonDict]) -> None:
    """Draw the blocks of a slide at their places, and remember which click each belongs to."""
    renderers = {
        "bullets": bullets,
        "para": paragraph,
        "callout": callout,
        "quiz": quiz,
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
    if body is not None:
        shape.left, shape.top, shape.width, shape.height = (emu(v) for v in place)
    for number, item in enumerate(block["items"]):
        par = shape.text_frame.paragraphs[0] if number == 0 else shape.text_frame.add_paragraph()
        par.level = item["level"]
        inherits = body is not None and box.k == 1
        _bullet(par, item["level"], box.k, block["ordered"] and item["level"] == 0, inherits, first=number == 0)
        scale = SUB_SCALE if item["level"] else 1
        canvas.pen.spans(par, item["spans"], Style(size=None if inherits else size * scale))
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
        parts = ['<a:buClr><a:schemeClr val="accent1"/></a:buClr>', '<a:buSzPct val="100000"/>']
        parts += ['<a:buFont typeface="+mj-lt"/>', '<a:buAutoNum type="arabicPeriod"/>']
    elif not inherits:
        parts = ['<a:buClr><a:schemeClr val="accent1"/></a:buClr>', f'<a:buSzPct val="{percent * 1000}"/>']
        parts += ['<a:buFont typeface="Arial"/>', f'<a:buChar char="{mark}"/>']
    else:
        parts = []
    for part in parts:
        properties.append(element(part))


def paragraph(canvas: Canvas, block: JsonDict) -> None:
    box, style = canvas.sources.box(block), block["style"]
    head = style in ("head", "head2")
    size = box.size * {"head": HEAD_SCALE, "head2": HEAD_SCALE, "small": SMALL_SCALE}.get(style, 1)
    colour = {"head": COLOUR.ACCENT_1, "head2": COLOUR.ACCENT_2, "small": COLOUR.TEXT_2}.get(style)
    shape = canvas.block_text(box, "Heading" if head else "Text", size)
    par = shape.text_frame.paragraphs[0]
    par.line_spacing = LINE
    canvas.pen.spans(par, block["spans"], Style(size, colour, bold=head or None))
    canvas.appear([shape], block["step"])


def callout(canvas: Canvas, block: JsonDict) -> None:
    """A card whose text begins with its label."""
    box, tone = canvas.sources.box(block), TONES[block["tone"]]
    shapes = canvas.card(box, "Callout", tone, decorative=False)
    par = _card_text(shapes[0], 20)
    size = box.size * CALLOUT_SCALE
    if block["label"]:
        canvas.pen.run(par, block["label"] + "   ", Style(size, tone, bold=True))
    canvas.pen.spans(par, block["spans"], Style(size, COLOUR.TEXT_1))
    canvas.appear(shapes, block["step"])


def quiz(canvas: Canvas, block: JsonDict) -> None:
    """A card for each choice; with the click of the answer, ticks and green edges appear at the right ones."""
    box = canvas.sources.box(block)
    size = box.size * CALLOUT_SCALE
    heights = quiz_heights(canvas, block)
    y, shapes, marks = box.y, [], []
    for letter, item, height in zip(letters(len(block["items"])), block["items"], heights, strict=True):
        place = (box.x, y, box.w, height)
        card = canvas.rectangle(place, f"Choice {letter}", COLOUR.BACKGROUND_2, RADIUS, decorative=False)
        par = _card_text(card, 20, right=56)
        canvas.pen.run(par, f"{letter}   ", Style(size, COLOUR.ACCENT_1, bold=True))
        canvas.pen.spans(par, item["spans"], Style(size, COLOUR.TEXT_1))
        shapes.append(card)
        if item["correct"]:
            marks += _tick(canvas, place, letter)
        y += height + QUIZ_GAP * box.k
    canvas.appear(shapes, block["step"])
    canvas.appear(marks, block["answer_step"])


QUIZ_GAP = 9.0  # points between choices


def quiz_heights(canvas: Canvas, block: JsonDict) -> list[float]:
    """Heights of the choices in points: shared out by the lines that each needs."""
    from coursebuild.pptx.measure import lines

    box = canvas.sources.box(block)
    size, n = box.size * CALLOUT_SCALE, len(block["items"])
    counts = [lines(item["spans"], size, box.w - 100, canvas.cache) for item in block["items"]]
    text = [count * 1.33 * size for count in counts]
    spare = (box.h - (n - 1) * QUIZ_GAP * box.k - sum(text)) / n
    if spare < 2:  # the layout engine found fewer lines than we did: share evenly
        return [(box.h - (n - 1) * QUIZ_GAP * box.k) / n] * n
    return [height + spare for height in text]


def _tick(canvas: Canvas, place: tuple[float, float, float, float], letter: str) -> list[Any]:
    """The mark of a right answer: a green frame, and a tick with an alt text."""
    x, y, w, h = place
    frame = canvas.rectangle(place, f"Right answer {letter}", COLOUR.ACCENT_3, RADIUS)
    frame.fill.background()
    frame.line.color.theme_color = COLOUR.ACCENT_3
    frame.line.width = Pt(2)
    side = min(24.0, h - 8)
    circle = canvas.slide.shapes.add_shape(
        MSO_SHAPE.OVAL, emu(x + w - side - 16), emu(y + (h - side) / 2), emu(side), emu(side)
    )
    circle._element.remove(circle._element.find("{*}style"))
    describe(circle, f"Tick {letter}", f"{letter} is right")
    circle.fill.solid()
    circle.fill.fore_color.theme_color = COLOUR.ACCENT_3
    circle.line.fill.background()
    text = circle.text_frame
    text.margin_left = text.margin_right = text.margin_top = text.margin_bottom = 0
    text.vertical_anchor, text.paragraphs[0].alignment = MSO_ANCHOR.MIDDLE, PP_ALIGN.CENTER
    canvas.pen.run(text.paragraphs[0], "✓", Style(side * 0.62, COLOUR.BACKGROUND_1, bold=True))
    return [frame, circle]


def _card_text(card: Any, left: float, right: float | None = None) -> Any:
    """The first paragraph of a card, left-aligned, in the middle of its height."""
    frame = card.text_frame
    frame.word_wrap = True
    frame.margin_left, frame.margin_right = emu(left), emu(left if right is None else right)
    frame.margin_top = frame.margin_bottom = 0
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    par = frame.paragraphs[0]
    par.line_spacing, par.alignment = LINE, PP_ALIGN.LEFT
    return par
