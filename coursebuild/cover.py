"""The drawing on a title slide, which templates/deck.typ makes, as files for the slides that Typst does not draw."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import typst

from coursebuild import theme
from coursebuild.files import cached, key_of, scratch
from coursebuild.model import PAGE, Deck
from coursebuild.typeset import TEMPLATES, look_key
from coursebuild.typstfonts import typst_fonts

PPI = 144
_PAGE = (
    '#import "deck.typ": artwork\n'
    f"#set page(width: {PAGE[0]}pt, height: {PAGE[1]}pt, margin: 0pt, fill: none)\n"
    "#artwork()\n"
)


def artwork(deck: Deck, which: str, kind: str, cache: Path) -> Path:
    """The drawing of the deck's day in the theme `which`, on a clear page of 960 x 540: `kind` is "svg" or "png"."""
    data = {
        "day": deck.day,
        "course": deck.course,
        "title": deck.title,
        "run_line": "",
        "language": deck.language,
        "total": 1,
        "fonts": theme.fonts(),
        "colours": theme.tokens(which),
        "mode": "slides",
        "slides": [],
        "pages": [],
    }
    key = key_of("artwork", data, look_key(), PPI, _PAGE)
    return cached(cache, "artwork", key, f".{kind}", partial(_draw, data, kind))


def _draw(data: dict, kind: str, target: Path) -> None:
    with scratch("cover") as folder:
        for template in TEMPLATES:
            (folder / template.name).write_bytes(template.read_bytes())
        (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
        (folder / "cover.typ").write_text(_PAGE, encoding="utf-8")
        main = str(folder / "cover.typ")
        found = typst.compile(main, root=str(folder), format=kind, ppi=PPI, font_paths=typst_fonts())
    target.write_bytes(found if isinstance(found, bytes) else found[0])
