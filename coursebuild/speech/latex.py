"""Formulas as a lecturer reads them: `\\frac{\\partial L}{\\partial w}` is "the derivative of L with respect to w".

The parse tree is the MathML of `coursebuild.mathtex` (strict: an unknown command is an error). `mathtree` makes a flat
row of parts out of it, with brackets matched; this module says the parts and decides what stands between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from coursebuild import mathtex
from coursebuild.speech import lexicon, mathparts, numbers
from coursebuild.speech.mathparts import Part
from coursebuild.speech.text import text, tidy

FUNCTIONS = set("fghLJPpqFGVEσφϕψρℓℒ𝒩KD")  # letters that are applied rather than multiplied
NORMS = {"1": "L one ", "2": "L two ", "∞": "max ", "F": "Frobenius "}


@lru_cache(maxsize=4096)
def latex(tex: str) -> str:
    """The words of a formula. Raises MathError (a CourseError) for a formula that cannot be read."""
    return tidy(row(mathparts.parts(mathtex.mathml(tex))))


# ------------------------------------------------------------------ a row


def row(parts: Sequence[Part]) -> str:
    """The parts' words with "of", "times" and commas between them."""
    out: list[str] = []
    previous: Part | None = None
    todo = list(parts)
    while todo:
        part, todo = _applied(todo)
        joint = _joint(previous, part)
        if part.text == "-th" and previous is not None:
            out[-1] = lexicon.word(f"{out[-1]}-th")
        elif part.kind == "sign":
            following = todo[0] if todo else None
            out += [joint, sign(part, previous, following)]
        else:
            out += [joint, say(part)]
        previous = part
    return tidy(" ".join(out))


def _applied(todo: list[Part]) -> tuple[Part, list[Part]]:
    """The next part, together with what it applies to: f and (x) become "f of x"."""
    part, rest = todo[0], todo[1:]
    if part.kind == "derivative" and rest and rest[0].kind != "sign" and len(part.rows[0][0]) == 1:
        operand, rest = _applied(rest)
        return _words(derivative(part, say(operand))), rest
    if part.kind == "gradient" and rest and rest[0].kind not in ("sign", "comma"):
        operand, rest = _applied(rest)
        by = f" with respect to {row(part.sub)}" if part.sub else ""
        return _words(f"the gradient of {say(operand)}{by}", closed=operand.closed), rest
    if part.kind == "function" and rest and rest[0].kind not in ("sign", "comma", "group", "words"):
        operand, rest = _applied(rest)
        return _words(f"{say(part)} of {say(operand)}", closed=operand.closed), rest
    if not rest or rest[0].kind != "group" or not _takes(part, rest[0]):
        return part, rest
    group_ = rest[0]
    closed = len(group_.inner) == 1 and group_.inner[0].closed
    return _words(f"{say(part)} of {_arguments(group_)}{scripts(group_)}", closed=closed), rest[1:]


def _words(words: str, *, closed: bool = False) -> Part:
    return Part("applied", words=words, simple_words=closed)


def _takes(part: Part, group: Part) -> bool:
    """Whether a letter before a bracket is a function of it, or a factor."""
    if group.opening not in "([{":
        return False
    if part.kind in ("function", "expectation") or (part.kind == "words" and part.text.isalpha()):
        return True
    if part.kind != "name":
        return False
    if part.text in FUNCTIONS or part.primed:
        return True
    kinds = {p.kind for p in group.inner}
    return group.opening == "(" and kinds <= {"name", "number", "comma"} and (len(group.inner) == 1 or "comma" in kinds)


def _arguments(group: Part) -> str:
    """ "x", "zero and x", "q, k, and v"; a vertical bar is "given"."""
    pieces = mathparts.split_at_commas(group.inner)
    said = [row(p) for p in pieces]
    if len(said) == 2 and all(p and len(p) == 1 for p in pieces):
        return f"{said[0]} and {said[1]}"
    return ", ".join(said)


def _joint(previous: Part | None, part: Part) -> str:
    """What is said between two parts that have no sign between them."""
    if previous is None or "comma" in (previous.kind, part.kind) or previous.kind in ("sign", "sum", "limit"):
        return ""
    if part.kind in ("sign", "words") or previous.kind == "words":
        return "" if previous.closed or part.text in mathparts.POSTFIX else ","
    if (part.kind == "name" and part.text == "d") or previous.kind == part.kind == "table":
        return ""
    if not previous.closed or (previous.kind in ("derivative", "fraction") and not previous.simple):
        return ", times"
    loose = part.kind == "applied" and part.words.startswith("the ")
    if previous.kind == part.kind == "number" or not previous.simple or loose:
        return "times"
    return "" if part.kind in ("name", "function", "applied", "gradient") else "times"


