"""lecture: the template and the record become what is shown (Deck) and what is said (Script)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursebuild import lint
from coursebuild.elements import PRIVATE, Elements, run_line
from coursebuild.errors import CourseError, raise_all
from coursebuild.files import write_json
from coursebuild.markup import Reader
from coursebuild.model import Deck, JsonDict, Record, Script
from coursebuild.reading import read_text
from coursebuild.reads import THERE, note, noted
from coursebuild.shapes import Wrong, build, everywhere, in_file, no_control_characters
from coursebuild.template import render
from coursebuild.yamltext import parse_yaml

LANGUAGE = re.compile(r"[a-z]{2,3}")  # ISO 639
MOST_CHARACTERS = 200_000  # of a lecture; a long one has 40,000


@dataclass(frozen=True)
class Front:
    """The front matter of a lecture."""

    day: int
    title: str
    subtitle: str = ""
    language: str = "en"

    def check(self) -> None:
        for name, text in (("title", self.title), ("subtitle", self.subtitle)):
            if found := PRIVATE.search(text):
                raise Wrong(f"holds the character U+{ord(found[0]):04X}, which cannot be shown", (name,))
        if not self.title.strip():
            raise Wrong("is empty", ("title",))
        if not LANGUAGE.fullmatch(self.language):
            raise Wrong(f"is {self.language!r}, which is no language", ("language",), "write en")


def front_matter(text: str, lecture: Path) -> tuple[Front, str]:
    """The YAML between the first two `---` lines, and the rest with its line numbers kept (blank lines)."""
    lines = text.split("\n")
    ends = [i for i, line in enumerate(lines) if line.strip() == "---"][:2]
    if len(ends) < 2 or ends[0] != 0:
        raise CourseError("has no front matter", file=lecture, line=1, hint="begin with ---, day: 4, title: ..., ---")
    end = ends[1]
    value, line_of = parse_yaml("\n".join(lines[1:end]), lecture, first_line=2)
    try:
        everywhere(no_control_characters, value)
        front = build(Front, value or {})
    except Wrong as error:
        if len(error.path) == 1 and error.what == "is missing":
            name = error.path[0]
            hint = f"add {name}: ..."
            raise CourseError(f"front matter lacks `{name}`", file=lecture, line=1, hint=hint) from None
        raise in_file(error, lecture, line_of, "front matter") from None
    return front, "\n".join([""] * (end + 1) + lines[end + 1 :])


def read_lecture(
    lecture: Path, script: Path, record: Record, syllabus: JsonDict, course: str
) -> tuple[Deck, Script, list[lint.Problem]]:
    """Deck, narration and what lint found; raises CourseError for what cannot be built."""
    text = read_text(lecture)
    if len(text) > MOST_CHARACTERS:
        what = f"has {len(text):,} characters, at most {MOST_CHARACTERS:,} are read"
        raise CourseError(what, file=lecture, line=1, hint="make it two days")
    front, body = front_matter(text, lecture)
    if front.day != record.day:
        raise CourseError(f"says day {front.day}, the file name says {record.day}", file=lecture, line=1)
    measured = noted(record)  # lint looks at all of it, but only what the lecture asks for can change what it says
    elements = Elements(measured, script, syllabus)
    reader = Reader(render(body, lecture, elements), lecture)
    reader.read(front.title, front.subtitle, f"Day {record.day}")
    shared: dict[str, Any] = {"day": record.day, "title": front.title, "language": front.language}
    source = f"lectures/{lecture.name}"
    deck = Deck(
        **shared,
        slug=record.slug,
        course=course,
        subtitle=front.subtitle,
        run_line=run_line(measured),
        slides=reader.slides,
        source=source,
    )
    spoken = Script(**shared, slides=reader.spoken, source=source)
    problems = lint.check(text, lecture, deck, spoken, record, syllabus, elements.claims_used)
    return deck, spoken, problems


def lecture(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Step: inputs lecture, script, record; products shown, spoken, scenes; params course, syllabus
    (the day's entry)."""
    record = Record.load(inputs["record"])
    note("script", THERE)  # of which `code` reads the functions that it shows
    deck, spoken, problems = read_lecture(
        inputs["lecture"], inputs["script"], record, params["syllabus"], params["course"]
    )
    raise_all([CourseError(p.what, file=p.file, line=p.line, hint=p.hint) for p in problems if p.level == "error"])
    deck.save(products["shown"])
    spoken.save(products["spoken"])
    # what an animation must know of the lecture: so that it is rendered again for these alone, not for every word
    kickers = {s.id: s.kicker for s in deck.slides}
    scenes = {
        s.scene: {"title": s.title, "kicker": kickers[s.id], "beats": len(s.beats)} for s in spoken.slides if s.scene
    }
    write_json(products["scenes"], scenes)
