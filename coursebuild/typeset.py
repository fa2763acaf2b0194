"""From a deck to Typst: formulas converted, pictures found, characters checked; compiled in a folder of its own.

Used by the steps `slides` and `handout`. templates/deck.typ has the look.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typst

from coursebuild import fonts, mathtex, theme
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import ROOT, key_of, link_or_copy, sha256
from coursebuild.model import Clips, Deck, JsonDict, Record, Slide
from coursebuild.reads import figure_file, noted
from coursebuild.typstfonts import typst_fonts

TEMPLATES = (ROOT / "templates" / "deck.typ", ROOT / "templates" / "deck_blocks.typ")
DEFAULT_ROOM = (840.0, 360.0)  # points: a figure that says nothing of its size


def blocks_of(blocks: list[JsonDict]) -> Iterator[JsonDict]:
    """All blocks, those in columns included (the `columns` block itself is not given)."""
    for block in blocks:
        if block["type"] == "columns":
            for column in block["cols"]:
                yield from blocks_of(column)
        else:
            yield block


@dataclass
class Prepared:
    """A deck as data for the template, and the pictures that it names (name in the folder -> file)."""

    data: JsonDict
    pictures: dict[str, Path] = field(default_factory=dict)

    def key(self) -> str:
        """Changes when anything does that Typst sees."""
        digests = {name: sha256(path) for name, path in self.pictures.items()}
        return key_of(self.data, digests, look_key())

    def only(self, slide: int) -> Prepared:
        """The same deck with the pictures of one slide: what the pictures of that slide depend on."""
        names = {b["file"] for b in blocks_of(self.data["slides"][slide]["blocks"]) if "file" in b}
        data = {**self.data, "slides": [self.data["slides"][slide]]}
        return Prepared(data, {n: p for n, p in self.pictures.items() if n in names})


def look_key() -> str:
    """Changes when the templates, the fonts or Typst do."""
    return key_of([sha256(t) for t in TEMPLATES], fonts.fonts_key(), version("typst"))


class Preparer:
    """Turns a deck into data for the template; every mistake is a CourseError with the lecture's line."""

    def __init__(self, deck: Deck, record: Path, clips: Path | None, which: str) -> None:
        self.deck, self.theme = deck, which
        self.figures = record.parent / "figures"
        self.record = noted(Record.load(record))
        self.clips_folder = clips.parent if clips else None
        self.clips = Clips.load(clips) if clips else Clips({})
        self.pictures: dict[str, Path] = {}

    def run(self) -> Prepared:
        deck = self.deck
        data = {
            "course": deck.course,
            "day": deck.day,
            "title": deck.title,
            "run_line": deck.run_line,
            "language": deck.language,
            "total": len(deck.slides),
            "fonts": theme.fonts(),
            "colours": theme.tokens(self.theme),
            "slides": [self.slide(s) for s in deck.slides],
        }
        for text in (deck.course, deck.title, deck.run_line):
            self.check_text(text, theme.fonts()["text"], 1)
        return Prepared(data, self.pictures)

    def error(self, what: str, line: int, hint: str = "") -> CourseError:
        return CourseError(what, file=self.deck.source, line=line, hint=hint)

    def slide(self, slide: Slide) -> JsonDict:
        self.check_text(slide.kicker, theme.fonts()["text"], slide.line)
        return {
            "id": slide.id,
            "n": slide.n,
            "kind": slide.kind,
            "kicker": slide.kicker,
            "title": self.spans(slide.title, slide.line),
            "subtitle": self.spans(slide.subtitle, slide.line),
            "blocks": [self.block(b) for b in slide.blocks],
            "steps": slide.steps,
        }

    # ------------------------------------------------------------------ blocks and spans

    def block(self, block: JsonDict) -> JsonDict:
        """A block with everything that the template needs (and no more: `line` would spoil the cache)."""
        out = {k: v for k, v in block.items() if k != "line"}
        line, kind = block.get("line", 1), block["type"]
        if kind == "columns":
            out["cols"] = [[self.block(b) for b in column] for column in block["cols"]]
        elif kind in ("para", "callout"):
            out["spans"] = self.spans(block["spans"], line)
            self.check_text(block.get("label", ""), theme.fonts()["text"], line)
        elif kind in ("bullets", "quiz"):
            out["items"] = [{**item, "spans": self.spans(item["spans"], line)} for item in block["items"]]
        elif kind == "math":
            out |= self.formula(block["tex"], True, line)
        elif kind == "code":
            self.check_text(block["src"] + block["label"], theme.fonts()["mono"], line)
            out.pop("src")
        elif kind == "table":
            out["head"] = [self.spans(cell, line) for cell in block["head"]]
            out["rows"] = [[self.spans(cell, line) for cell in row] for row in block["rows"]]
        elif kind == "figure":
            out |= self.figure(block, line)
        elif kind == "animation":
            out |= {"file": self.poster(block, line), "caption": []}
        else:
            raise self.error(f"there is no block of type `{kind}`", line, "docs/ARCHITECTURE.md lists the types")
        return out

    def spans(self, spans: list[JsonDict], line: int) -> list[JsonDict]:
        out = []
        for span in spans:
            if span["k"] == "math":
                out.append({"k": "math", **self.formula(span["tex"], False, line)})
                continue
            self.check_text(span["t"], theme.fonts()["mono" if span["k"] == "code" else "text"], line)
            out.append(span)
        return out

    def formula(self, tex: str, display: bool, line: int) -> JsonDict:
        try:
            found = {"typ": mathtex.typst(tex, display), "alt": mathtex.unicode(tex)}
            drawn = "".join(mathtex.characters(tex))
        except mathtex.MathError as error:
            raise self.error(error.what, line, error.hint) from None
        if display and not drawn.strip():
            raise self.error(f"the formula ${tex}$ draws nothing", line, "write something between the dollar signs")
        self.check_text(drawn, theme.fonts()["math"], line)
        return found

    def check_text(self, text: str, family: str, line: int) -> None:
        """Typst draws nothing, silently, for a character that no font has."""
        fallback = theme.fonts()["text" if family == theme.fonts()["math"] else "math"]
        missing = fonts.missing_glyphs(text, family) & fonts.missing_glyphs(text, fallback)
        if missing:
            names = ", ".join(f"`{c}` (U+{ord(c):04X})" for c in sorted(missing))
            hint = "write it in words, or as math between dollar signs"
            raise self.error(f"{family} has no picture of {names}", line, hint)

    # ------------------------------------------------------------------ pictures

    def figure(self, block: JsonDict, line: int) -> JsonDict:
        name = block["name"]
        known = self.record.figures
        if name not in known:
            raise self.error(f"the run made no figure `{name}`", line, did_you_mean(name, known))
        path = self.figures / f"{name}.{self.theme}.svg"
        if not path.is_file():
            raise self.error(f"the figure `{path.name}` is missing in {self.figures}", line, "run the script again")
        figure_file(name, path.name)
        drawn = known[name]
        room = block.get("w") or DEFAULT_ROOM[0], block.get("h") or DEFAULT_ROOM[1]
        scale = min(room[0] / drawn.width, room[1] / drawn.height)
        file = self.take(path)
        caption = self.spans(block.get("caption", []), line)
        self.check_text(block.get("source", ""), theme.fonts()["text"], line)
        return {"file": file, "w": drawn.width * scale, "h": drawn.height * scale, "caption": caption}

    def poster(self, block: JsonDict, line: int) -> str:
        """The last picture of the scene's last section."""
        scene = block["scene"]
        if scene not in self.clips.scenes or self.clips_folder is None:
            hint = did_you_mean(scene, self.clips.scenes)
            raise self.error(f"there is no clip of the scene `{scene}`", line, hint)
        path = self.clips_folder / self.clips.scenes[scene].posters[-1]
        if not path.is_file():
            raise self.error(f"the poster of `{scene}` is missing: {path}", line, "build the animation again")
        return self.take(path)

    def take(self, path: Path) -> str:
        name = f"{sha256(path)[:16]}{path.suffix}"
        self.pictures[name] = path
        return name


