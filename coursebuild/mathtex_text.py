"""MathML Core to text: native runs for PPTX, and one line of Unicode. Used by `coursebuild.mathtex`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from coursebuild.mathtex_typst import ACCENTS, INVISIBLE, OVER, Element, tag, text_of, unpadded

RawRun = tuple[str, bool, bool, int]  # text, italic, bold, level
SPACED = set("=+−<>≤≥≈≠∈∉⊂⊆←→↦⇒⇔×⊙⊗⊕⋅∘∼≡∝±∣≪≫∩∪∧∨←↔≔")
BRACES, BARS = set("⏞⏟⎴⎵⏜⏝"), set("\u0332\u0302\u0303\u0305‾―_")
UPRIGHT = set("ℒ∇∞∂ℝℕℤ")
COMBINING = {"hat": "\u0302", "tilde": "\u0303", "macron": "\u0304", "dot": "\u0307", "dot.double": "\u0308",
             "arrow": "\u20d7", "caron": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300",
             "circle": "\u030a", "overline": "\u0304"}  # fmt: skip
RAISED = dict(zip("0123456789+−-=()niabcdefghjklmoprstuvwxyzABDEGHIJKLMNOPRTUVWαβγδεθφχ⊤′″",
                  "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵅᵝᵞᵟᵋᶿᵠᵡᵀ′″", strict=True))  # fmt: skip
LOWERED = dict(zip("0123456789+−-=()aehijklmnoprstuvxβγρφχ",
                   "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))  # fmt: skip


def plain(text: str) -> str:
    """Mathematical alphanumerics as ordinary letters; no variation selectors."""
    letters = text.replace("\ufe00", "").replace("\ufe01", "").replace("\u00a0", " ")
    return "".join(unicodedata.normalize("NFKC", c) if "\U0001d400" <= c <= "\U0001d7ff" else c for c in letters)


def _is_bold(text: str) -> bool:
    return any("BOLD" in unicodedata.name(c, "") for c in text if "\U0001d400" <= c <= "\U0001d7ff")


def _prefix(previous: str, sign: str) -> bool:
    """Whether a sign has nothing on its left to join: the minus of `−x`, `(−x)`, `= −x`."""
    before = previous.rstrip(" \u2009")
    return sign in "+−±" and (not before or before[-1] in "([{,;" or before[-1] in SPACED)


def mark_of(element: Element) -> str | None:
    """The combining character of an accent over a single letter, else None."""
    if tag(element) != "mover" or len(element) != 2 or tag(element[1]) != "mo":
        return None
    name = ACCENTS.get(text_of(element[1])) or OVER.get(text_of(element[1]), "")
    return COMBINING.get(name) if len(plain("".join(element[0].itertext()))) == 1 else None


# ------------------------------------------------------------------ native runs


class _TwoDimensionalError(Exception):
    """The formula does not fit on a line."""


def runs(root: Element) -> list[RawRun] | None:
    """The formula as runs of text, fractions written with a slash, or None where a line would mislead."""
    out: list[RawRun] = []
    try:
        _run(root, 0, out)
    except _TwoDimensionalError:
        return None
    return _merged(out)


def _merged(found: list[RawRun]) -> list[RawRun]:
    out: list[RawRun] = []
    for run in found:
        if out and out[-1][1:] == run[1:]:
            out[-1] = (out[-1][0] + run[0], *run[1:])
        elif run[0]:
            out.append(run)
    return [(unicodedata.normalize("NFC", text), *style) for text, *style in out]


def _run(element: Element, level: int, out: list[RawRun]) -> None:
    kind = tag(element)
    if kind in ("math", "mrow", "mstyle", "mpadded"):
        for child in element:
            if out and out[-1][0][-1:].isalpha() and _is_word(child):
                out.append(("\u2009", False, False, level))
            _run(child, level, out)
    elif kind in ("mi", "mn", "mtext", "mo", "mspace"):
        out.extend(_leaf(element, kind, level, out))
    elif kind in ("msub", "msup", "msubsup", "munder", "munderover") and element.get("accentunder") != "true":
        _run_scripts(element, kind, level, out)
    elif kind == "mover" and (mark := mark_of(element)):
        _run(element[0], level, out)
        text, *rest = out[-1]
        out[-1] = (text + mark, *rest)
    elif kind == "mfrac" and element.get("linethickness") != "0":
        _run_fraction(element, level, out)
    elif kind == "msqrt":
        out.append(("√", False, False, level))
        _bracketed(element, level, out, always=not (len(element) == 1 and _is_leaf(element[0])))
    else:
        raise _TwoDimensionalError


def _leaf(element: Element, kind: str, level: int, out: list[RawRun]) -> list[RawRun]:
    raw = "".join(element.itertext())
    text = plain(raw)
    if kind == "mi":
        return [(text, _is_italic(element, raw), _is_bold(raw), level)]
    if kind == "mspace":
        text = _gap(element.get("width"))
    elif kind == "mo":
        text = _sign(element, "".join(r[0] for r in out), level)
    return [(text, False, False, level)]


def _is_italic(element: Element, raw: str) -> bool:
    greek_capital = "Α" <= raw <= "Ω"
    upright = raw[:1] in UPRIGHT or greek_capital or raw[:1] > "\U0001d3ff" or element.get("mathvariant") == "normal"
    return len(raw) == 1 and raw.isalpha() and not upright


def _gap(width: str | None) -> str:
    """A blank for a positive width: an en space from \\quad on, else a thin one."""
    if not width or width.startswith("-"):
        return ""
    return "\u2002" if width.startswith(("1em", "2em")) else "\u2009"


def _sign(element: Element, before: str, level: int) -> str:
    sign = text_of(element)
    if sign == "\u2061":  # "apply function": math-core says whether a gap follows
        return "\u2009" if element.get("lspace") else ""
    if sign in INVISIBLE:
        return ""
    if level == 0 and sign in SPACED and not _prefix(before, sign):
        return f"\u2009{sign}\u2009"
    return plain(sign) + (" " if level == 0 and sign in (",", ";") and element.get("rspace") != "0" else "")


def _run_scripts(element: Element, kind: str, level: int, out: list[RawRun]) -> None:
    braced = tag(element[0]) in ("munder", "mover") and mark_of(element[0]) is None
    if level or braced:  # x^{2^3} would read as x^{23}
        raise _TwoDimensionalError
    _run(element[0], level, out)
    levels = {"msub": (-1,), "munder": (-1,), "msup": (1,)}.get(kind, (-1, 1))
    for script, at in zip(element[1:], levels, strict=True):
        _run(script, at, out)


def _is_leaf(element: Element) -> bool:
    return tag(element) in ("mi", "mn") or (
        tag(element) in ("mrow", "msub", "msup", "msubsup")
        and not any(tag(x) in ("mo", "mfrac", "mtext") for x in element.iter() if x is not element)
    )


def _run_fraction(element: Element, level: int, out: list[RawRun]) -> None:
    beside = [x for x in (element.getprevious(), element.getnext()) if x is not None]
    alone = all(tag(x) == "mo" and text_of(x) not in INVISIBLE | set("()") for x in beside)
    brackets = not (alone and all(map(_is_leaf, element)))
    if brackets and beside:
        out.append(("(", False, False, level))
    for i, part in enumerate(element):
        if i:
            out.append(("/", False, False, level))
        _bracketed([part], level, out, always=not _is_leaf(part))
    if brackets and beside:
        out.append((")", False, False, level))


def _bracketed(parts: Iterable[Element], level: int, out: list[RawRun], *, always: bool) -> None:
    if always:
        out.append(("(", False, False, level))
    for part in parts:
        _run(part, level, out)
    if always:
        out.append((")", False, False, level))


# ------------------------------------------------------------------ one line of Unicode


def unicode(root: Element) -> str:
    """Best effort: scripts as raised and lowered letters where Unicode has them, else with ^ and _."""
    line = " ".join(_line(root).replace("\u2009", " ").replace("( ", "(").split())
    return unicodedata.normalize("NFC", line)


def _line(element: Element) -> str:
    return LINES.get(tag(element), _line_all)(element)


def _line_all(element: Iterable[Element]) -> str:
    out = ""
    for child in element:
        piece = _line_operator(child, out) if tag(child) == "mo" else _line(child)
        apart = out[-1:].isalpha() and piece[:1].isalpha() and _is_word(child)
        fraction = tag(child) == "mfrac" and out[-1:].isalnum()
        after = piece[:1].isalnum() or piece[:1] in "∑∏∫√(["
        beside = out.endswith("\u2009") or not after
        previous = child.getprevious()
        follows = previous is not None and tag(previous) == "mfrac" and not beside
        out += (" " if apart or fraction or follows else "") + piece
    return out


def _is_word(element: Element) -> bool:
    """Whether an element starts with a name such as `log`, which needs a blank on its left."""
    first = next((x for x in element.iter("{*}mi", "{*}mtext") if plain("".join(x.itertext()))), None)
    return first is not None and len(text_of(first)) > 1 and text_of(first)[0] < "\u0370"


def _line_operator(element: Element, before: str) -> str:
    sign = text_of(element)
    if sign == "\u2061":
        following = element.getnext()
        return "" if following is None or "".join(following.itertext())[:1] in "([" else " "
    if sign in INVISIBLE:
        return ""
    if sign in SPACED and not _prefix(before, sign):
        return f" {sign} "
    return plain(sign) + (" " if sign in (",", ";") and element.get("rspace") != "0" else "")


def _script(text: str, table: dict[str, str], sign: str) -> str:
    tight = text.replace(" ", "")
    if not tight:
        return ""
    if all(c in table for c in tight):
        return "".join(table[c] for c in tight)
    bracketed = tight[0] == "(" and tight[-1] == ")" and tight.count("(") == 1
    return f"{sign}{tight}" if len(tight) == 1 or bracketed else f"{sign}({text.strip()})"


def _wrapped(element: Element, breaking: str = " +−=/,;∑∏∫") -> str:
    """Brackets around what a slash or a root would tear apart."""
    text = _line(element).strip()
    bare, before = text, ""
    while bare != before:
        before, bare = bare, re.sub(r"\([^()]*\)", "", bare)
    return f"({text})" if any(c in breaking for c in bare) else text


def _line_fraction(element: Element) -> str:
    if element.get("linethickness") == "0":
        return f"{_line(element[0])} choose {_line(element[1])}"
    return f"{_wrapped(element[0])}/{_wrapped(element[1], ' +−=/,;∑∏∫!')}"


def _line_scripts(element: Element) -> str:
    kinds = {"msub": "d", "munder": "d", "msup": "u", "mover": "u"}.get(tag(element), "du")
    if mark := mark_of(element):
        return _line(element[0]) + mark
    if tag(element) in ("munder", "mover") and text_of(element[1]) in BRACES | BARS:
        return _line(element[0])
    if len(element[0]) == 2 and text_of(element[0][1]) in BRACES:  # a brace with its label
        return f"{_line(element[0][0])} ({_line(element[1]).strip()})"
    out = _line(element[0])
    for script, kind in zip(map(unpadded, element[1:]), kinds, strict=True):
        table, sign = (RAISED, "^") if kind == "u" else (LOWERED, "_")
        out += _script(_line(script), table, sign)
    return out


def _line_table(element: Element) -> str:
    between = " " if element.get("displaystyle") == "true" else ", "
    return "; ".join(between.join(_line_all(cell).strip() for cell in row) for row in element)


LINES: dict[str, Callable[[Element], str]] = {
    "mi": lambda e: plain(text_of(e)),
    "mn": lambda e: plain(text_of(e)),
    "mtext": lambda e: plain("".join(e.itertext())),
    "ms": lambda e: plain("".join(e.itertext())),
    "mo": lambda e: _line_operator(e, ""),
    "mspace": lambda e: " " if _gap(e.get("width")) else "",
    "mfrac": _line_fraction,
    "msqrt": lambda e: f"√{_wrapped(e[0])}" if len(e) == 1 else f"√({_line_all(e).strip()})",
    "mroot": lambda e: f"{_script(_line(e[1]), RAISED, '^')}√{_wrapped(e[0])}",
    "mtable": _line_table,
    **dict.fromkeys(("msub", "msup", "msubsup", "munder", "mover", "munderover"), _line_scripts),
}
