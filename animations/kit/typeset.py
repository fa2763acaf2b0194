"""Words and formulas, set by Typst in the slides' fonts and turned into outlines. No TeX anywhere.

Every piece knows its baseline and its advance width, so that pieces stand in a row as on a typeset line.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import svgelements
import typst
from manim import DL, UR, ManimColor, VGroup, VMobject

from kit.record import KitError
from kit.theme import POINT, Theme, at, on_page, stroke

MARK = "#010203"  # colour of the two invisible marks that tell where the line begins and ends
XLINK = "{http://www.w3.org/1999/xlink}href"
PREAMBLE = """
#set page(width: auto, height: auto, margin: 40pt, fill: none)
#set text(font: ({text}, {math}), features: ("ss03",), lang: "en", hyphenate: false, variations: (opsz: 18))
#show math.equation: set text(font: {math}, size: 1.06em)
#show raw: set text(font: {mono}, ligatures: false)
#let mark = box(width: 1pt, height: 1pt, fill: rgb("{mark}"))
#let pos(body) = text(fill: tone.accent, body)
#let neg(body) = text(fill: tone.accent2, body)
#let dim(body) = text(fill: tone.muted, body)
"""


class Typeset(VGroup):
    """A piece of text or mathematics; one part per colour. The origin is where its baseline begins.

    `advance` is its width in points, `ascent` how far the ink rises above the baseline.
    """

    def __init__(self, source: str, outlines: list[tuple[str, float, np.ndarray]], advance: float) -> None:
        super().__init__()
        self.source, self.advance = source, advance
        for colour, line_width, points in outlines:
            part = VMobject(stroke_width=stroke(line_width), fill_opacity=0.0 if line_width else 1.0)
            part.set_color(ManimColor(colour))
            part.points = np.concatenate([points, np.zeros((len(points), 1))], axis=1) * [POINT, -POINT, 0]
            self.add(part)
        self.ascent = -min((points[:, 1].min() for _, _, points in outlines), default=0.0)

    def put(self, x: float, y: float, align: str = "left") -> Typeset:
        """Move the baseline to height `y` of the page and the left end, middle or right end to `x`."""
        share = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        self.shift(at(x - share * self.advance, y))
        return self

    def ink(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is drawn now, in points of the page."""
        (left, bottom, _), (right, top, _) = self.get_corner(DL), self.get_corner(UR)
        return tuple(float(v) for v in (*on_page(left, top), *on_page(right, bottom)))  # type: ignore[return-value]


class Typesetter:
    """Makes `Typeset` pieces in the theme's fonts and colours.

    In a source, `#pos[..]`, `#neg[..]` and `#dim[..]` (in mathematics `pos(..)`) give a part the colour of a
    positive number, of a negative one, or of what matters less. Every role of the theme is a field of `tone`:
    `#text(fill: tone.good)[..]`.
    """

    def __init__(self, theme: Theme, font_folders: list[Path]) -> None:
        self.theme = theme
        folders = [str(folder) for folder in font_folders]
        self._compiler = typst.Compiler(font_paths=folders, ignore_system_fonts=bool(folders))
        colours = ", ".join(f'{role}: rgb("{value}")' for role, value in theme.colours.items())
        fonts = {kind: f'"{name}"' for kind, name in theme.fonts.items()}
        self._preamble = f"#let tone = ({colours})" + PREAMBLE.format(**fonts, mark=MARK)
        self._pieces: dict[str, tuple[list[tuple[str, float, np.ndarray]], float]] = {}

    def __deepcopy__(self, memo: dict) -> Typesetter:
        return self  # manim copies mobjects with all that they refer to; a compiler cannot and need not be copied

    def words(self, source: str, size: float = 18, colour: str = "text", weight: int = 400) -> Typeset:
        """Text in Typst's markup; `plain` makes any text safe for it."""
        return self._set(source, f"#text(weight: {weight})[{source}]", size, colour)

    def formula(self, source: str, size: float = 20, colour: str = "text") -> Typeset:
        """A formula in Typst's notation, such as `(partial L)/(partial w)`."""
        return self._set(source, f"$display(#${source}$)$", size, colour)

    def typeset(self, source: str, size: float, colour: str = "text") -> Typeset:
        """Any markup on one line."""
        return self._set(source, source, size, colour)

    def _set(self, source: str, markup: str, size: float, colour: str) -> Typeset:
        text = f"{self._preamble}\n#set text(size: {size}pt, fill: tone.{colour})\n#mark{markup}#mark"
        if text not in self._pieces:
            try:
                svg = self._compiler.compile(text.encode(), format="svg")
            except RuntimeError as error:
                raise KitError(f"Typst cannot set {source!r}: {error}") from error
            self._pieces[text] = _outlines(svg.decode())
        return Typeset(source, *self._pieces[text])


