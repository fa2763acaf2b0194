"""MathML Core, as math-core writes it, to Typst math markup. Used by `coursebuild.mathtex`.

The rule that keeps text from becoming code: a single letter or a run of digits stands bare, text stands in a quoted
string, every other character is written as `\\u{...}`. Pieces are joined by blanks, which mean nothing in Typst
math except beside quoted text, where they are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from lxml import etree

Element = etree._Element
EMPTY = '""'
INVISIBLE = {"\u2061", "\u2062", "\u2063", "\u2064", ""}
OPENING, CLOSING = set("([{⌊⌈⟨⟦⦅"), set(")]}⌋⌉⟩⟧⦆")
FENCES = set("|‖/\\↑↓⇑⇓↕⇕")
FENCE_ENDS = OPENING | CLOSING | FENCES | INVISIBLE
LARGE = set("∑∏∐⋂⋃⋁⋀⨀⨁⨂⨆")  # their limits are above and below by themselves
STRETCHING = set("→←↔⇒⇐⇔↦↪↩⟶⟵")
ACCENTS = {
    "^": "hat", "ˆ": "hat", "\u0302": "hat", "~": "tilde", "˜": "tilde", "\u0303": "tilde", "¯": "macron",
    "\u0304": "macron", "˙": "dot", "¨": "dot.double", "⃛": "dot.triple", "→": "arrow", "\u20d7": "arrow",
    "←": "arrow.l", "\u20d6": "arrow.l", "↔": "arrow.l.r", "ˇ": "caron", "`": "grave", "´": "acute", "˘": "breve",
    "˚": "circle",
}  # fmt: skip
OVER = {"⏞": "overbrace", "⎴": "overbracket", "⏜": "overparen", "‾": "overline", "\u0332": "overline",
        "\u0305": "overline", "―": "overline", "_": "overline"}  # fmt: skip
UNDER = {"⏟": "underbrace", "⎵": "underbracket", "⏝": "underparen", "\u0332": "underline", "‾": "underline",
         "―": "underline", "_": "underline"}  # fmt: skip


class UnsupportedError(Exception):
    """MathML that has no Typst form here; `hint` says what to write instead."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def convert(root: Element) -> str:
    """The Typst markup of a `<math>` element."""
    return _typst(root) or EMPTY


def tag(element: Element) -> str:
    return etree.QName(element).localname


def text_of(element: Element) -> str:
    return element.text or ""


# ------------------------------------------------------------------ letters, text, gaps


