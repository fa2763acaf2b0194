"""One slide while it is drawn: shapes at the layout engine's places, names, alt texts, builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.shapes import MSO_SHAPE
from pptx.oxml.ns import qn

from coursebuild.pptx.text import Typesetter
from coursebuild.pptx.timing import Builds
from coursebuild.pptx.xml import decorate, describe, emu, unstyle
from coursebuild.shown import Box, Sources

RADIUS = 9  # points, corners of cards
BAR = 4.5  # points, the coloured edge of a card
# Typst measures a line from the top of capitals to the baseline; a text box also holds ascenders and descenders.
ASCENT, DESCENT = 0.32, 0.30


class Canvas:
    """A slide, the sources of its content, and what will appear on it with which click."""

    def __init__(
        self, slide: Any, sources: Sources, pen: Typesetter, tokens: dict[str, str], theme: str, cache: Path
    ) -> None:
        self.slide, self.sources, self.pen, self.tokens = slide, sources, pen, tokens
        self.theme, self.cache = theme, cache
        self.builds = Builds()
        self.bodies = [p for p in slide.placeholders if p.placeholder_format.idx in (1, 2)]

    def take_body(self) -> Any | None:
        """The next unused body placeholder, moved to the end of the reading order, or None."""
        if not self.bodies:
            return None
        body = self.bodies.pop(0)
        self.slide.shapes._spTree.append(body._element)
        return body

    def drop_bodies(self) -> None:
        """Remove placeholders that nothing filled: they would show "Click to add text" in the editor."""
        for body in self.bodies:
            body._element.getparent().remove(body._element)
        self.bodies = []

    def text_box(self, box: tuple[float, float, float, float], name: str, anchor: str = "t", wrap: bool = True) -> Any:
        """An empty text box without margins: (x, y, width, height) in points."""
        shape = self.slide.shapes.add_textbox(*(emu(v) for v in box))
        describe(shape, name)
        frame = shape.text_frame
        frame.word_wrap = wrap
        body = frame._txBody.find(qn("a:bodyPr"))
        body[:] = []
        body.set("anchor", anchor)
        for side in ("lIns", "tIns", "rIns", "bIns"):
            body.set(side, "0")
        return shape

    def block_text(self, box: Box, name: str, size: float) -> Any:
        """A text box around a block of text of `size` points, with room for ascenders and descenders."""
        return self.text_box((box.x, box.y - ASCENT * size, box.w, box.h + (ASCENT + DESCENT) * size), name)

    def rectangle(
        self,
        box: tuple[float, float, float, float],
        name: str,
        colour: Any,
        radius: float = 0,
        decorative: bool = True,
    ) -> Any:
        """A filled shape without outline; `colour` is one of the theme, or "#RRGGBB"."""
        from pptx.dml.color import RGBColor

        kind = MSO_SHAPE.ROUNDED_RECTANGLE if radius else MSO_SHAPE.RECTANGLE
        shape = self.slide.shapes.add_shape(kind, *(emu(v) for v in box))
        unstyle(shape)
        describe(shape, name)
        if radius:
            shape.adjustments[0] = min(0.5, radius / min(box[2], box[3]))
        shape.fill.solid()
        if isinstance(colour, str):
            shape.fill.fore_color.rgb = RGBColor.from_string(colour[1:])
        else:
            shape.fill.fore_color.theme_color = colour
        shape.line.fill.background()
        if decorative:
            decorate(shape)
        return shape

    def card(self, box: Box, name: str, tone: Any = None, decorative: bool = True) -> list[Any]:
        """The ground of a block, with a coloured edge where there is a tone; the ground is the first shape."""
        place = (box.x, box.y, box.w, box.h)
        shapes = [self.rectangle(place, name, COLOUR.BACKGROUND_2, RADIUS, decorative)]
        if tone is not None:
            shapes.append(self.rectangle((box.x, box.y, BAR, box.h), f"{name} edge", tone))
        return shapes

    def appear(self, shapes: list[Any], step: int) -> None:
        for shape in shapes:
            self.builds.appear(shape, step)
