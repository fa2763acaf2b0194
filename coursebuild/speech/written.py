"""What the captions show of a sentence: plain text, with formulas in Unicode."""

from __future__ import annotations

import re
from collections.abc import Sequence

from coursebuild import mathtex
from coursebuild.speech.sentences import Atom


def written(sentence: Sequence[Atom]) -> str:
    """ "With $\\hat y$, `loss` is 98.3 %." -> "With ŷ, loss is 98.3 %." Raises MathError for a bad formula."""
    text = "".join(mathtex.unicode(a.text) if a.kind == "math" else a.text for a in sentence)
    return re.sub(r"[ \t\n]+", " ", text).strip()
