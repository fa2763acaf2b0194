"""What the PPTX and the HTML slides both read: deck, narration, geometry, clips and record, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from coursebuild import mathtex
from coursebuild.blocks import walk
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.model import Beat, Clip, Clips, Deck, JsonDict, Record, Script, Slide, SpokenSlide
from coursebuild.origin import provenance
from coursebuild.reading import read_json
from coursebuild.reads import WITHOUT_LINES, figure_file, note, noted

BODY = 23.0  # points, the text of a slide that did not have to shrink
CAPITALS, LEADING = 0.727, 0.62  # height of capitals and space between lines / size, as deck.typ has them
FOOTER = (11.0, 370.0)  # size, and width of the line at the foot of a slide that names the day
ORIGIN = (10.0, 372.0)  # of the one that says where the numbers come from
CODE_SCALE = 0.84  # inline code / the text around it: JetBrains Mono looks larger than Inter
PARA_SCALE = {"body": 1.0, "head": 1.04, "head2": 1.04, "small": 0.74}  # paragraphs / body text
COVER_SIZES, COVER_LEADING = (58.0, 52.0, 46.0, 40.0, 34.0), 0.36  # of a lecture's title, as deck.typ has them
CODE = 17.5  # points, a listing at most
CODE_ASPECT = 0.6  # width of a JetBrains Mono glyph / its size
LINK_SCHEMES = ("http", "https", "mailto")

# XML 1.0 has no way to write these, and a lone surrogate has no UTF-8 form.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INLINE = re.compile(
    r"(?<!\\)\$(?P<math>[^$]+?)(?<!\\)\$|`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|(?<![\w*])\*(?P<italic>[^*]+)\*"
    r"|\[(?P<link>[^\]]+)\]\([^)\s]+\)"
)


@dataclass(frozen=True)
class Box:
    """Where the layout engine put a block: points on a page of 960 x 540; `k` is the shrink factor of its text."""

    x: float
    y: float
    w: float
    h: float
    k: float
    iw: float = 0.0
    ih: float = 0.0

    @property
    def size(self) -> float:
        """Size of body text in this block, in points."""
        return BODY * self.k


@dataclass(frozen=True)
class Sources:
    """The inputs of a renderer, loaded."""

    deck: Deck
    script: Script
    geometry: dict[str, JsonDict]
    record: Record
    record_folder: Path
    clips: Clips | None
    clips_folder: Path

    @classmethod
    def load(cls, inputs: dict[str, Path | None]) -> Sources:
        """Read `shown`, `spoken`, `geometry`, `record` and, where there is one, `clips` (folders or JSON files)."""
        record = _json_of(inputs["record"], "record.json")
        clips = _json_of(inputs["clips"], "clips.json") if inputs.get("clips") else None
        for name in ("shown", "spoken"):
            note(name, WITHOUT_LINES)
        return cls(
            deck=_cleaned(Deck, inputs["shown"]),
            script=_cleaned(Script, inputs["spoken"]),
            geometry=read_json(inputs["geometry"])["blocks"],
            record=noted(_cleaned(Record, record)),
            record_folder=record.parent,
            clips=_cleaned(Clips, clips) if clips else None,
            clips_folder=clips.parent if clips else record.parent,
        )

    @cached_property
    def spoken(self) -> dict[str, SpokenSlide]:
        return {slide.id: slide for slide in self.script.slides}

    def box(self, block: JsonDict) -> Box:
        """The geometry of a block; CourseError where the layout engine did not place it."""
        place = self.geometry.get(block["id"])
        if place is None:
            raise self.error(f"the {block['type']} {block['id']} has no place on the page", block, "build slides again")
        return Box(**{name: float(place[name]) for name in Box.__dataclass_fields__ if name in place})

    def title_box(self, slide: Slide, prefix: str = "t") -> Box | None:
        """The place of a slide's title (prefix "t") or subtitle ("st"), if the layout engine recorded it."""
        place = self.geometry.get(prefix + slide.id)
        return Box(**{n: float(place[n]) for n in Box.__dataclass_fields__ if n in place}) if place else None

    def cover_size(self, slide: Slide) -> float:
        """Size in points in which the layout engine set a lecture's title: the one that gives its height."""
        box = self.title_box(slide)
        if box is None:
            return COVER_SIZES[0]
        heights = {
            (size, n): size * (CAPITALS + (n - 1) * (CAPITALS + COVER_LEADING))
            for size in COVER_SIZES
            for n in range(1, 5)
        }
        return min(heights, key=lambda choice: abs(heights[choice] - box.h))[0]

    def figure(self, block: JsonDict, theme: str, suffix: str) -> Path:
        """The file of a figure of the record in this theme; CourseError where the script did not make it."""
        if block["name"] not in self.record.figures:
            hint = did_you_mean(block["name"], self.record.figures)
            raise self.error(f"the run made no figure `{block['name']}`", block, hint)
        path = self.record_folder / "figures" / f"{block['name']}.{theme}{suffix}"
        if not path.is_file():
            raise self.error(f"the record lacks {path.name}", block, "run the day's script again")
        figure_file(block["name"], path.name)
        return path

    def clip(self, block: JsonDict) -> tuple[Clip, Path, Path]:
        """(clip, its video, its last poster) of an animation block."""
        scenes = self.clips.scenes if self.clips else {}
        clip = scenes.get(block["scene"])
        if clip is None:
            raise self.error(
                f"there is no clip of the scene `{block['scene']}`", block, did_you_mean(block["scene"], scenes)
            )
        video, poster = self.clips_folder / clip.file, self.clips_folder / clip.posters[-1]
        for path in (video, poster):
            if not path.is_file():
                raise self.error(f"the clip's file {path.name} is missing", block, "build the animation again")
        return clip, video, poster

    def notes(self, slide: Slide) -> list[str]:
        """What is said on a slide, a paragraph a beat, "[click]" where something appears, then the provenance."""
        spoken = self.spoken.get(slide.id)
        beats = beats_text(spoken.beats if spoken else [], reveals(slide))
        return [*beats, provenance(self.record)]

    def error(self, what: str, block: JsonDict, hint: str = "") -> CourseError:
        return CourseError(what, file=self.deck.source, line=block.get("line"), hint=hint)


