"""Code as a lecturer reads it aloud: `loss.backward()` is "loss dot backward"."""

from __future__ import annotations

import re

from coursebuild.speech import lexicon, numbers, text

SIGNS = "|".join(sorted(map(re.escape, lexicon.CODE_SIGNS), key=len, reverse=True))
PATTERNS = {
    "derivative": text.DERIVATIVE,
    "number": r"(?<![^\W_])(?:\d+(?:\.\d+)?[eE][-+]?\d+|\d+(?:[.,_]\d+)*)(?![^\W_])",
    "name": r"[^\W\d_]\w*|_+\w+|\d+\w*",
    "option": r"(?<!\S)--?(?=[a-z])",
    "negative": r"(?<![\w)\]\s])-(?=[\w(])|(?<=[=,(] )-(?=[\w(])",
    "nothing_called": r"\(\s*\)",
    "called": r"(?<=\w)\((?=\s*[^\s)])",
    "index": r"(?<=[\w)\]])\[",
    "dot": r"(?<=[\w)\]])\.(?=[^\W\d])|(?<!\S)\.(?=[^\W\d])",
    "sign": SIGNS,
    "comma": r"[,;]",
    "colon": r":(?=\s|$)|:",
    "other": r".",
}
SCANNER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in PATTERNS.items()), re.DOTALL)
SAID = {"option": "dash dash", "negative": "minus", "called": "of", "index": "sub", "dot": "dot", "comma": ","}


def code(source: str) -> str:
    """The words of a piece of code; brackets and quotes are not spoken, "f(x)" is "f of x"."""
    words = (_say(m) for m in SCANNER.finditer(text.plain(source)))
    said = " ".join(w for w in words if w)
    return text.text(re.sub(r"[,\s]+$", "", said))  # a sign in a name or a text (¼, ²) is read as in prose


def _say(m: re.Match[str]) -> str:
    kind = m.lastgroup or "other"
    if kind == "number":
        return _number(m[0])
    if kind == "derivative":
        return text.derivative(m)
    if kind == "name":
        return lexicon.name(m[0]) if m[0].isascii() else text.text(m[0])
    if kind == "option":
        return "dash dash" if m[0] == "--" else "dash"
    if kind == "sign":
        return lexicon.CODE_SIGNS[m[0]]
    if kind == "other":
        return lexicon.GREEK.get(m[0], "")
    return SAID.get(kind, "")


def _number(written: str) -> str:
    mantissa, e, power = written.lower().partition("e")
    if e:
        return numbers.power_of_ten(mantissa, power)
    return numbers.decimal(written.replace(",", "") if "." in written else written)
