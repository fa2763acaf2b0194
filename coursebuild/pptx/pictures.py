"""Pictures with alt text: figures of the run, display formulas (bitmap and vector), the movie of an animation."""

from __future__ import annotations

import io
from functools import partial
from importlib.metadata import version
from pathlib import Path

import typst
from PIL import Image
from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.text import PP_ALIGN

from coursebuild import fonts, mathtex, theme
from coursebuild.files import cached, key_of, sha256
from coursebuild.measure import SOURCE, fitting, lines
from coursebuild.model import FPS, PAGE, JsonDict
from coursebuild.pptx import fit
from coursebuild.pptx.canvas import Canvas
from coursebuild.pptx.text import Style
from coursebuild.pptx.timing import play_at_once
from coursebuild.pptx.xml import add_vector, describe, emu
from coursebuild.shown import Box
from coursebuild.typstfonts import typst_fonts

PPI = 432  # of formulas: 6 pixels a point, sharp on a 4K screen
FORMULA_BASE = 22.0  # points: the size in which a formula of `size` 22 stands in text of the body's size
CARD_PAD = 44.5  # points at both sides of a formula in a card
CAPTION_SCALE = 0.74
UNDER_PICTURE = 8.0  # points from a picture to the text under it
SMALL_ASCENT, SMALL_DESCENT = 0.24, 0.24  # as canvas.ASCENT, for text with single line spacing


def formula(canvas: Canvas, block: JsonDict) -> None:
    """A display formula: a picture with its LaTeX and its Unicode form as alt text."""
    box = canvas.sources.box(block)
    shapes = canvas.card(box, "Formula card", COLOUR.ACCENT_1) if block["card"] else []
    size = block["size"] / FORMULA_BASE * box.size
    png, svg = formula_files(block["tex"], size, canvas.tokens["text"], canvas.cache)
    with Image.open(png) as image:
        width, height = (side * 72 / PPI for side in image.size)
    fit = min(1.0, (box.w - (CARD_PAD if block["card"] else 0)) / width, box.h / height)
    width, height = width * fit, height * fit
    place = (box.x + (box.w - width) / 2, box.y + (box.h - height) / 2, width, height)
    picture = canvas.slide.shapes.add_picture(str(png), *(emu(v) for v in place))
    describe(picture, "Formula", f"Formula: {mathtex.unicode(block['tex'])} (LaTeX: {block['tex']})")
    add_vector(canvas.slide, picture, svg.read_bytes(), f"formula-{sha256(svg)[:12]}-{block['id']}")
    canvas.appear([*shapes, picture], block["step"])


def formula_files(tex: str, size: float, colour: str, cache: Path) -> tuple[Path, Path]:
    """(PNG, SVG) of a display formula set by Typst in text of `size` points; `colour` is "#RRGGBB"."""
    family = theme.fonts()
    source = (
        "#set page(width: auto, height: auto, margin: 1pt, fill: none)\n"
        f'#set text(size: {size:.2f}pt, fill: rgb("{colour}"), font: "{family["text"]}")\n'
        f'#show math.equation: set text(font: "{family["math"]}", size: 1.06em)\n'
        f"$ {mathtex.typst(tex, True)} $"
    )
    key = key_of("formula", source, PPI, version("typst"), fonts.fonts_key())
    png = cached(cache, "formula", key, ".png", partial(_compile, source, "png"))
    svg = cached(cache, "formula", key, ".svg", partial(_compile, source, "svg"))
    return png, svg


def _compile(source: str, kind: str, target: Path) -> None:
    target.write_bytes(typst.compile(source.encode(), format=kind, ppi=PPI, font_paths=typst_fonts()))


def figure(canvas: Canvas, block: JsonDict) -> None:
    """A figure of the run, its caption, and the small line that says where it came from."""
    box = canvas.sources.box(block)
    png = canvas.sources.figure(block, canvas.theme, ".png")
    place = (box.x + (box.w - box.iw) / 2, box.y, box.iw, box.ih)
    picture = canvas.slide.shapes.add_picture(str(png), *(emu(v) for v in place))
    describe(picture, f"Figure: {block['name']}", block["alt"])
    shapes = [picture]
    for name, spans, y, size in _small_lines(canvas, block, box):
        count = 1 if name == "Source" else lines(spans, size, box.w)
        height = fit.text_height(count, size)
        place = (box.x, y - SMALL_ASCENT * size, box.w, height + (SMALL_ASCENT + SMALL_DESCENT) * size)
        shape = canvas.text_box(place, name, wrap=name != "Source")
        par = shape.text_frame.paragraphs[0]
        par.alignment = PP_ALIGN.CENTER
        canvas.pen.spans(par, spans, Style(size, COLOUR.TEXT_2))
        shapes.append(shape)
    canvas.appear(shapes, block["step"])


def _small_lines(canvas: Canvas, block: JsonDict, box: Box) -> list[tuple[str, list[JsonDict], float, float]]:
    """(name, spans, top of the capitals, size) of the caption and the source under a figure."""
    out: list[tuple[str, list[JsonDict], float, float]] = []
    top = box.y + box.ih + UNDER_PICTURE
    if block.get("caption"):
        out.append(
            ("Caption", block["caption"], top, fit.caption_size(block["caption"], box.size * CAPTION_SCALE, box.w))
        )
    if block.get("source"):
        size = fitting(block["source"], SOURCE[0], box.w)
        spans = [{"k": "text", "t": block["source"]}]
        last = box.y + box.h - fit.text_height(1, size)
        out.append(("Source", spans, last if out else top, size))
    return out


def movie(canvas: Canvas, block: JsonDict) -> None:
    """The clip of a scene; it fills the slide, starts by itself, and stands as its last picture when printed."""
    clip, video, poster = canvas.sources.clip(block)
    shape = canvas.slide.shapes.add_movie(
        io.BytesIO(video.read_bytes()),
        *(0, 0, emu(PAGE[0]), emu(PAGE[1])),
        poster_frame_image=str(poster),
        mime_type="video/mp4",
    )
    describe(shape, f"Animation: {block['scene']}", block["alt"])
    seconds = sum(section.frames for section in clip.sections) / FPS
    play_at_once(canvas.slide, shape, seconds)
