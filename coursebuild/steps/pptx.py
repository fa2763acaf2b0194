"""The PPTX slides: native text, tables, notes, builds and a playing clip, which people can edit."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.util import Pt

from coursebuild import theme
from coursebuild.cover import artwork
from coursebuild.errors import CourseError
from coursebuild.measure import fitting
from coursebuild.model import PAGE, Slide
from coursebuild.pptx.blocks import draw
from coursebuild.pptx.canvas import DESCENT, Canvas
from coursebuild.pptx.check import problems
from coursebuild.pptx.fit import title_size
from coursebuild.pptx.package import add_sections, save, set_properties
from coursebuild.pptx.template import AUTHOR, FOOTER, KICKER, NUMBER, new_presentation
from coursebuild.pptx.text import Style, Typesetter, literal
from coursebuild.pptx.xml import decorate, describe, emu
from coursebuild.shown import FOOTER as FOOTER_LINE
from coursebuild.shown import ORIGIN, Box, Sources, footer, over_title, provenance, walk

TITLE_SIZE, SUBTITLE_SIZE = 32.0, 23.0  # points
TITLE_ASCENT, SUBTITLE_ASCENT = 0.12, 0.30  # as canvas.ASCENT; the lines of titles are tighter
COVER_WIDTH = 486.0  # points for the lecture's title: up to the drawing
COVER_KICKER_ABOVE = 33.0  # points from the top of the course's name to that of the lecture's title
PROGRESS = 3.0  # points, the bar at the bottom


def pptx(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Write `products["pptx"]` from the deck, what is said, the geometry, the clips and the record.

    `params["theme"]` is "dark" or "light". Raises CourseError where something is missing, or where two things would
    lie over each other.
    """
    sources = Sources.load(inputs)
    deck, name = sources.deck, params["theme"]
    tokens, families = theme.tokens(name), theme.fonts()
    presentation = new_presentation(name, tokens, families)
    layouts = {layout.name: layout for layout in presentation.slide_layouts}
    pen = Typesetter(tokens, families, deck.language)
    for slide in deck.slides:
        made = presentation.slides.add_slide(layouts[layout_of(slide)])
        _draw_slide(Canvas(made, sources, pen, tokens, name, cache), slide)
    title = f"Day {deck.day}: {deck.title}"
    measured = str(sources.record.provenance.get("date", ""))
    set_properties(presentation, title, deck.course, deck.language, provenance(sources.record), measured)
    add_sections(presentation, [slide.kicker for slide in deck.slides])
    _refuse(sources, problems(presentation))
    save(presentation, products["pptx"])


def layout_of(slide: Slide) -> str:
    """The layout that fits a slide: one body placeholder for each of its first two lists."""
    if slide.kind in ("title", "animation"):
        return slide.kind.capitalize()
    lists = sum(block["type"] == "bullets" for block in walk(slide.blocks))
    return ("Title only", "Content", "Two columns")[min(lists, 2)]


def _draw_slide(canvas: Canvas, slide: Slide) -> None:
    made = canvas.slide
    fields = {p.placeholder_format.idx: p for p in made.placeholders}
    canvas.pen.spans(made.shapes.title.text_frame.paragraphs[0], slide.title)
    if slide.kind == "title":
        _cover(canvas, slide, fields)
    else:
        _place_title(canvas, made.shapes.title, slide, TITLE_SIZE)
        if KICKER in fields:
            _fill(fields[KICKER], slide.kicker)
    draw(canvas, slide.blocks)
    if slide.kind == "content":
        canvas.drop_bodies()
        _frame(canvas, slide, fields)
    made.notes_slide.notes_text_frame.text = literal("\n".join(canvas.sources.notes(slide)))
    canvas.builds.write(made)


