"""The one clock of a lecture: when every picture, sentence, section and caption begins, in whole frames."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from coursebuild import captions
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import atomic
from coursebuild.model import (
    FPS,
    Clips,
    Section,
    Speech,
    SpeechBeat,
    SpeechSlide,
    TimedBeat,
    TimedSentence,
    TimedSlide,
    Timeline,
)
from coursebuild.reads import note, pointer

# Silences, in frames. Before a beat's first word its picture stands for BEAT_LEAD: the eye goes first.
SLIDE_LEAD = 15  # 0.5 s from a slide's start to its first word
SENTENCE_GAP = 8  # 0.28 s between sentences of a beat
BEAT_GAP = 14  # 0.45 s between the words of two beats ...
BEAT_LEAD = 5  # ... of which the last 0.15 s already shows the new picture
SLIDE_TAIL = 24  # 0.8 s after a slide's last word
SILENT_SLIDE = 3 * FPS  # a slide about which nothing is said
PADDING = 16  # frames; 16 of them are 25 AAC packets at 48 kHz


def timeline(inputs: dict[str, Path | None], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Write timeline.json and the captions (.vtt, .srt) of the recorded speech and the animations."""
    del params, cache
    speech = Speech.load(_given(inputs, "speech"))
    clips = inputs.get("clips")
    plan = schedule(speech, Clips.load(clips) if clips else None)
    check(plan)
    plan.save(products["timeline"])
    cues = captions.cues(plan)
    for name, text in (("vtt", captions.vtt(cues)), ("srt", captions.srt(cues))):
        with atomic(products[name]) as path:
            path.write_text(text, encoding="utf-8")


def schedule(speech: Speech, clips: Clips | None) -> Timeline:
    """Place every slide, beat and sentence; the animations' sections must match the beats."""
    slides: list[TimedSlide] = []
    start = 0
    for slide in speech.slides:
        placed = _slide(slide, _sections(slide, clips), start)
        slides.append(placed)
        start += placed.frames
    if not slides:
        raise CourseError("the lecture has no slides", hint="start a slide with `## Its title`")
    return Timeline(frames=start, slides=slides)


def _given(inputs: dict[str, Path | None], name: str) -> Path:
    path = inputs[name]
    if path is None:
        raise CourseError(f"the timeline needs `{name}`", hint="build the step that makes it first")
    return path


def _sections(slide: SpeechSlide, clips: Clips | None) -> list[Section]:
    """The sections of a slide's animation (none for another slide), checked against the slide's beats."""
    if slide.scene is None:
        return []
    where = f"slide {slide.id} `{slide.title}`"
    scenes = clips.scenes if clips else {}
    note("clips", pointer("scenes", slide.scene, "sections"))  # when things move, not what they look like
    if slide.scene not in scenes:
        raise CourseError(f"{where}: there is no animation `{slide.scene}`", hint=did_you_mean(slide.scene, scenes))
    sections = scenes[slide.scene].sections
    wanted = [beat.section for beat in slide.beats if beat.section is not None]
    if wanted != list(range(len(sections))) or (slide.beats and slide.beats[0].section is None):
        names = ", ".join(f"`{s.name}`" for s in sections)
        raise CourseError(
            f"{where}: its animation `{slide.scene}` has {_count(len(sections), 'section')} ({names}), but "
            f"the slide has {_count(len(wanted), 'beat')} with a section"
            + (f" ({', '.join(str(w) for w in wanted)})" if len(wanted) == len(sections) else ""),
            hint="write one blockquote below the animation for each section of the scene, in their order",
        )
    return sections


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _slide(slide: SpeechSlide, sections: list[Section], start: int) -> TimedSlide:
    beats: list[TimedBeat] = []
    at = start
    for i, beat in enumerate(slide.beats):
        lead = SLIDE_LEAD if i == 0 else BEAT_LEAD
        after = SLIDE_TAIL if i == len(slide.beats) - 1 else BEAT_GAP - BEAT_LEAD
        least = sections[beat.section].frames if beat.section is not None and sections else 1
        beats.append(_beat(beat, at, lead, after, least))
        at += beats[-1].frames
    padded = -(-(at - start or SILENT_SLIDE) // PADDING) * PADDING
    if beats:
        last = beats.pop()
        beats.append(_lasting(last, last.frames + padded - (at - start)))
    return TimedSlide(slide.id, slide.title, slide.scene, start, padded, beats)


def _beat(beat: SpeechBeat, start: int, lead: int, after: int, least: int) -> TimedBeat:
    """Place a beat's sentences. A pause is the silence between its neighbours, if longer than the usual gap."""
    sentences: list[TimedSentence] = []
    at, pause = start + lead, 0.0
    for sentence in beat.sentences:
        if not sentence.wav:
            pause += sentence.seconds
            continue
        at += max(_frames(pause), SENTENCE_GAP if sentences else 0)
        frames = _frames(sentence.seconds)
        sentences.append(TimedSentence(sentence.written, sentence.wav, sentence.sha256, at, frames, sentence.words))
        at, pause = at + frames, 0.0
    at += max(_frames(pause), after)
    return TimedBeat(beat.id, beat.step, beat.section, start, max(at - start, least), sentences)


def _lasting(beat: TimedBeat, frames: int) -> TimedBeat:
    return TimedBeat(beat.id, beat.step, beat.section, beat.start, frames, beat.sentences)


def _frames(seconds: float) -> int:
    """Seconds in whole frames, rounded up (a hair above a whole number is that number)."""
    return math.ceil(seconds * FPS - 1e-6)


def check(plan: Timeline) -> None:
    """Raise ValueError unless slides and beats follow each other without a gap and sentences lie inside."""
    ends = [0, *(s.start + s.frames for s in plan.slides)]
    if [s.start for s in plan.slides] != ends[:-1] or ends[-1] != plan.frames:
        raise ValueError("the slides of the timeline do not follow each other")
    for slide in plan.slides:
        if slide.frames % PADDING:
            raise ValueError(f"slide {slide.id}: {slide.frames} frames are not a multiple of {PADDING}")
        marks = [slide.start, *(b.start + b.frames for b in slide.beats)]
        if slide.beats and ([b.start for b in slide.beats] != marks[:-1] or marks[-1] != marks[0] + slide.frames):
            raise ValueError(f"slide {slide.id}: its beats do not fill it")
        spoken = [s for b in slide.beats for s in b.sentences]
        if any(a.start + a.frames > b.start for a, b in pairwise(spoken)):
            raise ValueError(f"slide {slide.id}: two sentences overlap")
