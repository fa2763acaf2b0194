"""Spans as native text runs: editable, in theme colours, inline formulas too."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.oxml.ns import qn
from pptx.util import Pt

from coursebuild import mathtex
from coursebuild.model import JsonDict
from coursebuild.pptx.xml import element
from coursebuild.shown import BODY, CODE_SCALE, safe_link

CODED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # ISO/IEC 29500-1, 22.4.2.4: how a control character is written
RAISE = {1: 30_000, -1: -25_000}  # of super- and subscripts, in thousandths of a percent of the size
MONOSPACED, FIXED_PITCH = "02000009000000000000", "49"  # [PANOSE] proportion 9; FIXED_PITCH | FF_MODERN
ROLES = {  # of code tokens, in colours of the theme, so that another theme recolours listings too
    "kw": COLOUR.ACCENT_5,
    "str": COLOUR.ACCENT_6,
    "num": COLOUR.ACCENT_2,
    "fn": COLOUR.ACCENT_1,
    "com": COLOUR.TEXT_2,
    "txt": COLOUR.TEXT_1,
}
TONES = {
    "accent": COLOUR.ACCENT_1,
    "accent2": COLOUR.ACCENT_2,
    "good": COLOUR.ACCENT_3,
    "bad": COLOUR.ACCENT_4,
}


def literal(text: str) -> str:
    """Text that PowerPoint takes for itself: it would read `_x000D_` as a character, so a word joiner parts it."""
    return CODED.sub("_\u2060", text)


@dataclass(frozen=True)
class Style:
    """How a run looks; None leaves it to the placeholder. `size` in points."""

    size: float | None = None
    colour: Any = None
    bold: bool | None = None
    italic: bool | None = None
    raised: int = 0
    mono: str = ""  # family, for code
    highlight: str = ""  # "#RRGGBB" behind the run
    link: str = ""


class Typesetter:
    """Writes spans into paragraphs; knows the family and the ground of inline code."""

    def __init__(self, tokens: dict[str, str], fonts: dict[str, str], language: str) -> None:
        self.ground, self.mono, self.language = tokens["hl"], fonts["mono"], language

    def run(self, paragraph: Any, text: str, style: Style = Style()) -> None:
        """Add one run; line breaks in `text` become spaces."""
        run = paragraph.add_run()
        run.text = literal(text.replace("\n", " ").replace("\r", " ").replace("\t", "    "))
        font, properties = run.font, run._r.get_or_add_rPr()
        properties.set("lang", self.language)
        properties.set("dirty", "0")  # spell checked: no red waves under new decks
        if style.size:
            font.size = Pt(round(style.size * 2) / 2)
        font.bold, font.italic = style.bold or None, style.italic or None
        if style.colour is not None:
            font.color.theme_color = style.colour
        if style.raised:
            properties.set("baseline", str(RAISE[style.raised]))
        if style.highlight:  # the schema wants it before the typeface
            properties.append(element(f'<a:highlight><a:srgbClr val="{style.highlight[1:]}"/></a:highlight>'))
        if style.mono:
            font.name = style.mono
            _monospaced(properties, style.mono)
            properties.set("noProof", "1")
        if style.link:
            _link(paragraph, run, safe_link(style.link))

    def spans(self, paragraph: Any, spans: list[JsonDict], style: Style = Style()) -> None:
        """Add rich text: text, inline code, inline formulas."""
        for span in spans:
            if span["k"] == "text":
                bold = True if span.get("b") or style.bold else None
                href = span.get("href") or ""
                # LibreOffice breaks a link anywhere, but begins a line between two of them: a link for each word.
                for part in re.findall(r"\S+\s*|\s+", span["t"]) if href else [span["t"]]:
                    self.run(paragraph, part, replace(style, bold=bold, italic=span.get("i"), link=href))
            elif span["k"] == "code":
                self.code(paragraph, span["t"], style)
            else:
                self.formula(paragraph, span["tex"], style)

    def code(self, paragraph: Any, text: str, style: Style) -> None:
        size = (style.size or BODY) * CODE_SCALE
        self.run(
            paragraph,
            text,
            replace(style, size=size, colour=COLOUR.ACCENT_1, bold=None, mono=self.mono, highlight=self.ground),
        )

    def formula(self, paragraph: Any, tex: str, style: Style) -> None:
        """An inline formula as native runs; one that needs two dimensions is written in one line of Unicode."""
        runs = mathtex.runs(tex) or [(mathtex.unicode(tex), False, False, 0)]
        for text, italic, bold, level in runs:
            bold = bold or style.bold
            self.run(paragraph, text, replace(style, bold=bold, italic=italic or None, raised=level))


def _monospaced(properties: Any, family: str) -> None:
    """Say that the typeface of a run is monospaced, so that programs without it choose another one that is."""
    latin = properties.find(qn("a:latin"))
    others = [element(f'<a:{script} typeface="{family}"/>') for script in ("ea", "cs")]
    for typeface in (latin, *others):
        typeface.set("panose", MONOSPACED)
        typeface.set("pitchFamily", FIXED_PITCH)
    for typeface in reversed(others):
        latin.addnext(typeface)


def _link(paragraph: Any, run: Any, address: str) -> None:
    """Link a run; neighbours with the same address share the relation, and so stay one link in PowerPoint."""
    runs = paragraph.runs
    before = runs[-2]._r.find(f"{qn('a:rPr')}/{qn('a:hlinkClick')}") if len(runs) > 1 else None
    if before is not None and runs[-2].hyperlink.address == address:
        run._r.get_or_add_rPr().add_hlinkClick(before.get(qn("r:id")))
    else:
        run.hyperlink.address = address
