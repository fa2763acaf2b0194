"""How words and signs are said: a table (lexicon.toml) and the few rules behind it."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from coursebuild.speech.numbers import SUBSCRIPTS, cardinal, digits

TABLES = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))
WORDS: dict[str, str] = TABLES["words"]
FOLDED: dict[str, str] = TABLES["folded"]
CODE: dict[str, str] = TABLES["code"]
CODE_SIGNS: dict[str, str] = TABLES["code_signs"]
UNITS: dict[str, list[str]] = TABLES["units"]
SIGNS: dict[str, str] = TABLES["signs"]
MATH: dict[str, str] = SIGNS | TABLES["math"]
FUNCTIONS: dict[str, str] = TABLES["functions"]
GREEK: dict[str, str] = TABLES["greek"]
PLURAL_LETTERS: dict[str, str] = TABLES["plural_letters"]

_PIECES = re.compile(r"[^\W\d_]+|\d+", re.UNICODE)
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+|\d+")


@lru_cache(maxsize=4096)
def word(text: str) -> str:
    """The spoken form of one written word (letters, digits, hyphens, apostrophes), without looking at its neighbours.

    "MNIST" -> "em-nist", "RNNs" -> "R N ens", "CIFAR-10" -> "see-far ten", "W1" -> "W one", "neuron" stays.
    """
    text = text.replace("’", "'")
    if (known := _known(text)) is not None:
        return known
    for tail in ("'s", "s"):
        if text.endswith(tail) and (known := _known(text[: -len(tail)])) is not None:
            return _plural(known, tail)
    if re.fullmatch(r"[A-Z]{2,5}s", text):
        return _spelled_plural(text[:-1])
    if (humps := _HUMPS.findall(text)) and re.fullmatch(r"[A-Z]{3,}[a-z]{2,}", text):  # MSELoss
        return " ".join(_hump(h, single=False) for h in humps)
    if "-" in text.strip("-"):
        return _hyphenated(text)
    if any(c.isdecimal() for c in text):
        return " ".join(_piece(p) for p in _PIECES.findall(text))
    return text


def _known(text: str) -> str | None:
    if text in WORDS:
        return WORDS[text]
    if text.lower() in FOLDED:
        return FOLDED[text.lower()]
    return GREEK.get(text)


def _plural(spoken: str, tail: str) -> str:
    """The possessive keeps its apostrophe; a plural of spelled letters needs the letter's own plural."""
    if tail == "'s":
        return spoken + tail
    head, _, last = spoken.rpartition(" ")
    if last in PLURAL_LETTERS and len(last) == 1:
        return f"{head} {PLURAL_LETTERS[last]}".strip()
    return spoken + tail


def _spelled_plural(capitals: str) -> str:
    *front, last = capitals
    return " ".join([*("eigh" if c == "A" else c for c in front), PLURAL_LETTERS[last]])


def _hyphenated(text: str) -> str:
    """Each part by itself; a number stands apart ("GPT-2" -> "GPT two"), words keep their hyphen."""
    parts = [p for p in text.split("-") if p]
    if len(parts) == 2 and parts[1] == "th":
        return word(parts[0] + "th") if parts[0].lower() + "th" in FOLDED else f"{word(parts[0])}-eth"
    out = ""
    for part in parts:
        said = word(part)
        joint = " " if part.isdecimal() or " " in said or " " in out else "-"
        out += (joint if out else "") + said
    return out


def _piece(text: str) -> str:
    if not text.isdecimal():
        return word(text)
    return digits(text) if text.startswith("0") and len(text) > 1 else cardinal(int(text))


def name(text: str) -> str:
    """A name in code: split at underscores, capitals and digits ("requires_grad", "MSELoss", "W1", "Conv2d")."""
    if text in CODE or text in WORDS:
        return CODE.get(text) or WORDS[text]
    out: list[str] = []
    for part in text.translate(SUBSCRIPTS).split("_"):
        if part in WORDS:
            out.append(WORDS[part])
            continue
        out += [_hump(h, single=len(text) == 1) for h in _HUMPS.findall(part)]
    return " ".join(w for w in out if w)


def _hump(text: str, *, single: bool) -> str:
    if text in CODE:
        return CODE[text]
    if text.istitle() and len(text) > 1:
        text = text if text in WORDS else text.lower()
        return CODE.get(text, word(text))
    return _piece(text) if not single else word(text)


def letter(text: str) -> str:
    """A variable: "a" must not sound like the article."""
    return GREEK.get(text) or ("eigh" if text in ("a", "A") else text)


def unit(text: str, one: bool) -> str | None:
    """The words of a unit behind a number, None where it is no unit."""
    found = UNITS.get(text)
    return found[0 if one else 1] if found else None
