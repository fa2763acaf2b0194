"""LaTeX math, read once and strictly, for every output: MathML, Typst, native runs, plain Unicode.

`math-core` parses (an unknown command is an error, never a guess) and gives MathML Core; the other forms are made
from that MathML by `mathtex_typst` and `mathtex_text`. Every function raises MathError and nothing else.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import NamedTuple

import math_core
from lxml import etree

from coursebuild import mathtex_text, mathtex_typst
from coursebuild.errors import CourseError

MAX_LENGTH = 2000  # characters of a formula; longer ones cannot fit on a slide
MAX_DEPTH = 48  # nested elements; Typst gives up at a fixed depth of its own
_MACROS = {
    "widetilde": r"\tilde{#1}",
    "substack": r"\begin{subarray}{c}#1\end{subarray}",
    "argmin": r"\operatorname*{arg\,min}",
    "argmax": r"\operatorname*{arg\,max}",
}
_CONVERTER = math_core.LatexToMathML(fancy_error=False, xml_namespace=True, macros=_MACROS)
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\w+);)\w+;")  # HTML's names, which XML does not know
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class MathError(CourseError):
    """A formula that cannot be shown; `tex` is the formula."""

    def __init__(self, tex: str, why: str, hint: str = "") -> None:
        super().__init__(f"the formula ${tex}$ cannot be set: {why}", hint=hint)
        self.tex, self.why = tex, why

    def __reduce__(self) -> tuple:
        return MathError, (self.tex, self.why, self.hint)


class Run(NamedTuple):
    """A piece of an inline formula as native text: `level` is 0 on the line, 1 raised, -1 lowered."""

    text: str
    italic: bool
    bold: bool
    level: int


@lru_cache(maxsize=4096)
def mathml(tex: str, display: bool = False) -> str:
    """A `<math>` element (MathML Core, with its namespace), display or inline."""
    if not tex.strip():
        raise MathError(tex, "it is empty", "write something between the dollar signs")
    if len(tex) > MAX_LENGTH:
        raise MathError(tex[:60] + "...", f"it has {len(tex)} characters, at most {MAX_LENGTH} can be shown")
    if bad := _CONTROL.search(tex):
        raise MathError(
            repr(tex)[1:-1], f"it holds the control character U+{ord(bad[0]):04X}", r"in Python, write r'\frac'"
        )
    said = ""
    try:
        found = _CONVERTER.convert_with_local_state(tex, displaystyle=display)
    except math_core.LatexError as error:
        said = str(error).strip()
    if said:  # raised out here: that error cannot be pickled, and would travel along as this one's context
        at, _, why = said.partition(": ")
        place = f" (character {int(at) + 1})" if at.isdigit() else ""
        raise MathError(tex, (why or at).rstrip(".") + place, _advice(why))
    text = _ENTITY.sub(lambda m: html.unescape(m[0]), found)
    if _depth(_parsed(tex, text)) > MAX_DEPTH:
        raise MathError(tex, "it is nested too deeply", "split it into two formulas")
    return text


def _advice(why: str) -> str:
    if "nknown command" in why or "nknown environment" in why:
        return r"check the spelling; words stand in \text{...} or \operatorname{...}, sets of lines in aligned or cases"
    return r"check braces, and that each \left has its \right and each \begin its \end"


def _tree(tex: str, display: bool) -> etree._Element:
    return _parsed(tex, mathml(tex, display))


def _parsed(tex: str, text: str) -> etree._Element:
    try:
        return etree.fromstring(text)
    except etree.XMLSyntaxError as error:
        raise MathError(tex, f"it gives broken MathML ({error.msg})") from None


def _depth(root: etree._Element) -> int:
    deepest, level = 0, [root]
    while level:
        deepest, level = deepest + 1, [child for element in level for child in element]
    return deepest


@lru_cache(maxsize=4096)
def typst(tex: str, display: bool = False) -> str:
    """Typst math markup, to stand between dollar signs or in `eval(..., mode: "math")`.

    Letters and digits of the formula are single, everything else is escaped or inside a quoted string, so no text
    can become Typst code.
    """
    try:
        return mathtex_typst.convert(_tree(tex, display))
    except mathtex_typst.UnsupportedError as error:
        raise MathError(tex, str(error), error.hint) from None


@lru_cache(maxsize=4096)
def characters(tex: str) -> frozenset[str]:
    """The characters that the formula draws, so that a font can be asked for them."""
    return frozenset("".join(_tree(tex, False).itertext())) - mathtex_typst.INVISIBLE - {" ", "\u00a0"}


@lru_cache(maxsize=4096)
def runs(tex: str) -> tuple[Run, ...] | None:
    """The formula as native text runs for PPTX, or None where it needs two dimensions (nested scripts, matrices)."""
    found = mathtex_text.runs(_tree(tex, False))
    return None if found is None else tuple(Run(*r) for r in found)


@lru_cache(maxsize=4096)
def unicode(tex: str) -> str:
    """The formula in one line of plain text for captions and alt texts: δ⁽ˡ⁾ = (Wᵀδ) ⊙ σ′(z)."""
    return mathtex_text.unicode(_tree(tex, False))
