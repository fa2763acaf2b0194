"""The film of a lecture: pictures, sound, captions and chapters in one MP4 file, each coded once and then joined.

A slide is one picture segment and one sound segment, both kept in the cache under what they are made of, so that
a changed slide costs one slide. Animations are taken over as they are. What the file says is checked before it is
handed on.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from coursebuild import captions, codec, mux
from coursebuild.errors import CourseError
from coursebuild.files import cached, key_of, scratch, sha256
from coursebuild.keys import source_key
from coursebuild.model import FPS, QUALITY, Clips, Deck, Frames, Record, Speech, TimedSlide, Timeline
from coursebuild.mux import Piece
from coursebuild.origin import provenance
from coursebuild.reads import note, noted

# Stills are coded as if each stayed for a second, and moved to their times when they are joined: what is said does not
# count for them. (libx264 codes a picture the better the longer it stays, up to a second.)
CODED = FPS
CFR_KEY = 5 * FPS  # in a film for editors, frames between two points to cut at
LANGUAGES = {"en": "eng", "de": "deu", "es": "spa", "fr": "fra", "it": "ita", "pt": "por"}  # ISO 639-1, 639-2


@dataclass(frozen=True)
class _Sources:
    """What a film is made of, loaded, with the folders that relative paths start from."""

    plan: Timeline
    speech: Speech
    frames: Frames
    clips: Clips
    deck: Deck
    folders: dict[str, Path]
    origin: str  # where the numbers come from, in a paragraph
    every: bool  # code every frame, also of a picture that stays
    cache: Path

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.width, self.frames.height


def film(inputs: dict[str, Path | None], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Write the film (.mp4) and its poster (.png).

    `params`: "quality" (a name of model.QUALITY, checked against the pictures), "meta" (tags of the file, see
    mux.TAGS; others are added to the comment), "cfr" (code every frame, for editors: about 8 times the work).
    """
    sources = _load(inputs, bool(params.get("cfr", False)), cache)
    _check_size(sources, params.get("quality"))
    pieces = _same_settings(sources, [_pictures(slide, sources) for slide in sources.plan.slides])
    sounds = [_sound(slide, sources) for slide in sources.plan.slides]
    cues = captions.cues(sources.plan)
    tags = _tags(sources, params.get("meta", {}))
    language = LANGUAGES.get(sources.deck.language[:2], "und")
    mux.write(products["film"], sources.plan, pieces, sounds, cues, tags=tags, language=language)
    mux.verify(products["film"], sources.plan, len(cues))
    _poster(sources, products["poster"])


def _load(inputs: dict[str, Path | None], every: bool, cache: Path) -> _Sources:
    paths = {name: path for name, path in inputs.items() if path is not None}
    missing = {"timeline", "speech", "frames", "shown"} - set(paths)
    if missing:
        raise CourseError(f"the film needs {', '.join(sorted(missing))}", hint="build the steps that make them first")
    return _Sources(
        plan=Timeline.load(paths["timeline"]),
        speech=Speech.load(paths["speech"]),
        frames=Frames.load(paths["frames"]),
        clips=Clips.load(paths["clips"]) if "clips" in paths else Clips({}),
        deck=_deck(paths["shown"]),
        folders={name: path.parent for name, path in paths.items()},
        origin=provenance(noted(Record.load(paths["record"]))) if "record" in paths else "",
        every=every,
        cache=cache,
    )


def _deck(shown: Path) -> Deck:
    """The deck, of which a film uses only what it says of itself and which slides are titles."""
    deck = Deck.load(shown)
    note("shown", *(f"/{name}" for name in ("day", "title", "course", "run_line", "language")))
    note("shown", *(f"/slides/{i}/{name}" for i in range(len(deck.slides)) for name in ("id", "kind")))
    return deck


