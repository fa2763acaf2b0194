"""What a deck must not have: shapes outside of the slide or over each other, pictures without alt text, dead builds.

The build runs this on the finished presentation; `tests/pptx_geometry.py` adds what only a renderer can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pptx.enum.shapes import MSO_SHAPE_TYPE as KIND
from pptx.oxml.ns import qn

from coursebuild.pptx.xml import EMU_PER_POINT, is_decorative, properties

EDGE = 0.5  # points by which a shape may pass the edge of the slide
TOUCH = (1.0, 4.0)  # points by which two shapes may overlap, across and down: their text has air inside
NEEDS_ALT = (KIND.PICTURE, KIND.MEDIA, KIND.TABLE)
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom in points


def problems(presentation: Any) -> list[str]:
    """A line for each fault, "slide 3: 'Bullets' overlaps 'Formula' by 20 x 9 pt"; empty when all is well."""
    page = (presentation.slide_width / EMU_PER_POINT, presentation.slide_height / EMU_PER_POINT)
    out: list[str] = []
    for number, slide in enumerate(presentation.slides, 1):
        found = [*_outside(slide, page), *_overlaps(slide), *_nameless(slide), *_dead_builds(slide)]
        out += [f"slide {number}: {line}" for line in found]
    return out


def rectangle(shape: Any) -> Rectangle:
    left, top = shape.left / EMU_PER_POINT, shape.top / EMU_PER_POINT
    return left, top, left + shape.width / EMU_PER_POINT, top + shape.height / EMU_PER_POINT


def shapes_of(slide: Any) -> list[Any]:
    """The shapes that carry content: placed, and not decorative."""
    return [shape for shape in slide.shapes if shape.width is not None and not is_decorative(shape)]


def _outside(slide: Any, page: tuple[float, float]) -> Iterator[str]:
    for shape in shapes_of(slide):
        left, top, right, bottom = rectangle(shape)
        if left < -EDGE or top < -EDGE or right > page[0] + EDGE or bottom > page[1] + EDGE:
            yield f"{shape.name!r} leaves the slide"


def _overlaps(slide: Any) -> Iterator[str]:
    shapes = shapes_of(slide)
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            x0, y0, x1, y1 = rectangle(a)
            u0, v0, u1, v1 = rectangle(b)
            width, height = min(x1, u1) - max(x0, u0), min(y1, v1) - max(y0, v0)
            if width > TOUCH[0] and height > TOUCH[1] and not _meant(a, b):
                yield f"{a.name!r} overlaps {b.name!r} by {width:.0f} x {height:.0f} pt"


def _meant(a: Any, b: Any) -> bool:
    """A clip lies over the title of its slide, and the tick of an answer over its letter."""
    if KIND.MEDIA in (a.shape_type, b.shape_type):
        other = b if a.shape_type == KIND.MEDIA else a
        return other.is_placeholder
    return a.name.startswith("Letter ") and b.name == a.name.replace("Letter", "Tick")


def _nameless(slide: Any) -> Iterator[str]:
    for shape in shapes_of(slide):
        if shape.shape_type in NEEDS_ALT and not properties(shape).get("descr", "").strip():
            yield f"{shape.name!r} has no alt text"
        if shape.is_placeholder and shape.has_text_frame and not shape.text_frame.text.strip():
            yield f"the placeholder {shape.name!r} is empty"
    if slide.shapes.title is None or not slide.shapes.title.text_frame.text.strip():
        yield "it has no title"


def _dead_builds(slide: Any) -> Iterator[str]:
    """Builds whose shape or paragraph does not exist: PowerPoint would offer to repair the file."""
    paragraphs = {s.shape_id: len(s.text_frame.paragraphs) if s.has_text_frame else 0 for s in slide.shapes}
    for target in slide._element.iter(qn("p:spTgt")):
        shape = int(target.get("spid"))
        last = max((int(r.get("end")) for r in target.iter(qn("p:pRg"))), default=-1)
        if shape not in paragraphs or last >= paragraphs[shape]:
            yield f"a build points at shape {shape}, paragraph {last}, which does not exist"
