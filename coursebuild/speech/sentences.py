"""A beat's inline Markdown as sentences and pauses.

A sentence is a list of atoms (running text, `code`, $math$), so that nothing inside code or a formula can end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from coursebuild.errors import CourseError
from coursebuild.speech.lexicon import FOLDED

MAX_PAUSE = 30.0  # seconds; a longer one is a slip of the pen
PAUSE = re.compile(r"\[\s*pause\b([^\]]*)\]", re.IGNORECASE)
BRACKET = "\ue004"  # stands for \[ while pauses are looked for: text of a run that reads [pause 9] is none
ABBREVIATIONS = {s for s in FOLDED if s.endswith(".")} | {"dr.", "mr.", "mrs.", "ms.", "prof.", "st.", "jr."}
SLIP = re.compile(r"\[\s*([a-z]{4,6})\s+[\d.]+\s*s?\s*\]", re.IGNORECASE)
NOT_LAST = ABBREVIATIONS - {"etc.", "et al.", "resp."}
AFTER_INITIAL = {"The", "This", "That", "These", "It", "We", "And", "But", "Then", "So", "In", "For", "If", "Now",
                 "You", "There", "A", "An", "Here", "When", "Its", "Each", "Every", "They", "What", "How"}  # fmt: skip
NEAR = 80  # characters around the end of a sentence that decide whether it is one
END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)")


@dataclass(frozen=True)
class Atom:
    kind: Literal["text", "code", "math"]
    text: str


@dataclass(frozen=True)
class Piece:
    """A sentence (atoms), or a pause of that many seconds (no atoms)."""

    atoms: list[Atom] = field(default_factory=list)
    pause: float = 0.0


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).use(dollarmath_plugin, allow_space=False, double_inline=True)
    return parser.disable("text_join")  # so that what was escaped can be told from what was not


def atoms(markdown: str) -> list[Atom]:
    """The atoms of inline Markdown; emphasis and links leave only their text, neighbouring texts are one atom."""
    found: list[Atom] = []
    for token in _parser().parseInline(markdown)[0].children or []:
        for kind, text in _read(token):
            if kind == "text" and found and found[-1].kind == "text":
                found[-1] = Atom("text", found[-1].text + text)
            else:
                found.append(Atom(kind, text))
    return found


def _read(token: Token) -> Iterator[tuple[Literal["text", "code", "math"], str]]:
    if token.type == "code_inline":
        yield "code", token.content
    elif token.type.startswith("math_inline"):
        yield "math", token.content
    elif token.type in ("softbreak", "hardbreak"):
        yield "text", " "
    elif token.type == "text_special":
        yield "text", token.content.replace("[", BRACKET)
    elif token.type in ("text", "html_inline", "image"):
        yield "text", token.content


def split(markdown: str) -> list[Piece]:
    """The sentences and pauses of a beat in order. Raises CourseError for a pause without a sensible length."""
    pieces: list[Piece] = []
    for paragraph in re.split(r"\n\s*\n", markdown):
        sentence: list[Atom] = []
        for atom in atoms(paragraph):
            if atom.kind != "text":
                sentence.append(atom)
                continue
            for part in _parts(atom.text, starts=not sentence):
                if isinstance(part, float):
                    _close(pieces, sentence)
                    pieces.append(Piece(pause=part))
                elif part is None:
                    _close(pieces, sentence)
                else:
                    sentence.append(Atom("text", part.replace(BRACKET, "[")))
        _close(pieces, sentence)
    return pieces


def _close(pieces: list[Piece], sentence: list[Atom]) -> None:
    """Move what was gathered into `pieces`, without the blanks around it."""
    if any(a.text.strip() for a in sentence):
        trimmed = list(sentence)
        if trimmed[0].kind == "text":
            trimmed[0] = Atom("text", trimmed[0].text.lstrip())
        if trimmed[-1].kind == "text":
            trimmed[-1] = Atom("text", trimmed[-1].text.rstrip())
        pieces.append(Piece([a for a in trimmed if a.text]))
    sentence.clear()


def _parts(text: str, *, starts: bool) -> Iterator[str | float | None]:
    """Texts, None where a sentence ends, a number where a pause stands."""
    at = 0
    for mark in SLIP.finditer(text):
        if mark[1].lower() != "pause" and get_close_matches(mark[1].lower(), ["pause"]):
            raise CourseError(f"unknown mark {mark[0]}", hint="write [pause 2]: seconds of silence")
    for mark in PAUSE.finditer(text):
        yield from _sentences(text[at : mark.start()], starts=starts and at == 0)
        yield _seconds(mark)
        at = mark.end()
    yield from _sentences(text[at:], starts=starts and at == 0)


def _seconds(mark: re.Match[str]) -> float:
    written = mark[1].strip().removesuffix("s").strip() or "1"
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_PAUSE:
        raise CourseError(
            f"unreadable pause {mark[0]}", hint=f"write [pause 2]: seconds, more than 0 and at most {MAX_PAUSE:g}"
        )
    return round(seconds, 3)


def _sentences(text: str, *, starts: bool) -> Iterator[str | None]:
    at = 0
    for end in END.finditer(text):
        if _ends(text, end):
            yield text[at : end.end()]
            yield None
            at = end.end()
    if at < len(text):
        yield text[at:]


def _ends(text: str, end: re.Match[str]) -> bool:
    """Whether the marks at `end` close a sentence, or belong to "e.g.", "G. Hinton", "wait ... what"."""
    following = text[end.end() : end.end() + NEAR].lstrip()
    if end[0][0] in "!?":
        return not following[:1].islower()
    near = text[max(0, end.start() - NEAR) : end.start() + 1].split()
    before = near[-1:] or [""]
    last = before[0].lstrip("(\"'“‘[").lower()
    if end[0].startswith(("..", "…")):
        return not following or following[:1].isupper()
    two = " ".join(near[-2:]).lower()
    if last in NOT_LAST and following:
        return False
    if last in ABBREVIATIONS or two in ABBREVIATIONS:
        return not following or following[:1].isupper()
    if re.fullmatch(r"(?:[A-Z]\.)+", before[0].lstrip("(")) and before[0] != "I.":
        return not following or (following.split() or [""])[0].strip(",'’") in AFTER_INITIAL
    return True