def _check_size(sources: _Sources, quality: str | None) -> None:
    width, height = sources.size
    if quality in QUALITY and QUALITY[quality][:2] != sources.size:
        raise CourseError(
            f"the slides are {width}x{height}, but quality `{quality}` is {'x'.join(map(str, QUALITY[quality][:2]))}",
            hint="draw the slides again with this quality",
        )
    for slide in sources.plan.slides:
        clip = sources.clips.scenes.get(slide.scene) if slide.scene else None
        if slide.scene and clip is None:
            raise CourseError(f"slide {slide.id}: there is no animation `{slide.scene}`", hint="build the animations")
        if clip is not None and (clip.width, clip.height) != sources.size:
            raise CourseError(
                f"the animation `{slide.scene}` is {clip.width}x{clip.height}, the slides are {width}x{height}",
                hint="build both with the same quality",
            )


@functools.cache
def recipe() -> str:
    """Digest of the code and the libraries that make coded pictures and sound."""
    return source_key("coursebuild.codec")


# ------------------------------------------------------------------ pictures


def _pictures(slide: TimedSlide, sources: _Sources) -> Piece:
    if slide.scene is not None:
        return _animation(slide, sources)
    steps, lasting = zip(*_states(slide, sources), strict=True)
    pictures = [_png(slide, step, sources) for step in steps]
    coded = lasting if sources.every else [CODED] * len(pictures)
    key = key_of(recipe(), sources.size, sources.every, [*zip(map(sha256, pictures), coded, strict=True)])

    def make(path: Path) -> None:
        _code(path, ((_read_png(png, sources.size), n) for png, n in zip(pictures, coded, strict=True)), sources)

    path = cached(sources.cache, "still", key, ".mp4", make)
    segment = codec.read_packets(path)
    if not sources.every:
        starts = [0, *accumulate(lasting)][:-1]
        # a picture that is alone has an empty one after it, see VideoWriter.end
        segment = segment.retimed(starts if len(starts) > 1 else [0, 1], slide.frames)
    return Piece(path, segment)


def _states(slide: TimedSlide, sources: _Sources) -> list[tuple[int, int]]:
    """The states of a slide in time: (step, frames); beats with the same picture are one."""
    if not slide.beats:
        return [(len(sources.frames.slides.get(slide.id, [])) - 1, slide.frames)]
    states: list[tuple[int, int]] = []
    for beat in slide.beats:
        if states and states[-1][0] == beat.step:
            states[-1] = (beat.step, states[-1][1] + beat.frames)
        else:
            states.append((beat.step, beat.frames))
    return states


def _png(slide: TimedSlide, step: int, sources: _Sources) -> Path:
    drawn = sources.frames.slides.get(slide.id, [])
    if not 0 <= step < len(drawn):
        raise CourseError(
            f"slide {slide.id} `{slide.title}`: its state {step} was not drawn (there are {len(drawn)} states)",
            hint="build the slides again: the narration is newer than they are",
        )
    return sources.folders["frames"] / drawn[step].png


def _read_png(path: Path, size: tuple[int, int]) -> av.VideoFrame:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise CourseError(f"not a readable picture: {error}", file=path, hint="build the slides again") from error
    if pixels.shape[1::-1] != size:
        raise CourseError(f"the picture is not {size[0]}x{size[1]}", file=path, hint="build the slides again")
    return codec.to_yuv(pixels)


def _code(path: Path, pictures: Iterable[tuple[av.VideoFrame, int]], sources: _Sources) -> None:
    """Code pictures, each lasting some frames: once each, or (`every`) once a frame."""
    at = 0
    with codec.VideoWriter(path, *sources.size) as writer:
        for picture, lasts in pictures:
            for k in range(lasts if sources.every else 1):
                writer.show(picture, at + k, key=sources.every and (at + k) % CFR_KEY == 0)
            at += lasts
        writer.end(at)


def _animation(slide: TimedSlide, sources: _Sources) -> Piece:
    """The sections of a clip, each held until its beat ends; a beat without a section holds the one before."""
    clip = sources.clips.scenes[slide.scene or ""]
    path = sources.folders["clips"] / clip.file
    whole = codec.read_packets(path)
    lasting: list[list[int]] = []  # [section, frames]
    for beat in slide.beats:
        if beat.section is None and lasting:
            lasting[-1][1] += beat.frames
        else:
            lasting.append([beat.section or 0, beat.frames])
    packets: list[codec.Packet] = []
    at = 0
    for section, frames in lasting or [[0, slide.frames]]:
        try:
            part = whole.cut(clip.sections[section].start, clip.sections[section].frames, frames)
        except (ValueError, IndexError) as error:
            raise CourseError(
                f"section {section} of `{slide.scene}` cannot be cut out: {error}",
                file=path,
                hint="build the animations again",
            ) from error
        packets += [p._replace(at=p.at + at) for p in part.packets]
        at += frames
    piece = Piece(path, codec.Segment(whole.header, whole.width, whole.height, tuple(packets)))
    return _coded_again(piece, sources) if sources.every else piece


