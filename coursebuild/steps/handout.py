"""The handout: every slide on paper, with what is said while it is shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError
from coursebuild.files import cached, key_of, link_or_copy, scratch
from coursebuild.model import Deck, JsonDict, Script
from coursebuild.reads import WITHOUT_LINES, note
from coursebuild.speech.sentences import split
from coursebuild.typeset import Prepared, Preparer, Sheet


def handout(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Write `products["handout"]`, an A4 PDF (PDF/UA-1): slides in their last state and the narration as written.

    params: "theme" (light: it is for paper). Raises CourseError for missing figures, characters, bad formulas.
    """
    preparer = Preparer(Deck.load(inputs["shown"]), inputs["record"], inputs.get("clips"), params["theme"])
    for name in ("shown", "spoken"):
        note(name, WITHOUT_LINES)
    prepared = preparer.run()
    said = _said(Script.load(inputs["spoken"]), preparer)
    for slide in prepared.data["slides"]:
        slide["said"] = said.get(slide["id"], [])
    key = key_of("handout", prepared.key())
    link_or_copy(cached(cache, "pdf", key, ".pdf", partial(_write, prepared)), products["handout"])


def _write(prepared: Prepared, path: Path) -> None:
    with scratch("handout") as folder:
        path.write_bytes(Sheet(prepared, folder, mode="handout", pages=[]).pdf())


def _said(script: Script, preparer: Preparer) -> dict[str, list[list[JsonDict]]]:
    """Slide id -> paragraphs (spans), one for each beat; pauses are left out."""
    return {
        slide.id: [found for beat in slide.beats if (found := _paragraph(beat.text, beat.line, preparer))]
        for slide in script.slides
    }


def _paragraph(text: str, line: int, preparer: Preparer) -> list[JsonDict]:
    spans: list[JsonDict] = []
    try:
        pieces = split(text)
    except CourseError as error:
        raise preparer.error(error.what, line, error.hint) from None
    for piece in pieces:
        if spans and piece.atoms:
            spans.append({"k": "text", "t": " "})
        for atom in piece.atoms:
            spans.append({"k": "math", "tex": atom.text} if atom.kind == "math" else {"k": atom.kind, "t": atom.text})
    return preparer.spans(spans, line)