# ------------------------------------------------------------------ Typst


class Refused(CourseError):
    """Typst gives up on something; the line of the lecture is not known to it."""


class Sheet:
    """A prepared deck in a folder, ready for Typst. `data` is merged over the prepared data."""

    def __init__(self, prepared: Prepared, folder: Path, **data: Any) -> None:
        for template in TEMPLATES:
            shutil.copyfile(template, folder / template.name)
        for name, path in prepared.pictures.items():
            link_or_copy(path, folder / name)
        text = json.dumps({**prepared.data, **data}, ensure_ascii=False)
        (folder / "data.json").write_text(text, encoding="utf-8")
        self.compiler = typst.Compiler(
            str(folder / TEMPLATES[0].name),
            root=str(folder),
            font_paths=typst_fonts(),
            ignore_system_fonts=True,
        )

    def told(self, label: str) -> list[JsonDict]:
        """The values of the metadata with that label, in the order of the pages."""
        return json.loads(self._guarded(self.compiler.query, f"<{label}>", field="value"))

    def pngs(self, ppi: float) -> list[bytes]:
        """A PNG of each page."""
        found = self._guarded(self.compiler.compile, format="png", ppi=ppi)
        return found if isinstance(found, list) else [found]

    def pdf(self) -> bytes:
        """Tagged PDF (PDF/UA-1) with no date in it, so that the same deck gives the same bytes."""
        return self._guarded(self.compiler.compile, format="pdf", pdf_standards=["ua-1"], timestamp=0)

    def _guarded(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:  # typst.TypstError is one; queries raise it bare
            hint = "\n".join([*getattr(error, "hints", []), getattr(error, "diagnostic", "")]).strip()
            raise Refused(f"Typst refuses the deck: {error}", hint=hint) from None
