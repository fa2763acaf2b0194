"""One MP4 file from coded pictures, coded sound, captions and chapters; and the check of what came out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import av

from coursebuild import codec
from coursebuild.captions import Cue
from coursebuild.errors import CourseError
from coursebuild.model import FPS, Timeline

Timed = tuple[int, av.Packet]  # with the time in samples at codec.RATE, by which packets are put in order
PACKETS_PER_FRAME = Fraction(codec.FRAME_SAMPLES, codec.AAC_SAMPLES)  # 25/16
TAGS = ("title", "artist", "album", "comment", "copyright", "date", "description", "genre")  # that MP4 keeps
_MILLI = Fraction(1, 1000)


@dataclass(frozen=True)
class Piece:
    """The pictures of one slide, and a file with the decoder settings that they need."""

    like: Path
    pictures: codec.Segment


def write(
    path: Path,
    plan: Timeline,
    pieces: list[Piece],
    sounds: list[Path],
    cues: list[Cue],
    *,
    tags: dict[str, str],
    language: str,
) -> None:
    """Join a piece and a sound file (M4A) per slide, with captions and a chapter per slide.

    `tags`: values for TAGS; `language`: ISO 639-2, of sound and captions.
    """
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", container_options=options) as file:
        file.metadata.update(tags)
        with av.open(str(pieces[0].like)) as like:
            video = file.add_stream_from_template(like.streams.video[0])
        with av.open(str(sounds[0])) as like:
            audio = file.add_stream_from_template(like.streams.audio[0])
        audio.metadata["language"] = language
        packets = [*_video_packets(video, plan, pieces), *_audio_packets(audio, plan, sounds)]
        if cues:
            text = file.add_stream("mov_text")
            text.codec_context.subtitle_header = _TEXT_STYLE
            text.metadata["language"] = language
            packets += _text_packets(text, cues)
        file.set_chapters(_chapters(plan))
        packets.sort(key=itemgetter(0))  # stable: video before audio before text
        file.mux(packet for _, packet in packets)


def _chapters(plan: Timeline) -> list[dict[str, Any]]:
    def ms(frames: int) -> int:
        return round(frames * 1000 / FPS)

    return [
        {
            "id": i,
            "start": ms(slide.start),
            "end": ms(slide.start + slide.frames),
            "time_base": _MILLI,
            "metadata": {"title": " ".join(slide.title.split())},
        }
        for i, slide in enumerate(plan.slides)
    ]


def _video_packets(stream: av.stream.Stream, plan: Timeline, pieces: list[Piece]) -> Iterator[Timed]:
    for slide, piece in zip(plan.slides, pieces, strict=True):
        for p in piece.pictures.packets:
            at = slide.start + p.at
            yield at * codec.FRAME_SAMPLES, codec.for_stream(stream, p.data, at, p.frames, codec.TICK, p.key)


def _audio_packets(stream: av.stream.Stream, plan: Timeline, sounds: list[Path]) -> Iterator[Timed]:
    """Of every slide the packets that hold its sound; the priming packet only once, before time 0."""
    at, unit = -codec.AAC_SAMPLES, Fraction(1, codec.RATE)
    for slide, path in zip(plan.slides, sounds, strict=True):
        last = int(slide.frames * PACKETS_PER_FRAME) + 1
        for data in codec.read_aac(path)[0 if at < 0 else 1 : last]:
            yield at, codec.for_stream(stream, data, at, codec.AAC_SAMPLES, unit)
            at += codec.AAC_SAMPLES


def _text_packets(stream: av.stream.Stream, cues: list[Cue]) -> Iterator[Timed]:
    """3GPP timed text (TS 26.245): a length of two bytes, then UTF-8. No markup, so nothing to escape."""
    for cue in cues:
        text = cue.text.encode()
        data = len(text).to_bytes(2, "big") + text
        packet = codec.for_stream(stream, data, cue.start, cue.end - cue.start, _MILLI)
        yield cue.start * codec.RATE // 1000, packet


# The encoder makes the track's style record from this: white text at the bottom.
_TEXT_STYLE = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, \
MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def verify(path: Path, plan: Timeline, cues: int) -> None:
    """Open a finished film and compare it with the timeline; a difference is a CourseError."""
    with av.open(str(path)) as file:
        found = [s.type for s in file.streams]
        chapters = [round(c["start"] * c["time_base"] * FPS) for c in file.chapters()]
        wanted = ["video", "audio", *(["subtitle"] if cues else [])]
        problems = [] if [t for t in found if t != "data"] == wanted else [f"its streams are {found}"]
        packets: dict[str, list[av.Packet]] = {}
        for packet in file.demux():
            if packet.size and packet.pts is not None:
                packets.setdefault(packet.stream.type, []).append(packet)
    video, audio = packets.get("video", []), packets.get("audio", [])
    if chapters != [s.start for s in plan.slides]:
        problems.append(f"its chapters start at frames {chapters}")
    for name, stream in (("video", video), ("audio", audio)):
        if any(a.pts + a.duration != b.pts for a, b in pairwise(stream)):
            problems.append(f"its {name} has gaps or goes back")
        end = (stream[-1].pts + stream[-1].duration) * stream[-1].time_base if stream else 0
        if end != Fraction(plan.frames, FPS):
            problems.append(f"its {name} ends at {float(end):.3f} s, the timeline at {plan.frames / FPS:.3f} s")
    keys = {round(p.pts * p.time_base * FPS) for p in video if p.is_keyframe}
    problems += [f"slide {s.id} does not start with a key picture" for s in plan.slides if s.start not in keys]
    if sum(p.size > 2 for p in packets.get("subtitle", [])) != cues:
        problems.append("captions are missing")
    if problems:
        raise CourseError(
            f"the film is not what the timeline says: {'; '.join(problems)}",
            file=path,
            hint="this is a defect of the builder: please report it with the timeline",
        )