def _json_of(path: Path | None, name: str) -> Path:
    assert path is not None
    return path / name if path.is_dir() else path


def clean(text: str) -> str:
    """Text that XML and HTML can hold: control characters and lone surrogates become U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def _cleaned(kind: type[Any], path: Path) -> Any:
    """A file of a build, its texts such that XML and HTML can hold them."""
    return kind.from_json(_clean_json(read_json(path)), path)


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_clean_json(key): _clean_json(inner) for key, inner in value.items()}
    return [_clean_json(inner) for inner in value] if isinstance(value, list) else value


def safe_link(href: str) -> str:
    """A link as a valid URI; CourseError for schemes that run code or read files."""
    href = href.strip()
    try:
        scheme = urlsplit(href).scheme.lower()
    except ValueError:  # "http://["
        scheme = ""
    if scheme not in LINK_SCHEMES:
        raise CourseError(f"a link may not go to {href!r}", hint="use a full address that begins with https://")
    return quote(href, safe=":/?#[]@!$&'()*+,;=%~")


def plain(spans: list[JsonDict]) -> str:
    """Spans as plain text, formulas in Unicode."""
    return "".join(mathtex.unicode(s["tex"]) if s["k"] == "math" else s["t"] for s in spans)


def plain_markdown(text: str) -> str:
    """Inline Markdown as plain text: marks go, formulas become Unicode."""

    def inner(found: re.Match[str]) -> str:
        if found["math"]:
            try:
                return mathtex.unicode(found["math"])
            except mathtex.MathError:  # two prices in a sentence are no formula
                return found[0]
        return found["code"] or plain_markdown(found["bold"] or found["italic"] or found["link"])

    return _INLINE.sub(inner, text).replace(r"\$", "$")


def reveals(slide: Slide) -> list[int]:
    """The steps of a slide in which something appears, in order: one click each."""
    steps: set[int] = set()
    for block in walk(slide.blocks):
        items = block.get("items", [])
        steps |= {block["step"], block.get("answer_step", 0), *(item.get("step", 0) for item in items)}
    return sorted(steps - {0})


def beats_text(beats: list[Beat], clicks: list[int]) -> list[str]:
    """A paragraph for each beat; one with which something appears begins with "[click]", once for each."""
    out, step = [], 0
    for beat in beats:
        due = sum(step < click <= beat.step for click in clicks)
        out.append("[click] " * due + plain_markdown(" ".join(beat.text.split())))
        step = max(step, beat.step)
    return out


def footer(deck: Deck) -> str:
    """The line at the bottom of every slide."""
    return f"{deck.course} · Day {deck.day}: {deck.title}"


def over_title(deck: Deck, slide: Slide) -> str:
    """The small line above the title of a title slide."""
    return slide.kicker or f"Day {deck.day}"


def letters(n: int) -> list[str]:
    """Names of a quiz's choices: A, B, C, ..."""
    return [chr(ord("A") + i) for i in range(n)]
