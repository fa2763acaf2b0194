"""MathML as a flat row of parts for reading aloud: brackets matched, scripts and accents on what they belong to."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from xml.etree import ElementTree

Element = ElementTree.Element
OPENING, CLOSING, BARS = "([{⟨⌊⌈", ")]}⟩⌋⌉", "|∣‖∥"
INVISIBLE = {"\u2061", "\u2062", "\u2063", "\u2064", "\u200b", ""}
BIG = {"∑": "sum", "∏": "product", "∫": "integral", "∮": "closed integral", "⋃": "union", "⋂": "intersection",
       "⨁": "direct sum", "∐": "coproduct", "⋁": "disjunction", "⋀": "conjunction", "⨂": "product"}  # fmt: skip
LIMITS = {"lim", "max", "min", "sup", "inf", "argmax", "argmin", "softmax"}
PRIMES = {"′": "prime", "″": "double prime", "‴": "triple prime", "⁗": "quadruple prime"}
MARKS = {"⊤": "transpose", "∗": "star", "*": "star", "⋆": "star", "†": "dagger", "+": "plus", "−": "minus",
         "∘": "degrees", "⊥": "perp"}  # fmt: skip
POSTFIX = {"!", "%", "‰", ",", *PRIMES}
ACCENTS = dict.fromkeys("¯‾_―\u0332\u0305", "bar") | {
    **dict.fromkeys("ˆ^\u0302", "hat"),
    **dict.fromkeys("~˜\u0303", "tilde"),
    **dict.fromkeys("⃗→", ""),  # an arrow over a vector is not spoken
    **{"˙": "dot", "¨": "double dot", "ˇ": "check", "˘": "breve", "∘": "ring"},
}
BRACES = set("⏞⏟⎴⎵⏜⏝")


@dataclass(frozen=True)
class Part:
    """One thing to say. `kind` is a key of `latex.SAY`, or open, close, bar while brackets are not matched yet."""

    kind: str
    text: str = ""
    words: str = ""  # of parts that are already words
    sub: tuple[Part, ...] = ()
    sup: tuple[Part, ...] = ()
    inner: tuple[Part, ...] = ()
    rows: tuple[tuple[tuple[Part, ...], ...], ...] = ()  # of cells: tables, and [(above, below)] of fractions
    opening: str = ""
    accents: tuple[str, ...] = ()
    bold: bool = False
    form: str = ""  # of a bar: "prefix" or "postfix" where the author said so
    simple_words: bool = False
    computed: bool = False  # a × in a row with other signs

    @property
    def primed(self) -> bool:
        return any(p.text in PRIMES for p in self.sup)

    @property
    def closed(self) -> bool:
        """Whether a listener hears where the part ends."""
        if self.kind == "applied":
            return self.simple_words
        if self.kind == "group":
            return self.opening in BARS or (not self.sup and len(self.inner) == 1 and self.inner[0].closed)
        if self.kind in ("fraction", "root", "derivative"):
            return self.kind == "fraction" and all(
                len(x) == 1 and x[0].kind in ("name", "number") and x[0].closed for x in self.rows[0]
            )
        power = len(self.sup) == 1 and (self.sup[0].kind == "number" or self.sup[0].text in {*MARKS, *PRIMES, "T"})
        return not self.sup or power or (len(self.sup) == 1 and self.sup[0].kind == "group")

    @property
    def simple(self) -> bool:
        """Whether the next factor may follow without "times"."""
        if self.kind == "fraction":
            return all(len(x) == 1 and x[0].kind == "number" for x in self.rows[0])
        marks = all(p.text in {*MARKS, *PRIMES, "T"} or p.kind == "group" for p in self.sup)
        return self.kind in ("name", "number") and marks


def parts(mathml: str) -> tuple[Part, ...]:
    """The parts of a `<math>` element given as a string."""
    return _row([ElementTree.fromstring(mathml)])


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _raw(element: Element) -> str:
    return "".join(element.itertext()).replace("\ufe00", "").replace("\ufe01", "")


def _row(elements: Sequence[Element]) -> tuple[Part, ...]:
    return tuple(_merged(_matched([p for e in elements for p in _read(e)])))


def _script(element: Element) -> tuple[Part, ...]:
    return _row([element])


# ------------------------------------------------------------------ elements


def _read(element: Element) -> Iterator[Part]:
    kind = _tag(element)
    if kind == "mi":
        yield _identifier(element)
    elif kind == "mn":
        yield Part("number", _plain(_raw(element)))
    elif kind in ("mtext", "ms"):
        yield Part("words", _raw(element))
    elif kind == "mo":
        yield from _operator(element)
    elif kind == "mfrac":
        yield _fraction(element)
    elif kind in ("msqrt", "mroot"):
        inner, degree = (list(element), ()) if kind == "msqrt" else ([element[0]], _script(element[1]))
        yield Part("root", inner=_row(inner), sup=degree)
    elif kind in ("msub", "munder"):
        yield from _scripted(element, sub=element[1])
    elif kind in ("msup", "mover"):
        yield from _scripted(element, sup=element[1])
    elif kind in ("msubsup", "munderover"):
        yield from _scripted(element, sub=element[1], sup=element[2])
    elif kind == "mtable":
        yield _table(element)
    elif kind not in ("mspace", "annotation", "mphantom"):
        for child in element:
            yield from _read(child)


def _plain(raw: str) -> str:
    return unicodedata.normalize("NFKC", raw)


def _identifier(element: Element) -> Part:
    raw = _raw(element)
    if raw == "𝔼":
        return Part("expectation", "E")
    if raw == "∇":
        return Part("gradient", raw)
    text = _plain(raw)
    if len(text) > 1 and text.replace(" ", "").isalpha():
        return Part("function", text)
    if not text[:1].isalpha() and text not in ("∂", "∞"):
        return Part("sign", text)
    return Part("name", text, bold="BOLD" in unicodedata.name(raw[0], "") if raw else False)


def _operator(element: Element) -> Iterator[Part]:
    text = _raw(element).strip()
    if text in INVISIBLE:
        return
    if text in BARS:
        yield Part("bar", text, form=element.get("form", ""))
    elif text in OPENING:
        yield Part("open", text)
    elif text in CLOSING:
        yield Part("close", text)
    elif text in BIG:
        yield Part("sum", text)
    elif text in (",", ";", "."):
        yield Part("comma", text, form="tight" if element.get("rspace") == "0" else "")
    else:
        yield Part("sign", text)


def _fraction(element: Element) -> Part:
    rows = ((_script(element[0]), _script(element[1])),)
    if element.get("linethickness") == "0":
        return Part("choose", rows=rows)
    return Part("derivative" if _is_derivative(*rows[0]) else "fraction", rows=rows)


def _is_derivative(top: Sequence[Part], bottom: Sequence[Part]) -> bool:
    """∂L over ∂w, dy over dx, d over dx."""
    if not top or len(bottom) < 2 or top[0].sub or bottom[0].sub:
        return False
    if top[0].text == bottom[0].text == "∂":
        return True
    return top[0].text == bottom[0].text == "d" and len(bottom) == 2 and len(top) <= 3


def _scripted(element: Element, sub: Element | None = None, sup: Element | None = None) -> Iterator[Part]:
    """What carries scripts, an accent, a brace with its label, or the limits of a sum."""
    over = sup if sup is not None else sub
    mark = _raw(over).strip() if over is not None else ""
    if _tag(element) in ("mover", "munder") and _tag(over) == "mo" and (mark in ACCENTS or mark in BRACES):
        yield from _accented(_script(element[0]), ACCENTS.get(mark, ""))
        return
    base = list(_read(element[0]))
    braced = len(element[0]) == 2 and _raw(element[0][1]).strip() in BRACES
    if braced and over is not None:
        yield from (*base, Part("comma", ","), *_script(over), Part("comma", ","))
        return
    scripts = {"sub": () if sub is None else _script(sub), "sup": () if sup is None else _script(sup)}
    if _tag(element) in ("mover", "munder") and base and base[0].kind == "sign":
        yield from base  # a word over an arrow or an equals sign
        return
    *front, last = _as_one(base) or [Part("words")]
    if last.kind == "function" and _squeezed(last.text) in LIMITS and scripts["sub"]:
        last = replace(last, kind="limit", text=_squeezed(last.text))
    sub_, sup_ = last.sub + scripts["sub"], last.sup + scripts["sup"]
    yield from (*front, replace(last, sub=sub_, sup=sup_))


def _as_one(base: list[Part]) -> list[Part]:
    """Scripts on a group such as {AB} belong to all of it; a lone bracket keeps them until it is matched."""
    if len(base) <= 1 or (base[-1].kind == "bar" and sum(p.kind == "bar" for p in base) % 2):
        return base
    inner = tuple(_merged(_matched(base)))
    if len(inner) == 1 and inner[0].kind == "group" and not inner[0].sup:
        return list(inner)
    return [Part("group", opening="(", inner=inner)]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _accented(base: Sequence[Part], accent: str) -> Iterator[Part]:
    *front, last = base or [Part("words")]
    yield from front
    yield replace(last, accents=(*last.accents, accent)) if accent else last


def _table(element: Element) -> Part:
    rows = tuple(tuple(_row(list(cell)) for cell in line) for line in element)
    return Part("table", "aligned" if element.get("displaystyle") == "true" else "matrix", rows=rows)


# ------------------------------------------------------------------ brackets, and what is written in several parts


def _matched(tokens: list[Part]) -> list[Part]:
    """Bracket and bar tokens become groups; one without a partner is dropped."""
    stack: list[tuple[Part | None, list[Part]]] = [(None, [])]
    for i, token in enumerate(tokens):
        row = stack[-1][1]
        if token.kind == "bar":
            token = _directed(token, stack, tokens[i + 1 :])
            if token.kind == "sign" and token.sub:  # a derivative "at w equals zero"
                row += [Part("words", "at"), *token.sub]
                continue
        if token.kind == "open" and i + 1 < len(tokens) and token.text == "{" and tokens[i + 1].kind == "table":
            row.append(replace(tokens[i + 1], text="cases"))
        elif token.kind == "open":
            stack.append((token, []))
        elif token.kind == "close" and len(stack) > 1:
            opener, inner = stack.pop()
            if inner and opener is not None:
                group = Part("group", opening=opener.text, inner=tuple(_merged(inner)), sub=token.sub, sup=token.sup)
                stack[-1][1].append(group)
        elif token.kind != "close" and not (token.kind == "table" and row and row[-1].text == "cases"):
            row.append(token)
    while len(stack) > 1:
        _, inner = stack.pop()
        stack[-1][1].extend(inner)
    return stack[0][1]


def _directed(bar: Part, stack: list[tuple[Part | None, list[Part]]], ahead: list[Part]) -> Part:
    """Whether a bar opens, closes, or stands between ("given")."""
    opener, row = stack[-1]
    inside = opener is not None and opener.text == bar.text
    if bar.form == "prefix" or (inside and row) or bar.form == "postfix":
        closing = bar.form != "prefix"
        return replace(bar, kind="close" if closing else "open")
    depth = 0
    for token in ahead:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth < 0:
            break
        if token.kind == "bar" and token.text == bar.text and depth == 0 and bar.text != "∣":
            return replace(bar, kind="open")
    return replace(bar, kind="sign")


def _merged(row: list[Part]) -> list[Part]:
    """Numbers with commas, ∂L/∂w in one line, "arg max", three full stops, and × in a calculation."""
    out: list[Part] = []
    for part in row:
        out.append(part)
        if len(out) > 2 and out[-2].form == "tight" and out[-3].kind == part.kind == "number" and len(part.text) == 3:
            out[-3:] = [replace(part, text=out[-3].text + part.text)]
        elif len(out) > 2 and all(p.text == "." for p in out[-3:]):
            out[-3:] = [Part("sign", "…")]
        elif len(out) > 1 and out[-2].text == "arg" and _squeezed(part.text) in ("max", "min"):
            out[-2:] = [replace(part, text="arg" + part.text)]
        elif len(out) > 4 and out[-3].text == "/" and out[-5].text == out[-2].text == "∂" and part.kind == "name":
            out[-5:] = [Part("derivative", rows=((tuple(out[-5:-3]), tuple(out[-2:])),))]
    signs = {p.text for p in out if p.kind == "sign"}
    if "→" in signs and ":" in signs:  # f: R -> R
        return [Part("words", {":": "from", "→": "to"}[p.text]) if p.text in (":", "→") else p for p in out]
    return [replace(p, computed=bool(signs - {"×"})) if p.text == "×" else p for p in out]


def split_at_commas(row: Sequence[Part]) -> list[list[Part]]:
    pieces: list[list[Part]] = [[]]
    for part in row:
        if part.kind == "comma":
            pieces.append([])
        else:
            pieces[-1].append(part)
    return pieces


def vectors(left: Part | None, right: Part | None) -> bool:
    """Whether a dot between two letters is a dot product: one is bold, or both are small Latin letters."""
    sides = [p for p in (left, right) if p is not None and p.kind == "name"]
    if len(sides) < 2:
        return False
    return any(p.bold for p in sides) or all(p.text.isascii() and p.text.islower() for p in sides)