# ------------------------------------------------------------------ one part


def say(part: Part) -> str:
    """The words of one part, its scripts included."""
    return SAY[part.kind](part)


def name(part: Part) -> str:
    """A variable or a word with its accents and scripts: "y hat sub i", "sigma prime", "W transpose"."""
    if part.text == "e" and part.sup and not part.sub:
        return "e to the " + row(part.sup)
    known = len(part.text) == 1 and (part.text.isascii() or part.text in lexicon.GREEK)
    said = lexicon.letter(part.text) if known else text(part.text)
    return " ".join([said, *part.accents]) + scripts(part)


def function(part: Part) -> str:
    said = lexicon.FUNCTIONS.get(part.text.replace(" ", "")) or text(part.text)
    if part.sub:
        said += (" base " if part.text == "log" else " over ") + row(part.sub)
    return said + (" " + _raised(part, part.sup) if part.sup else "")


def number(part: Part) -> str:
    if part.text == "10" and part.sup:
        return "ten to the " + row(part.sup)
    return numbers.decimal(part.text) + scripts(part)


def group(part: Part) -> str:
    """Brackets: "the quantity ...", a norm, an absolute value, a matrix."""
    inner = row(part.inner)
    if part.opening == "‖":
        return _norm(part, inner)
    if part.opening in "|∣":
        return f"the absolute value of {inner}" + (f", {scripts(part).strip()}" if part.sup else "")
    if part.opening in ("⌊", "⌈"):
        return f"{inner} rounded {'down' if part.opening == '⌊' else 'up'}" + scripts(part)
    matrix = len(part.inner) == 1 and part.inner[0].kind == "table"
    if matrix or (len(part.inner) == 1 and part.inner[0].simple):
        return inner + scripts(part)
    pieces = mathparts.split_at_commas(part.inner)
    if len(pieces) == 2 and part.opening == "[" and all(map(_number_only, pieces)):
        return f"the interval from {row(pieces[0])} to {row(pieces[1])}"
    if len(pieces) > 1:
        return inner + scripts(part)
    comma = "," if part.sup or part.sub else ""
    return f"{'the quantity ' if _long(part.inner) else ''}{inner}{comma}{scripts(part)}"


def _norm(part: Part, inner: str) -> str:
    kind = "".join(p.text for p in part.sub)
    which = NORMS.get(kind) or (f"{row(part.sub)} " if part.sub else "")
    square = [p.text for p in part.sup] == ["2"]
    power = "" if square or not part.sup else ", " + _raised(part, part.sup)
    return f"the {'squared ' if square else ''}{which}norm of {inner}{power}"


def fraction(part: Part) -> str:
    """ "a over b"; a sum below the line is "the quantity", one above it ends in a comma."""
    top, bottom = part.rows[0]
    if _number_only(top) and _number_only(bottom):
        a, b = top[0].text, bottom[0].text
        if a.isdecimal() and b.isdecimal():
            return numbers.fraction(int(a), int(b)) + scripts(part)
    above, below = row(top), row(bottom)
    if _long(top):
        above += ","
    return f"{above} over {'the quantity ' if _long(bottom) else ''}{below}" + scripts(part)


def _number_only(parts: Sequence[Part]) -> bool:
    return len(parts) == 1 and parts[0].kind == "number" and not (parts[0].sup or parts[0].sub)


def _long(parts: Sequence[Part]) -> bool:
    return any(p.kind == "sign" and p.text in "+−±" for p in parts[1:])


def derivative(part: Part, of: str = "") -> str:
    """ "the second derivative of f with respect to x"."""
    (first, *operand), bottom = part.rows[0]
    degree = row(first.sup) if first.sup else ""
    which = {"": "", "two": "second ", "three": "third "}.get(degree, f"{degree}-th ")
    variables = [row([replace(p, sup=()) if degree else p]) for p in bottom if p.text not in ("∂", "d")]
    of = of or row(operand)
    by = " and ".join(variables)
    return f"the {which}derivative{f' of {of}' if of else ''} with respect to {by}" + scripts(part)


def root(part: Part) -> str:
    degree = row(part.sup) if part.sup else ""
    which = {"": "square", "two": "square", "three": "cube"}.get(degree, degree + "-th")
    return f"the {which} root of " + ("the quantity " if _long(part.inner) else "") + row(part.inner)


def big(part: Part) -> str:
    """ "the sum over i from one to n of"."""
    said = mathparts.BIG[part.text]
    under = row(part.sub)
    if part.text in "∫∮":
        limits = f" from {under} to {row(part.sup)}" if part.sup else (f" over {under}" if under else "")
    else:
        variable, equals, start = under.partition(" equals ")
        limits = f" over {variable}" if under else ""
        limits += f" from {start}" if equals else ""
        limits += f" to {row(part.sup)}" if part.sup else ""
    return f"the {said}{limits} of"


