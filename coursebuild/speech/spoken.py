"""What a voice is given for a sentence: the atoms' words, put together."""

from __future__ import annotations

import re
from collections.abc import Sequence

from coursebuild.speech import lexicon
from coursebuild.speech.code import code
from coursebuild.speech.latex import latex
from coursebuild.speech.sentences import Atom
from coursebuild.speech.text import text, tidy

SUFFIX = re.compile(r"^(?:['’]s|s|-[^\W_]+)\b")  # what may hang on a formula or on code: $k$-th, `W1`'s, $n$s
LONG = 8  # words of a formula after which a listener needs a comma


def spoken(sentence: Sequence[Atom]) -> str:
    """The words of a sentence, ending in a full stop, question or exclamation mark ("" for nothing to say).

    Raises MathError (a CourseError) for a formula that cannot be read.
    """
    said = ""
    for atom in sentence:
        if atom.kind == "math":
            formula = latex(atom.text)
            said += f" {formula}, " if len(formula.split()) >= LONG else f" {formula} "
        elif atom.kind == "code":
            said += f" {code(atom.text)} "
        else:
            said = _with_text(said, atom.text)
    said = re.sub(r"^[\s.,;:!?'-]+|[\s,;:'-]+$", "", tidy(said))
    if not re.search(r"[^\W_]", said):
        return ""
    return said + ("" if said.endswith((".", "!", "?")) else ".")


def _with_text(said: str, written: str) -> str:
    """Running text behind what was said so far; a suffix joins it without a blank, "-th" makes an ordinal."""
    if said and (tail := SUFFIX.match(written)):
        written = written[tail.end() :]
        said = said.rstrip(" ,")
        front, _, last = said.rpartition(" ")
        if tail[0] == "-th":
            said = f"{front} {lexicon.word(last + '-th')}"
        else:
            said += f"-{text(tail[0][1:])}" if tail[0].startswith("-") else tail[0].replace("’", "'")
    left = " " if written[:1].isspace() else ""
    right = " " if written[-1:].isspace() or written[-1:] in ("(", "[") else ""
    return said + left + text(written) + right