def quoted(text: str) -> str:
    """A Typst string."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in safe) + '"'


def symbol(text: str) -> str:
    """Each character as a symbol of its own: a letter bare, anything else by its number."""
    return " ".join(c if _bare(c) else "".join(f"\\u{{{ord(x):x}}}" for x in c) for c in _clusters(text))


def _bare(cluster: str) -> bool:
    return unicodedata.category(cluster[0]) in ("Ll", "Lu", "Lo") and cluster[1:] in ("", "\ufe00", "\ufe01")


def _clusters(text: str) -> list[str]:
    """Characters with the variation selector that follows them (script letters have two shapes)."""
    return re.findall(r".[\ufe00\ufe01]?", text, re.DOTALL)


def join(parts: Iterable[str]) -> str:
    out = ""
    for part in filter(None, parts):
        glue = "" if not out or out.endswith('"') or part.startswith('"') else " "
        out += glue + part
    return out


def _ems(value: str | None) -> float | None:
    found = re.fullmatch(r"(-?\d*\.?\d+)em", (value or "").strip())
    return float(found[1]) if found else None


def _gap(ems: float | None) -> str:
    return f"#h({ems:.4g}em)" if ems else ""


# ------------------------------------------------------------------ elements


def _typst(element: Element) -> str:
    handler = HANDLERS.get(tag(element))
    if handler is None:
        raise UnsupportedError(f"<{tag(element)}> has no form on the slides")
    return handler(element)


def _all(elements: Iterable[Element]) -> str:
    return join(_typst(e) for e in elements)


def _group(element: Element) -> str:
    return _typst(element) or EMPTY


def _row(element: Element) -> str:
    children = list(element)
    body = _fenced(children) if _is_fenced(children) else _all(children)
    if not body:
        return ""
    level, display = element.get("scriptlevel"), element.get("displaystyle")
    if level == "1":
        body = f"script({body})"
    elif level == "2":
        body = f"sscript({body})"
    elif display == "true":
        body = f"display({body})"
    elif display == "false":
        body = f"inline({body})"
    return _coloured(element, body)


def _is_fenced(children: list[Element]) -> bool:
    if len(children) < 2 or any(tag(c) != "mo" for c in (children[0], children[-1])):
        return False
    first, last = children[0], children[-1]
    fixed = any(c.get("stretchy") == "false" or c.get("minsize") for c in (first, last))
    ends = text_of(first), text_of(last)
    return not fixed and set(ends) <= FENCE_ENDS and any(e not in INVISIBLE for e in ends)


def _fenced(children: list[Element]) -> str:
    opening, closing = ("" if text_of(c) in INVISIBLE else symbol(text_of(c)) for c in (children[0], children[-1]))
    return f"lr({join([opening, _all(children[1:-1]), closing])})"


def _coloured(element: Element, body: str) -> str:
    style = element.get("style") or ""
    colour = re.search(r"color:\s*(#[0-9A-Fa-f]{6})", style)
    return f'#text(fill: rgb("{colour[1]}"), ${body}$)' if colour else body


def _identifier(element: Element) -> str:
    name = text_of(element)
    if not name:
        return ""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 \u2009\u2005\u2006\u200a]+", name):
        return f"op({quoted(name)})"
    shape = symbol(name)
    return f"upright({shape})" if element.get("mathvariant") == "normal" else shape


def _number(element: Element) -> str:
    digits = text_of(element)
    return digits if re.fullmatch(r"[0-9]+(\.[0-9]+)?", digits) else quoted(digits)


def _text(element: Element) -> str:
    parts = [quoted(_plain_spaces(element.text))] if element.text else []
    for child in element:
        style = {"code": "mono", "b": "bold", "i": "italic", "em": "italic"}.get(tag(child), "upright")
        parts.append(f"{style}({quoted(_plain_spaces(''.join(child.itertext())))})")
        if child.tail:
            parts.append(quoted(_plain_spaces(child.tail)))
    return join(parts)


def _plain_spaces(text: str) -> str:
    return text.replace("\u00a0", " ")


def _space(element: Element) -> str:
    margin = re.search(r"margin-left:\s*([^;]+)", element.get("style") or "")
    return _gap(_ems(element.get("width")) or (_ems(margin[1]) if margin else None))


def _operator(element: Element) -> str:
    sign = text_of(element)
    if sign in INVISIBLE:
        return ""
    if size := _ems(element.get("minsize")):
        return f"lr(size: #{size:.4g}em, {symbol(sign)})"
    if len(sign) > 1 and re.fullmatch(r"[A-Za-z ]+", sign):
        return f"op({quoted(sign)})"
    shape, form = symbol(sign), element.get("form")
    if sign in "|‖/" and element.get("stretchy") == "true":
        return f"mid({shape})"
    if sign in "|‖" and form in ("prefix", "postfix"):
        return f'class("{"opening" if form == "prefix" else "closing"}", {shape})'
    if (sign in "|‖" and element.get("lspace") == "0") or (sign == "," and element.get("rspace") == "0"):
        return f'class("normal", {shape})'
    if sign == "\u2212" and form == "infix":
        return f'class("binary", {shape})'
    return shape


def _fraction(element: Element) -> str:
    above, below = (_group(c) for c in element)
    if element.get("linethickness") == "0":
        return f"mat(delim: #none, {above}; {below})"
    body = f"frac({above}, {below})"
    style = {"true": "display", "false": "inline"}.get(element.get("displaystyle", ""))
    return f"{style}({body})" if style else body


def _scripts(element: Element) -> str:
    where = {"msub": ("br",), "msup": ("tr",), "msubsup": ("br", "tr")}[tag(element)]
    return _attach(_group(element[0]), where, element[1:])


def _attach(base: str, where: Iterable[str], scripts: Iterable[Element]) -> str:
    return f"attach({base}, {', '.join(f'{w}: {_group(s)}' for w, s in zip(where, scripts, strict=True))})"


def _limits(element: Element) -> str:
    kind, base, scripts = tag(element), element[0], [unpadded(s) for s in element[1:]]
    if (decorated := _decorated(kind, element, base, scripts)) is not None:
        return decorated
    where = {"munder": ("b",), "mover": ("t",), "munderover": ("b", "t")}[kind]
    body = _group(base)
    if tag(base) == "mo" and text_of(base) in STRETCHING:
        body = f"limits(stretch({body}, size: #(100% + 1em)))"
    elif not (tag(base) == "mo" and text_of(base) in LARGE):
        body = f"limits({body})"
    return _attach(body, where, scripts)


def _decorated(kind: str, element: Element, base: Element, scripts: list[Element]) -> str | None:
    """Accents, bars and braces (a brace with its label arrives as two nested elements)."""
    if len(scripts) != 1:
        return None
    names = OVER if kind == "mover" else UNDER
    if tag(base) == kind and len(base) == 2 and names.get(text_of(base[1]), "").endswith(("brace", "bracket")):
        return f"{names[text_of(base[1])]}({_group(base[0])}, {_group(scripts[0])})"
    if tag(scripts[0]) != "mo":
        return None
    mark = text_of(scripts[0])
    if kind == "mover" and element.get("accent") == "true" and mark in ACCENTS:
        wide = (scripts[0].get("stretchy") != "false" and mark not in "˙¨˘´`˚") or len(base) > 1
        return f"accent({_group(base)}, {ACCENTS[mark]}{'' if wide else ', size: #0%'})"
    return f"{names[mark]}({_group(base)})" if mark in names else None


def unpadded(script: Element) -> Element:
    """Labels of long arrows come with an invisible strut above or below; Typst stretches the arrow by itself."""
    if tag(script) in ("munder", "mover") and len(script) == 2 and tag(script[1]) == "mspace":
        return script[0]
    return script


def _enclosed(element: Element) -> str:
    notation, body = element.get("notation") or "", _all(element) or EMPTY
    if notation == "box":
        box = "box(stroke: 0.05em + text.fill, inset: 0.25em, baseline: 0.25em,"
        return f"#context {box} $display({body})$)"
    if notation == "updiagonalstrike":
        return f"cancel({body})"
    if notation == "downdiagonalstrike":
        return f"cancel(inverted: #true, {body})"
    raise UnsupportedError(f"the enclosure `{notation}` has no form on the slides", r"use \boxed or \cancel")


# ------------------------------------------------------------------ tables


def _table(element: Element) -> str:
    rows = [list(row) for row in element]
    styles = [cell.get("style") or "" for cell in rows[0]] if rows else []
    if any("width" in s for s in styles):
        raise UnsupportedError("numbered environments are not for slides", r"use \begin{aligned} ... \end{aligned}")
    width = max((len(row) for row in rows), default=0)
    if not width:
        raise UnsupportedError("a matrix without cells")
    cells = [[_all(cell) or EMPTY for cell in row] + [EMPTY] * (width - len(row)) for row in rows]
    if element.get("displaystyle") == "true":  # aligned: alignment points inside one column
        lines = (" & ".join(f"display({c})" for c in row) for row in cells)
        return f"mat(delim: #none, row-gap: #0.6em, {'; '.join(lines)})"
    body = "; ".join(", ".join(row) for row in cells)
    if element.get("scriptlevel") == "1":  # substack: lines under a sum
        return f"mat(delim: #none, row-gap: #0.2em, {body})"
    if styles and all("text-align: left" in s for s in styles):  # cases
        return f"mat(delim: #none, align: #left, column-gap: #1em, row-gap: #0.35em, {body})"
    return f"mat(delim: #none, {_rules(element, rows)}column-gap: #0.8em, row-gap: #0.35em, {body})"


def _rules(table: Element, rows: list[list[Element]]) -> str:
    """Lines between columns and rows, as the array's column letters and \\hline ask for."""
    if "border" in (table.get("style") or ""):
        raise UnsupportedError("a frame around an array", r"put it in \left[ ... \right]")
    vertical = [i + 1 for i, c in enumerate(rows[0][:-1]) if "border-right" in (c.get("style") or "")]
    horizontal = [i for i, row in enumerate(rows) if row and i and "border-top" in (row[0].get("style") or "")]
    if not vertical and not horizontal:
        return ""
    lines = [f"{n}: ({', '.join(map(str, at))},)" for n, at in (("vline", vertical), ("hline", horizontal)) if at]
    return f"augment: #({', '.join(lines)}), "


HANDLERS: dict[str, Callable[[Element], str]] = {
    "math": _all,
    "mrow": _row,
    "mstyle": _row,
    "mpadded": _row,
    "mi": _identifier,
    "mn": _number,
    "mtext": _text,
    "ms": _text,
    "mspace": _space,
    "mo": _operator,
    "mfrac": _fraction,
    "msqrt": lambda e: f"sqrt({_all(e) or EMPTY})",
    "mroot": lambda e: f"root({_group(e[1])}, {_group(e[0])})",
    "msub": _scripts,
    "msup": _scripts,
    "msubsup": _scripts,
    "munder": _limits,
    "mover": _limits,
    "munderover": _limits,
    "mtable": _table,
    "menclose": _enclosed,
    "mphantom": lambda e: f"#hide(${_all(e) or EMPTY}$)",
}
