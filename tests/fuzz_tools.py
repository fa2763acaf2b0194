"""How a fuzz test is run, and a toy day that takes a lecture through the steps that follow."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coursebuild.checking import Glyphs
from coursebuild.errors import CourseError
from coursebuild.model import Deck, Figure, Record, Script
from coursebuild.shown import beats_text, plain, reveals
from coursebuild.speech.sentences import split
from coursebuild.speech.spoken import spoken
from coursebuild.speech.written import written
from coursebuild.steps.lecture import read_lecture

QUIET = (
    HealthCheck.too_slow,
    HealthCheck.function_scoped_fixture,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
)
SECONDS = 15.0  # that no single case may take
SAID = re.compile(r"(?:[ .,;:!?'-]|[^\W_])*")  # what a voice may be given: words and these marks


def fuzz(few: int, many: int) -> Callable:
    """Run a test with few cases in CI and with many in the slow run (both numbers of cases)."""
    return pytest.mark.parametrize("cases", [few, pytest.param(many, marks=pytest.mark.long)])


def try_all(cases: int, strategy: st.SearchStrategy, body: Callable[[Any], None]) -> None:
    """Call `body` with `cases` values; each has SECONDS."""

    @settings(
        max_examples=cases,
        deadline=None,
        suppress_health_check=QUIET,
        database=None,
        derandomize=cases < 1000,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def run(value: Any) -> None:
        begin = time.process_time()
        body(value)
        assert time.process_time() - begin < SECONDS

    run()


# ------------------------------------------------------------------ what the lectures are made of

SCRIPT = 'def train_step(x):\n    """Not shown."""\n    y = x * 2\n    return y\n'
SYLLABUS = {
    "objectives": ["one"],
    "concepts": [],
    "learnings": [],
    "references": [{"kind": "Book", "text": "A *book*", "url": "https://example.org/a"}],
}
FRONT = "---\nday: 4\ntitle: Toy\n---\n> Welcome.\n\n"


def toy_record() -> Record:
    return Record(
        day=4,
        slug="toy",
        metrics={"accuracy": 0.98, "n": 60000, "curve": [0.5, 0.25], "name": "a *b* <i> $x$ # {{ 1 }} [pause 9] &lt;"},
        claims={"it works": True, "it fails": False},
        figures={"loss": Figure(500, 250, 12, {})},
        arrays={},
        arrays_sha256="",
        provenance={"preset": "quick", "device": "CPU", "date": "2026-01-02"},
    )


class Course:
    """A toy day in a folder."""

    def __init__(self, folder: Path) -> None:
        self.lecture, self.script, self.record = (
            folder / "day04_toy.md.j2",
            folder / "day04_toy.py",
            folder / "record.json",
        )
        self.script.write_text(SCRIPT)
        self.measured = toy_record()
        self.measured.save(self.record)

    def read(self, text: str, record: Record | None = None) -> tuple[Deck, Script] | None:
        """The lecture, or None after a CourseError that says where and what."""
        self.lecture.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            deck, said, _ = read_lecture(self.lecture, self.script, record or self.measured, SYLLABUS, "The course")
        except CourseError as error:
            for one in error.all:
                assert one.file == str(self.lecture) and one.line and one.what, repr(one)
                assert 1 <= one.line <= text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
            return None
        return deck, said

    def use(self, deck: Deck, said: Script) -> None:
        """What the next steps do with an accepted lecture."""
        assert Deck.from_json(json.loads(json.dumps(deck.to_json()).encode())) == deck
        assert Script.from_json(json.loads(json.dumps(said.to_json()).encode())) == said
        assert [s.id for s in deck.slides] == [s.id for s in said.slides]
        assert all(b.step <= s.steps for s, t in zip(deck.slides, said.slides, strict=True) for b in t.beats)
        try:
            Glyphs(deck, self.record, self.lecture).look(said)
        except CourseError as error:
            assert error.line and error.file, repr(error)
            return
        for slide, spoken_slide in zip(deck.slides, said.slides, strict=True):
            plain(slide.title)
            beats_text(spoken_slide.beats, reveals(slide))
            for beat in spoken_slide.beats:
                speak(beat.text)


def speak(markdown: str) -> None:
    """Voice and captions: words without markup, or a CourseError."""
    try:
        for piece in split(markdown):
            words, shown = spoken(piece.atoms), written(piece.atoms)
            assert SAID.fullmatch(words), words
            assert shown or not words
    except CourseError as error:
        assert error.what
