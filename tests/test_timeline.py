"""The clock: every rule of the contract, on small lectures and on random ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursebuild.errors import CourseError
from coursebuild.model import Clip, Clips, Section, Sentence, Speech, SpeechBeat, SpeechSlide, Timeline, Word
from coursebuild.steps.timeline import check, schedule, timeline


def said(seconds: float, text: str = "Some words are said.") -> Sentence:
    words = text.split()
    each = seconds / len(words)
    return Sentence(text, text, "a.wav", "0", seconds, [Word(w, i * each, (i + 1) * each) for i, w in enumerate(words)])


def pause(seconds: float) -> Sentence:
    return Sentence("", "", "", "", seconds)


def slide(*beats: list[Sentence], scene: str | None = None, sections: list[int | None] | None = None) -> SpeechSlide:
    found = sections or [i if scene else None for i in range(len(beats))]
    made = [SpeechBeat(f"s01b{i}", i, s, b) for i, (b, s) in enumerate(zip(beats, found, strict=True))]
    return SpeechSlide("s01", "A title", scene, made)


def clips(*frames: int) -> Clips:
    sections = [Section(f"part{i}", sum(frames[:i]), n) for i, n in enumerate(frames)]
    return Clips({"Flow": Clip("Flow.mp4", "0", 320, 180, sections, [])})


def plan(*slides: SpeechSlide, with_clips: Clips | None = None) -> Timeline:
    return schedule(Speech("v", "v", list(slides)), with_clips)


def gaps(made: Timeline) -> list[float]:
    """The silences of the first slide in seconds: before, between and after its sentences."""
    found = [s for b in made.slides[0].beats for s in b.sentences]
    marks = [0, *(x for s in found for x in (s.start, s.start + s.frames)), made.slides[0].frames]
    return [(b - a) / 30 for a, b in zip(marks[::2], marks[1::2], strict=True)]


def test_silences() -> None:
    before, inside, between, after = gaps(plan(slide([said(1.0), said(2.0)], [said(1.0)])))
    assert before == 0.5
    assert inside == pytest.approx(0.28, abs=1 / 30)
    assert between == pytest.approx(0.45, abs=1 / 30)
    assert 0.8 <= after < 0.8 + 17 / 30  # with what fills up the last 16 frames


def test_a_picture_comes_just_before_its_words() -> None:
    beat = plan(slide([said(1.0)], [said(1.0)])).slides[0].beats[1]
    assert 0 < beat.sentences[0].start - beat.start <= 6


def test_pauses_are_honoured_where_they_stand() -> None:
    assert gaps(plan(slide([said(1), pause(2.0), said(1)])))[1] == 2.0
    assert gaps(plan(slide([said(1), pause(0.1), said(1)])))[1] == pytest.approx(0.28, abs=1 / 30)
    assert gaps(plan(slide([said(1), pause(1.0), pause(1.0), said(1)])))[1] == 2.0
    assert gaps(plan(slide([pause(1.0), said(1)])))[0] == 1.5
    assert gaps(plan(slide([said(1), pause(3.0)])))[-1] >= 3.0


def test_a_beat_waits_for_its_section() -> None:
    made = plan(slide([said(1.0)], [said(4.0)], scene="Flow"), with_clips=clips(150, 30))
    first, second = made.slides[0].beats
    assert first.frames == 150 and second.start == 150
    assert second.frames >= 4 * 30 + 24


def test_a_slide_that_says_nothing_is_still_seen() -> None:
    made = plan(slide(), slide([pause(1.0)]))
    assert [s.start for s in made.slides] == [0, 96]
    assert made.slides[0].frames >= 90 and made.slides[1].frames >= 15 + 30


@pytest.mark.parametrize(
    ("made", "frames", "words"),
    [
        (slide([said(1)], scene="Flow"), (30, 30), ["2 sections (`part0`, `part1`)", "1 beat with a section"]),
        (slide([said(1)], [said(1)], scene="Flow"), (30,), ["1 section (`part0`)", "2 beats"]),
        (slide([said(1)], [said(1)], scene="Flow", sections=[1, 0]), (30, 30), ["2 sections", "(1, 0)"]),
        (slide([said(1)], [said(1)], scene="Flow", sections=[None, 0]), (30,), ["1 section", "1 beat"]),
    ],
)
def test_sections_and_beats_must_match(made: SpeechSlide, frames: tuple[int, ...], words: list[str]) -> None:
    with pytest.raises(CourseError) as caught:
        plan(made, with_clips=clips(*frames))
    assert all(word in str(caught.value) for word in [*words, "s01", "A title", "Flow"])
    assert caught.value.hint


def test_an_unknown_animation_has_a_hint() -> None:
    with pytest.raises(CourseError, match="no animation `Flaw`") as caught:
        plan(slide([said(1)], scene="Flaw"), with_clips=clips(30))
    assert "`Flow`" in caught.value.hint
    with pytest.raises(CourseError, match="no animation"):
        plan(slide([said(1)], scene="Flow"))


def test_no_slides() -> None:
    with pytest.raises(CourseError, match="no slides"):
        plan()


LENGTHS = st.floats(0.05, 9, allow_nan=False)
SENTENCES = st.lists(st.one_of(LENGTHS.map(said), LENGTHS.map(pause)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(SENTENCES, max_size=4), min_size=1, max_size=4), st.lists(st.integers(1, 200), min_size=4))
def test_any_lecture_is_whole(lecture: list[list[list[Sentence]]], frames: list[int]) -> None:
    """Slides and beats follow each other without gaps, sentences keep their order, nothing is cut short."""
    slides = [slide(*beats, scene="Flow" if i == 1 and beats else None) for i, beats in enumerate(lecture)]
    sections = len(lecture[1]) if len(lecture) > 1 else 0
    made = plan(*slides, with_clips=clips(*frames[:sections]))
    check(made)
    assert made.frames == sum(s.frames for s in made.slides)
    for spoken, placed in zip(slides, made.slides, strict=True):
        for beat, timed in zip(spoken.beats, placed.beats, strict=True):
            wanted = [s.seconds for s in beat.sentences if s.wav]
            assert len(timed.sentences) == len(wanted)
            for seconds, sentence in zip(wanted, timed.sentences, strict=True):
                assert 0 <= sentence.frames / 30 - seconds < 1 / 30 + 1e-6
                assert timed.start < sentence.start
                assert sentence.start + sentence.frames < timed.start + timed.frames


def test_files(tmp_path: Path) -> None:
    Speech("v", "v", [slide([said(1.0)], scene="Flow")]).save(tmp_path / "speech.json")
    clips(90).save(tmp_path / "clips.json")
    inputs = {"speech": tmp_path / "speech.json", "clips": tmp_path / "clips.json"}
    products = {name: tmp_path / f"out.{name}" for name in ("timeline", "vtt", "srt")}
    timeline(inputs, products, {}, tmp_path / "cache")
    first = {name: path.read_bytes() for name, path in products.items()}
    assert Timeline.load(products["timeline"]).slides[0].beats[0].frames >= 90
    assert first["vtt"].startswith(b"WEBVTT\n\n00:00:00.500 --> ")
    assert first["srt"].startswith(b"1\n00:00:00,500 --> ")
    timeline(inputs, products, {}, tmp_path / "cache")
    assert {name: path.read_bytes() for name, path in products.items()} == first