def _cover(canvas: Canvas, slide: Slide, fields: dict[int, Any]) -> None:
    """The title slide: the day, title, subtitle, where the numbers come from, and the drawing."""
    sources = canvas.sources
    deck, place = sources.deck, sources.title_box(slide)
    png = artwork(deck, canvas.theme, "png", canvas.cache)
    drawing = canvas.slide.shapes.add_picture(str(png), 0, 0, emu(PAGE[0]), emu(PAGE[1]))
    describe(drawing, "Artwork", "A small network, drawn for this day")  # else the name of a cache file stands there
    decorate(drawing)
    tree = canvas.slide.shapes._spTree
    tree.insert(2, drawing._element)  # behind the text: after the two properties of the tree
    _place_title(canvas, fields[0], slide, sources.cover_size(slide))
    if len(slide.title_text.split()) == 1:
        fields[0].text_frame.word_wrap = False  # in a wider font it is longer, but not two pieces over the subtitle
    _fill(fields[KICKER], over_title(deck, slide))
    if place:
        top, width = emu(place.y - COVER_KICKER_ABOVE), emu(place.w)
        fields[KICKER].left, fields[KICKER].top, fields[KICKER].width = emu(place.x), top, width
        fields[KICKER].height = emu(20)
    canvas.pen.spans(fields[1].text_frame.paragraphs[0], slide.subtitle)
    _place(fields[1], sources.title_box(slide, "st"), SUBTITLE_SIZE, SUBTITLE_ASCENT)
    if not slide.subtitle:
        _fill(fields[1], "")
    par = fields[AUTHOR].text_frame.paragraphs[0]
    canvas.pen.run(par, deck.course, Style(bold=True))
    canvas.pen.run(par, f"  ·  {deck.run_line}" if deck.run_line else "")


def _fill(placeholder: Any, text: str) -> None:
    """Put a text into a placeholder, or remove the placeholder where there is none."""
    if text.strip():
        placeholder.text_frame.text = literal(text)
    else:
        placeholder._element.getparent().remove(placeholder._element)


def _place_title(canvas: Canvas, shape: Any, slide: Slide, size: float) -> None:
    """Put a title where the layout engine put it, in `size` points or what fits the same number of lines."""
    box = canvas.sources.title_box(slide)
    if box and slide.kind == "title":
        box = replace(box, w=COVER_WIDTH)
    _place(shape, box, size, TITLE_ASCENT)
    fits = title_size(canvas, slide.title, box, size, slide.kind)
    if fits != size or slide.kind == "title":
        _resize(shape, fits)


def _place(shape: Any, box: Box | None, size: float, ascent: float) -> None:
    """Put a text of `size` points where the layout engine put it."""
    if box is None:
        return
    shape.left, shape.width = emu(box.x), emu(box.w)
    shape.top, shape.height = emu(box.y - ascent * size), emu(box.h + (ascent + DESCENT) * size)


def _resize(shape: Any, size: float) -> None:
    for run in shape.text_frame.paragraphs[0].runs:
        run.font.size = Pt(size)


def _frame(canvas: Canvas, slide: Slide, fields: dict[int, Any]) -> None:
    """What stands at the foot of every slide: the day, where the numbers come from, number, progress."""
    deck, total = canvas.sources.deck, len(canvas.sources.deck.slides)
    origin = fields[AUTHOR]
    canvas.slide.shapes._spTree.append(origin._element)  # read after the content
    _fill(origin, deck.run_line)
    _resize(origin, fitting(deck.run_line, *ORIGIN))
    _footer(canvas.slide, footer(deck), fitting(footer(deck), *FOOTER_LINE))
    bar = (0, PAGE[1] - PROGRESS, PAGE[0] * slide.n / total, PROGRESS)
    canvas.rectangle(bar, "Progress", COLOUR.ACCENT_1)


def _footer(slide: Any, text: str, size: float) -> None:
    """Give the slide its footer and number; python-pptx leaves these placeholders on the layout."""
    for placeholder in slide.slide_layout.placeholders:
        index = placeholder.placeholder_format.idx
        if index not in (FOOTER, NUMBER):
            continue
        element = copy.deepcopy(placeholder._element)
        tree = slide.shapes._spTree
        number = max(int(i) for i in tree.xpath("//p:cNvPr/@id")) + 1
        element.xpath(".//p:cNvPr")[0].set("id", str(number))
        tree.append(element)
        if index == FOOTER:
            shape = slide.shapes[-1]
            shape.text_frame.text = literal(text)
            _resize(shape, size)


def _refuse(sources: Sources, found: list[str]) -> None:
    if found:
        more = f" (and {len(found) - 4} more)" if len(found) > 4 else ""
        raise CourseError(
            "the PPTX slides would have faults: " + "; ".join(found[:4]) + more,
            file=sources.deck.source,
            hint="show less on that slide, or split it",
        )