def limit(part: Part) -> str:
    """ "the max over theta of", "the limit as x goes to zero of"."""
    said = lexicon.FUNCTIONS.get(part.text.replace(" ", ""), part.text)
    said = said if said.startswith("the ") else f"the {said}"
    under = row(part.sub)
    if not under:
        return f"{said} of"
    return f"{said} {'as' if part.text == 'lim' else 'over'} {under} of"


def expectation(part: Part) -> str:
    over = f" over {row(part.sub)}".replace("is distributed as", "drawn from") if part.sub else ""
    return f"the expectation{over}"


def table(part: Part) -> str:
    """A matrix, a vector, cases, or aligned lines."""
    if part.text in ("aligned", "cases"):
        return "; ".join(_line(part.text, cells) for cells in part.rows)
    high, wide = len(part.rows), max(len(cells) for cells in part.rows)
    size = f"the {numbers.cardinal(high)} by {numbers.cardinal(wide)} matrix"
    if high > 1 and wide > 1:
        if high * wide > 9:
            return size
        return f"{size} with rows " + "; ".join(", ".join(row(c) for c in cells) for cells in part.rows)
    return "the vector " + ", ".join(row(c) for cells in part.rows for c in cells)


def _line(kind: str, cells: Sequence[Sequence[Part]]) -> str:
    """One line of aligned formulas, or one case with its "if"."""
    said = [row(c) for c in cells]
    if kind == "cases" and len(cells) == 2 and cells[1] and cells[1][0].kind != "words":
        return f"{said[0]} if {said[1]}"
    return tidy((" " if kind == "aligned" else ", ").join(said))


# ------------------------------------------------------------------ scripts and signs


def scripts(part: Part) -> str:
    """ " sub i squared", with a blank before it."""
    said = _lowered(part.sub) if part.sub else ""
    return said + (" " + _raised(part, part.sup) if part.sup else "")


def _lowered(sub: Sequence[Part]) -> str:
    plain = len(sub) == 1 and (sub[0].kind in ("number", "words", "function") or len(sub[0].text) > 1)
    return f" {row(sub)}" if plain else f" sub {row(sub)}"


def _raised(part: Part, sup: Sequence[Part]) -> str:
    """ "squared", "transpose", "inverse", "star", "superscript l", "to the n minus one"."""
    first = sup[0]
    rest = [p for p in sup if p.text not in mathparts.PRIMES]
    primes = [mathparts.PRIMES[p.text] for p in sup if p.text in mathparts.PRIMES]
    if primes:
        return " ".join(primes) + (" " + _raised(part, rest) if rest else "")
    if len(sup) == 1 and first.kind == "number" and not first.sup:
        return numbers.exponent(first.text)
    if len(sup) == 1 and first.text in mathparts.MARKS:
        return mathparts.MARKS[first.text]
    if len(sup) == 1 and first.text == "T" and part.kind != "number":
        return "transpose"
    if len(sup) == 1 and first.kind == "group":
        return "superscript " + row(first.inner)
    said = row(sup)  # once: in a tower of powers each further time would double the work of all above it
    if said == "minus one" and (part.text.isupper() or part.kind in ("function", "group") or part.text in "fg"):
        return "inverse"
    if first.text in ("l", "ℓ") and part.kind == "name":
        return "superscript " + said  # layers are counted, not powers taken
    if all(p.kind == "words" for p in sup):
        return said
    return "to the " + said if said else ""


def sign(part: Part, previous: Part | None, following: Part | None) -> str:
    """A sign between (or before) two parts."""
    beside = [p.kind for p in (previous, following) if p is not None]
    if part.text == "×" and len(beside) == 2 and set(beside) <= {"name", "number"} and not part.computed:
        return "times" if following is not None and following.text == "10" else "by"
    if part.text == "→" and beside == ["number", "number"]:
        return "to"
    if part.text == "⋅" and mathparts.vectors(previous, following):
        return "dot"
    said = lexicon.MATH.get(part.text)
    if said is None:
        said = text(part.text)
    return said + (" " + _raised(part, part.sup) if part.sup else "")


SAY = {
    "name": name,
    "function": function,
    "gradient": lambda part: "the gradient",
    "number": number,
    "group": group,
    "applied": lambda part: part.words,
    "derivative": derivative,
    "fraction": fraction,
    "choose": lambda part: f"{row(part.rows[0][0])} choose {row(part.rows[0][1])}",
    "root": root,
    "sum": big,
    "limit": limit,
    "expectation": expectation,
    "table": table,
    "words": lambda part: text(part.text),
    "comma": lambda part: ",",
    "sign": lambda part: sign(part, None, None),
}
