"""The PPTX slides: native text, tables, notes, builds and a playing clip, which people can edit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pptx.util import Pt

from coursebuild import theme
from coursebuild.errors import CourseError
from coursebuild.model import Slide
from coursebuild.pptx.blocks import draw
from coursebuild.pptx.canvas import ASCENT, DESCENT, Canvas
from coursebuild.pptx.check import problems
from coursebuild.pptx.package import add_sections, save, set_properties
from coursebuild.pptx.template import AUTHOR, FOOTER, KICKER, NUMBER, new_presentation
from coursebuild.pptx.text import Typesetter
from coursebuild.pptx.xml import emu
from coursebuild.shown import Box, Sources, clean, footer, provenance, walk

TITLE_SIZE, COVER_SIZE, SUBTITLE_SIZE = 32.0, 56.0, 24.0  # points
COVER_KICKER_ABOVE = 37.0  # points from the top of the course's name to that of the lecture's title


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
    set_properties(presentation, title, deck.course, deck.language, provenance(sources.record))
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
    made, deck = canvas.slide, canvas.sources.deck
    fields = {p.placeholder_format.idx: p for p in made.placeholders}
    canvas.pen.spans(made.shapes.title.text_frame.paragraphs[0], slide.title)
    if slide.kind == "title":
        _cover(canvas, slide, fields)
    else:
        _place_title(made.shapes.title, canvas.sources.title_box(slide), TITLE_SIZE)
        if KICKER in fields:
            fields[KICKER].text_frame.text = clean(slide.kicker)
            if not slide.kicker.strip():
                fields[KICKER]._element.getparent().remove(fields[KICKER]._element)
    draw(canvas, slide.blocks)
    if slide.kind != "title":
        canvas.drop_bodies()
        _footer(made, footer(deck))
    made.notes_slide.notes_text_frame.text = "\n".join(canvas.sources.notes(slide))
    canvas.builds.write(made)


def _cover(canvas: Canvas, slide: Slide, fields: dict[int, Any]) -> None:
    """The title slide: course and day, title, subtitle, where the numbers come from."""
    deck, place = canvas.sources.deck, canvas.sources.title_box(slide)
    _place_title(fields[0], place, COVER_SIZE)
    fields[KICKER].text_frame.text = clean(f"{deck.course}  ·  Day {deck.day}")
    if place:
        fields[KICKER].top = emu(place.y - COVER_KICKER_ABOVE)
        fields[KICKER].left, fields[KICKER].width, fields[KICKER].height = emu(place.x), emu(840), emu(22)
    if slide.subtitle:
        canvas.pen.spans(fields[1].text_frame.paragraphs[0], slide.subtitle)
        _place_title(fields[1], canvas.sources.title_box(slide, "st"), SUBTITLE_SIZE)
    else:
        fields[1]._element.getparent().remove(fields[1]._element)
    fields[AUTHOR].text_frame.text = clean(deck.run_line)


def _place_title(shape: Any, box: Box | None, size: float) -> None:
    """Put a title where the layout engine put it, with its shrink factor."""
    if box is None:
        return
    size *= box.k
    shape.left, shape.width = emu(box.x), emu(box.w)
    shape.top, shape.height = emu(box.y - ASCENT * size), emu(box.h + (ASCENT + DESCENT) * size)
    if box.k != 1:
        for run in shape.text_frame.paragraphs[0].runs:
            run.font.size = Pt(round(size * 2) / 2)


def _footer(slide: Any, text: str) -> None:
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
            shape.text_frame.text = clean(text)
            shape.text_frame.paragraphs[0].runs[0]._r.get_or_add_rPr().set("lang", "en-US")


def _refuse(sources: Sources, found: list[str]) -> None:
    if found:
        more = f" (and {len(found) - 4} more)" if len(found) > 4 else ""
        raise CourseError(
            "the PPTX slides would have faults: " + "; ".join(found[:4]) + more,
            file=sources.deck.source,
            hint="show less on that slide, or split it",
        )
