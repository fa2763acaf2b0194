"""The content that all rivals get alike: the pictures, sentences and times of a few slides of a lecture that was built.

`Content` is handed to the rivals as JSON; our own film step gets the same slides cut out of its usual inputs.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from coursebuild.files import read_json
from coursebuild.model import FPS, Clips, Deck, Frames, Speech, TimedSlide, Timeline
from tests.bench.meter import BenchError


@dataclass(frozen=True)
class Spoken:
    """A sentence: its sound and when it starts, in frames of the film."""

    wav: str
    start: int


@dataclass(frozen=True)
class Shown:
    """A stretch of the film during which one picture stands, or a section of a clip runs and its end is held."""

    slide: str
    png: str
    start: int
    frames: int
    sentences: list[Spoken]
    clip: str = ""  # a file; then `png` is the section's last picture
    clip_start: int = 0  # frames
    clip_frames: int = 0


@dataclass(frozen=True)
class Content:
    width: int
    height: int
    fps: int
    frames: int
    shown: list[Shown]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    @property
    def stills(self) -> list[Shown]:
        return [s for s in self.shown if not s.clip]


@dataclass(frozen=True)
class Work:
    """What the steps of a built day have left: the loaded files and where they lie."""

    plan: Timeline
    speech: Speech
    frames: Frames
    clips: Clips
    deck: Deck
    folder: Path

    @classmethod
    def of(cls, day: Path) -> Work:
        work = day / "work"
        try:
            return cls(
                Timeline.load(work / "timeline.json"),
                Speech.load(work / "speech" / "speech.json"),
                Frames.load(work / "frames" / "frames.json"),
                Clips.load(work / "clips" / "clips.json"),
                Deck.load(work / "shown.json"),
                work,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{day.name} is not built as expected: {type(error).__name__}: {error}") from error


def chosen(plan: Timeline, seconds: float) -> list[TimedSlide]:
    """Slides without an animation and with two states or more: in their order, all that still fit into `seconds`."""
    found: list[TimedSlide] = []
    left = seconds * FPS
    for slide in plan.slides:
        if slide.scene is None and slide.frames <= left and len({b.step for b in slide.beats}) >= 2:
            found.append(slide)
            left -= slide.frames
    if not found:
        raise BenchError(f"the lecture has no slide with two states that takes at most {seconds:.0f} s")
    return found


def moved(plan: Timeline, slides: list[TimedSlide]) -> Timeline:
    """A timeline of these slides alone, from 0 on."""
    at, out = 0, []
    for slide in slides:
        by = at - slide.start
        beats = [
            dataclasses.replace(
                beat,
                start=beat.start + by,
                sentences=[dataclasses.replace(s, start=s.start + by) for s in beat.sentences],
            )
            for beat in slide.beats
        ]
        out.append(dataclasses.replace(slide, start=at, beats=beats))
        at += slide.frames
    return dataclasses.replace(plan, frames=at, slides=out)


def content_of(work: Work, plan: Timeline) -> Content:
    """What stands and is said when; beats with the same picture are one stretch."""
    shown: list[Shown] = []
    for slide in plan.slides:
        for beat in slide.beats:
            said = [Spoken(str(work.folder / "speech" / s.wav), s.start) for s in beat.sentences]
            last = shown[-1] if shown and shown[-1].slide == slide.id else None
            if slide.scene is not None:
                shown.append(_animated(work, slide, beat.section, beat.start, beat.frames, said))
                continue
            png = str(work.folder / "frames" / work.frames.slides[slide.id][beat.step].png)
            if last and last.png == png:
                sentences = [*last.sentences, *said]
                shown[-1] = dataclasses.replace(last, frames=last.frames + beat.frames, sentences=sentences)
            else:
                shown.append(Shown(slide.id, png, beat.start, beat.frames, said))
    return Content(work.frames.width, work.frames.height, FPS, plan.frames, shown)


def _animated(work: Work, slide: TimedSlide, section: int | None, start: int, frames: int, said: list[Spoken]) -> Shown:
    clip = work.clips.scenes[slide.scene or ""]
    part, folder = clip.sections[section or 0], work.folder / "clips"
    png = str(folder / clip.posters[section or 0])
    return Shown(slide.id, png, start, frames, said, str(folder / clip.file), part.start, part.frames)


def inputs_of(work: Work) -> dict[str, Path]:
    """The inputs of our film step for the whole lecture."""
    inputs = {name: work.folder / name / f"{name}.json" for name in ("speech", "frames", "clips")}
    return inputs | {name: work.folder / f"{name}.json" for name in ("timeline", "shown")}


def cut_inputs(work: Work, plan: Timeline, folder: Path) -> dict[str, Path]:
    """The inputs of our film step for `plan`, written to `folder`: what the steps before it would hand over."""
    ids, scenes = {s.id for s in plan.slides}, {s.scene for s in plan.slides if s.scene}
    for name in ("speech", "frames", "clips"):
        (folder / name).mkdir(parents=True)
        for path in (work.folder / name).iterdir():
            if path.suffix != ".json":
                (folder / name / path.name).symlink_to(path)
    inputs = {name: folder / name / f"{name}.json" for name in ("speech", "frames", "clips")}
    inputs |= {name: folder / f"{name}.json" for name in ("timeline", "shown")}
    plan.save(inputs["timeline"])
    dataclasses.replace(work.deck, slides=[s for s in work.deck.slides if s.id in ids]).save(inputs["shown"])
    dataclasses.replace(work.speech, slides=[s for s in work.speech.slides if s.id in ids]).save(inputs["speech"])
    slides = {k: v for k, v in work.frames.slides.items() if k in ids}
    dataclasses.replace(work.frames, slides=slides).save(inputs["frames"])
    Clips({k: v for k, v in work.clips.scenes.items() if k in scenes}).save(inputs["clips"])
    return inputs


def load(path: Path) -> Content:
    value = read_json(path)
    shown = [Shown(**{**s, "sentences": [Spoken(**x) for x in s["sentences"]]}) for s in value.pop("shown")]
    return Content(**value, shown=shown)