def _same_settings(sources: _Sources, pieces: list[Piece]) -> list[Piece]:
    """All pieces with the decoder settings of the first slide that is a still; others are coded again."""
    stills = [p for p, slide in zip(pieces, sources.plan.slides, strict=True) if slide.scene is None]
    header = (stills or pieces)[0].pictures.header
    return [p if p.pictures.header == header else _coded_again(p, sources) for p in pieces]


def _coded_again(piece: Piece, sources: _Sources) -> Piece:
    packets = piece.pictures.packets
    key = key_of(recipe(), "again", sources.every, [(sha256(p.data), p.at, p.frames) for p in packets])

    def make(path: Path) -> None:
        with scratch("film") as folder:
            copy = folder / "copy.mp4"
            codec.write_segment(copy, piece.like, packets)
            _code(path, _decoded(copy, packets), sources)

    path = cached(sources.cache, "clip", key, ".mp4", make)
    return Piece(path, codec.read_packets(path))


def _decoded(path: Path, packets: tuple[codec.Packet, ...]) -> Iterator[tuple[av.VideoFrame, int]]:
    with av.open(str(path)) as file:
        for frame, packet in zip(file.decode(video=0), packets, strict=True):
            yield frame.reformat(format="yuv420p"), packet.frames


# ------------------------------------------------------------------ sound


def _sound(slide: TimedSlide, sources: _Sources) -> Path:
    folder = sources.folders["speech"]
    spoken = [(folder / s.wav, s.start - slide.start) for beat in slide.beats for s in beat.sentences]
    for wav, _ in spoken:
        if not wav.is_file():
            raise CourseError("this recorded sentence is missing", file=wav, hint="narrate again")
    key = key_of(recipe(), slide.frames, [(sha256(wav), at) for wav, at in spoken])

    def make(path: Path) -> None:
        track = np.zeros(slide.frames * codec.FRAME_SAMPLES, np.float32)
        for wav, at in spoken:
            samples = codec.resample(*codec.read_wav(wav))
            start = at * codec.FRAME_SAMPLES
            track[start : start + len(samples)] += samples[: len(track) - start]
        codec.write_aac(path, track)

    return cached(sources.cache, "sound", key, ".m4a", make)


# ------------------------------------------------------------------ what the file says of itself


def _tags(sources: _Sources, meta: dict[str, str]) -> dict[str, str]:
    day = f"Day {sources.deck.day}: {sources.deck.title}"
    tags = {
        "title": day,
        "description": sources.origin,
        "album": sources.deck.course,
        "artist": sources.speech.voice_line,
    }
    tags |= {k: str(v) for k, v in meta.items() if k in mux.TAGS}
    more = [f"{k}: {v}" for k, v in sorted(meta.items()) if k not in mux.TAGS]
    comment = [tags.get("comment", sources.deck.run_line), *more]
    return {k: v for k, v in {**tags, "comment": "\n".join(c for c in comment if c)}.items() if v}


def _poster(sources: _Sources, target: Path) -> None:
    """The finished title slide (or, of a lecture without one, the first slide)."""
    titles = [s.id for s in sources.deck.slides if s.kind == "title"]
    first = sources.plan.slides[0]
    drawn = [sources.frames.slides[i] for i in [*titles, first.id] if sources.frames.slides.get(i)]
    if drawn:
        shutil.copyfile(sources.folders["frames"] / drawn[0][-1].png, target)
        return
    clip = sources.clips.scenes[first.scene or ""]
    shutil.copyfile(sources.folders["clips"] / clip.posters[-1], target)
