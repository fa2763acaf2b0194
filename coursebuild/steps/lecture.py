"""lecture: the template and the record become what is shown (Deck) and what is said (Script)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from coursebuild import lint
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import write_json
from coursebuild.markup import Reader
from coursebuild.model import Deck, JsonDict, Record, Script
from coursebuild.template import Elements, render, run_line

FRONT_KEYS = {"day": int, "title": str, "subtitle": str, "language": str}


def front_matter(text: str, lecture: Path) -> tuple[JsonDict, str]:
    """The YAML between the first two `---` lines, and the rest with its line numbers kept (blank lines)."""
    lines = text.split("\n")
    if lines[0].strip() != "---" or "---" not in [x.strip() for x in lines[1:]]:
        raise CourseError("has no front matter", file=lecture, line=1, hint="begin with ---, day: 4, title: ..., ---")
    end = 1 + [x.strip() for x in lines[1:]].index("---")
    try:
        front = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 2 + mark.line if mark else 1
        raise CourseError(f"not valid YAML: {getattr(error, 'problem', error)}", file=lecture, line=line) from None
    if not isinstance(front, dict):
        raise CourseError("front matter is no list of names and values", file=lecture, line=2, hint="write day: 4")
    for key, value in front.items():
        line = next((i + 1 for i, x in enumerate(lines[:end]) if x.startswith(f"{key}:")), 1)
        if key not in FRONT_KEYS:
            raise CourseError(
                f"unknown entry `{key}`", file=lecture, line=line, hint=did_you_mean(str(key), FRONT_KEYS)
            )
        if not isinstance(value, FRONT_KEYS[key]):
            raise CourseError(f"`{key}` is {value!r}, not {FRONT_KEYS[key].__name__}", file=lecture, line=line)
    for key in ("day", "title"):
        if key not in front:
            raise CourseError(f"front matter lacks `{key}`", file=lecture, line=1, hint=f"add {key}: ...")
    return front, "\n".join([""] * (end + 1) + lines[end + 1 :])


def read_lecture(
    lecture: Path, script: Path, record: Record, syllabus: JsonDict, course: str
) -> tuple[Deck, Script, list[lint.Problem]]:
    """Deck, narration and what lint found; raises CourseError for what cannot be built."""
    try:
        text = lecture.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = lecture.read_bytes()[: error.start].count(b"\n") + 1
        raise CourseError("is not UTF-8", file=lecture, line=line, hint="save it as UTF-8") from None
    front, body = front_matter(text.replace("\r\n", "\n"), lecture)
    if front["day"] != record.day:
        raise CourseError(f"says day {front['day']}, the file name says {record.day}", file=lecture, line=1)
    elements = Elements(record, script, syllabus)
    reader = Reader(render(body, lecture, elements), lecture)
    reader.read(front["title"], front.get("subtitle", ""), f"Day {record.day}")
    language = front.get("language", "en")
    shared: dict[str, Any] = {"day": record.day, "title": front["title"], "language": language}
    source = f"lectures/{lecture.name}"
    deck = Deck(
        **shared,
        slug=record.slug,
        course=course,
        subtitle=front.get("subtitle", ""),
        run_line=run_line(record),
        slides=reader.slides,
        source=source,
    )
    spoken = Script(**shared, slides=reader.spoken, source=source)
    problems = lint.check(body, lecture, deck, spoken, record, syllabus, elements.claims_used)
    return deck, spoken, problems


def lecture(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Step: inputs lecture, script, record; products shown, spoken, scenes; params course, syllabus
    (the day's entry)."""
    record = Record.load(inputs["record"])
    deck, spoken, problems = read_lecture(
        inputs["lecture"], inputs["script"], record, params["syllabus"], params["course"]
    )
    errors = [p for p in problems if p.level == "error"]
    if errors:
        first, more = errors[0], len(errors) - 1
        also = f" (and {more} more: see build.py check)" if more else ""
        raise CourseError(first.what + also, file=first.file, line=first.line, hint=first.hint)
    deck.save(products["shown"])
    spoken.save(products["spoken"])
    # what an animation must know of the lecture: so that it is rendered again for these alone, not for every word
    kickers = {s.id: s.kicker for s in deck.slides}
    scenes = {
        s.scene: {"title": s.title, "kicker": kickers[s.id], "beats": len(s.beats)} for s in spoken.slides if s.scene
    }
    write_json(products["scenes"], scenes)
