"""What the steps hand to each other: frozen records, kept as JSON on disk. Standard library only.

Times are whole frames at FPS. Lengths on a slide are points on a page of 960 x 540.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from coursebuild.errors import CourseError
from coursebuild.files import write_json
from coursebuild.reading import dotted, read_json
from coursebuild.shapes import Wrong, build, shorted

FPS = 30  # frames per second of the timeline; 48,000 samples a second / 30 = 1,600 samples a frame, exactly
PAGE = (960, 540)  # points
QUALITY = {  # name: (width px, height px, frames per second of the animations)
    "draft": (960, 540, 15),
    "hd": (1280, 720, 30),
    "fullhd": (1920, 1080, 30),
}
JsonDict = dict[str, Any]
FIGURE_NAME = re.compile(r"[a-z][a-z0-9_]*")  # of a figure, and so of its files
PROVENANCE = {  # what a run says of itself, where it says it
    "script": str, "script_sha256": str, "preset": str, "settings": dict[str, Any], "device": str, "python": str,
    "packages": dict[str, str], "data": list[dict[str, Any]], "seconds": float, "date": str, "time": str,
    "recorded": bool,
}  # fmt: skip


class Stored:
    """Reading and writing a dataclass as JSON; what does not fit is a CourseError with the path to it."""

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, value: Any, file: Path | None = None) -> Self:
        try:
            return build(cls, value)
        except Wrong as error:
            name = dotted(error.path) or "the whole"
            hint = error.hint or "a file of a build is made again when it is deleted"
            raise CourseError(f"`{name}` {error.what}", file=file, hint=hint) from None

    def save(self, path: Path) -> None:
        write_json(path, self.to_json())

    def to_json(self) -> JsonDict:
        return dataclasses.asdict(self)

    def check(self) -> None:
        """Raise Wrong for what the types alone do not tell; called with what was read, not with what was made."""


# ------------------------------------------------------------------ record: what an experiment measured


@dataclass(frozen=True)
class Figure(Stored):
    """A figure of the script, saved as `figures/<name>.<theme>.svg` and `.png` beside the record."""

    width: float  # points
    height: float
    line: int  # of the script, where the figure was labelled
    sha256: dict[str, str]  # file name -> digest


@dataclass(frozen=True)
class Record(Stored):
    """Everything that a run of a script measured, and where it came from.

    `provenance` has: script, script_sha256, preset, settings, seed, device, python, packages, data (a list of
    {name, source, n}), seconds, date (ISO, UTC), time.
    """

    day: int
    slug: str
    metrics: dict[str, Any]  # name -> number, text, or list of these
    claims: dict[str, bool]  # sentence -> whether it held
    figures: dict[str, Figure]
    arrays: dict[str, list[int]]  # name -> shape; the numbers are in arrays.npz beside the record
    arrays_sha256: str
    provenance: dict[str, Any]
    schema: int = 1

    def check(self) -> None:
        for name, figure in self.figures.items():
            if not FIGURE_NAME.fullmatch(name):
                raise Wrong("cannot name a file", ("figures", name), "small letters, digits and _")
            if figure.width <= 0 or figure.height <= 0:
                raise Wrong("has no size", ("figures", name))
        for name, value in self.metrics.items():
            if value is None or isinstance(value, dict):
                raise Wrong(f"is {shorted(value)}; a metric is a number, a text or a list", ("metrics", name))
        for name in ("preset", "device", "date"):
            if name not in self.provenance:
                raise Wrong("is missing", ("provenance", name))
        for name, kind in PROVENANCE.items():
            if name in self.provenance:
                try:
                    build(kind, self.provenance[name])
                except Wrong as error:
                    raise error.below("provenance", name) from None


# ------------------------------------------------------------------ deck: what is shown, and what is said


@dataclass(frozen=True)
class Slide(Stored):
    """One slide. `blocks` are dicts with `type`, `id`, `step`; docs/ARCHITECTURE.md lists the types.

    A block (or bullet) with step k is hidden in the states 0 .. k-1; the slide has `steps` + 1 states.
    """

    id: str  # "s03"
    n: int
    kind: str  # "title", "content" or "animation"
    title: list[JsonDict]  # spans
    title_text: str
    line: int
    kicker: str = ""
    subtitle: list[JsonDict] = field(default_factory=list)
    blocks: list[JsonDict] = field(default_factory=list)
    steps: int = 0
    covers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deck(Stored):
    """shown.json: all that stands on the slides, and nothing of what is said."""

    day: int
    slug: str
    course: str
    title: str
    subtitle: str
    run_line: str  # one line on where the numbers come from, for the footer
    language: str
    slides: list[Slide]
    source: str  # path of the lecture
    schema: int = 1


@dataclass(frozen=True)
class Beat(Stored):
    """What is said while a slide is in state `step` (inline Markdown with $math$ and `code`)."""

    id: str  # "s03b1"
    step: int
    text: str
    line: int
    section: int | None = None  # of the slide's animation


@dataclass(frozen=True)
class SpokenSlide(Stored):
    id: str
    title: str
    beats: list[Beat]
    scene: str | None = None


@dataclass(frozen=True)
class Script(Stored):
    """spoken.json: the narration of a lecture, and nothing of what is shown."""

    day: int
    title: str
    language: str
    slides: list[SpokenSlide]
    source: str
    schema: int = 1


# ------------------------------------------------------------------ speech, clips, frames, timeline


@dataclass(frozen=True)
class Word(Stored):
    text: str
    start: float  # seconds from the start of the sentence
    end: float


@dataclass(frozen=True)
class Sentence(Stored):
    """A spoken sentence, or a pause (then `wav` is empty and `seconds` its length)."""

    written: str  # what the captions show
    spoken: str  # what the voice was given
    wav: str  # path relative to the JSON file; mono, 16 bit, loudness normalised
    sha256: str
    seconds: float
    words: list[Word] = field(default_factory=list)


@dataclass(frozen=True)
class SpeechBeat(Stored):
    id: str
    step: int
    section: int | None
    sentences: list[Sentence]


@dataclass(frozen=True)
class SpeechSlide(Stored):
    id: str
    title: str
    scene: str | None
    beats: list[SpeechBeat]


@dataclass(frozen=True)
class Speech(Stored):
    """speech.json: the recorded narration."""

    voice: str
    voice_line: str  # who speaks, with licence, for credits and metadata
    slides: list[SpeechSlide]
    schema: int = 1


@dataclass(frozen=True)
class Section(Stored):
    name: str
    start: int  # frames at FPS
    frames: int


@dataclass(frozen=True)
class Clip(Stored):
    """One scene: a silent H.264 file whose sections each begin with a key frame, and a poster per section."""

    file: str  # relative to clips.json
    sha256: str
    width: int
    height: int
    sections: list[Section]
    posters: list[str]  # last picture of each section, PNG
    alt: str = ""
    posters_sha256: str = ""


@dataclass(frozen=True)
class Clips(Stored):
    """clips.json"""

    scenes: dict[str, Clip]
    schema: int = 1


@dataclass(frozen=True)
class Frame(Stored):
    png: str  # relative to frames.json
    sha256: str


@dataclass(frozen=True)
class Frames(Stored):
    """frames.json: the picture of every state of every slide."""

    width: int
    height: int
    slides: dict[str, list[Frame]]  # slide id -> states
    schema: int = 1


@dataclass(frozen=True)
class TimedSentence(Stored):
    written: str
    wav: str
    sha256: str
    start: int  # frames from the start of the film
    frames: int
    words: list[Word] = field(default_factory=list)  # seconds from the start of the sentence


@dataclass(frozen=True)
class TimedBeat(Stored):
    id: str
    step: int
    section: int | None
    start: int
    frames: int
    sentences: list[TimedSentence]


@dataclass(frozen=True)
class TimedSlide(Stored):
    """A slide in time; `frames` is a multiple of 16, so that 48 kHz AAC packets end where the slide ends."""

    id: str
    title: str
    scene: str | None
    start: int
    frames: int
    beats: list[TimedBeat]


@dataclass(frozen=True)
class Timeline(Stored):
    """timeline.json: the one clock of pictures, sound, captions and chapters."""

    frames: int
    slides: list[TimedSlide]
    fps: int = FPS
    schema: int = 1