def plain(text: str) -> str:
    """Text as Typst markup that means just that text."""
    return re.sub(r"([\\#$*_`<>@\[\]~/=+'\"-])", r"\\\1", text)


def number(value: float, digits: int = 2) -> str:
    """A number as Typst mathematics with `digits` significant digits: `-0.068`, `2.4 dot 10^(-4)`."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -3 <= int(exponent) <= 4:
        return f"{value:.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa} dot 10^({int(exponent)})"


def factor_digits(*factors: float, digits: int = 3, most: int = 5) -> int:
    """How many significant digits the factors need so that they multiply, as shown, to the product as shown.

    The product is shown with `digits`; at least so many are needed, at most `most`.
    """
    product = float(f"{np.prod(factors):.{digits - 1}e}")
    for enough in range(digits, most):
        shown = np.prod([float(f"{f:.{enough - 1}e}") for f in factors])
        if float(f"{shown:.{digits - 1}e}") == product:
            return enough
    return most


def signed(value: float, digits: int = 2, places: int | None = None) -> str:
    """A number in the colour of its sign, with `digits` significant digits or so many decimal places."""
    shown = number(value, digits) if places is None else f"{value:.{places}f}"
    return f"{'pos' if value >= 0 else 'neg'}({shown})"


def _outlines(svg: str) -> tuple[list[tuple[str, float, np.ndarray]], float]:
    """The outlines of Typst's SVG by colour and line width (0: filled), and the width between the marks."""
    root = ElementTree.fromstring(svg)
    symbols = {
        symbol.get("id"): "".join(path.get("d", "") for path in symbol)
        for symbol in root.iter()
        if symbol.tag.endswith("symbol")
    }
    marks: list[np.ndarray] = []
    parts: dict[tuple[str, float], list[np.ndarray]] = {}

    def visit(element: ElementTree.Element, matrix: svgelements.Matrix) -> None:
        for child in element:
            tag = child.tag.rsplit("}", 1)[-1]
            if tag == "defs":
                continue
            own = svgelements.Matrix(child.get("transform", "")) * matrix
            if tag == "use":
                own = svgelements.Matrix(f"translate({child.get('x', 0)} {child.get('y', 0)})") * own
            data = {"path": child.get("d", ""), "use": symbols.get(child.get(XLINK, "")[1:], "")}.get(tag, "")
            points = _place(_curves(data), own)
            if child.get("fill") == MARK:
                marks.append(points)
            elif len(points):
                line = child.get("stroke")
                width = float(child.get("stroke-width", 1)) if line else 0.0
                parts.setdefault((line or child.get("fill", "#000000"), width), []).append(points)
            visit(child, own)

    visit(root, svgelements.Matrix())
    begin, end = marks
    origin = np.array([begin[:, 0].max(), begin[:, 1].max()])
    pieces = [(colour, width, np.concatenate(p) - origin) for (colour, width), p in parts.items()]
    return pieces, float(end[:, 0].min() - origin[0])


def _place(points: np.ndarray, m: svgelements.Matrix) -> np.ndarray:
    return points @ np.array([[m.a, m.b], [m.c, m.d]]) + [m.e, m.f] if len(points) else points


@cache
def _curves(data: str) -> np.ndarray:
    """An SVG path as cubic Bezier curves, four points each."""
    curves: list[list[complex]] = []
    for piece in svgelements.Path(data):
        match piece:
            case svgelements.QuadraticBezier():
                p, c, q = (complex(v) for v in (piece.start, piece.control, piece.end))
                curves.append([p, p + (c - p) * 2 / 3, q + (c - q) * 2 / 3, q])
            case svgelements.CubicBezier():
                curves.append([complex(v) for v in (piece.start, piece.control1, piece.control2, piece.end)])
            case svgelements.Line() | svgelements.Close() if piece.start is not None and piece.end is not None:
                p, q = complex(piece.start), complex(piece.end)
                if p != q:
                    curves.append([p, p + (q - p) / 3, p + (q - p) * 2 / 3, q])
    flat = np.array(curves).reshape(-1)
    return np.stack([flat.real, flat.imag], axis=1)
