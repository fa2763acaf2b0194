"""What came out: sync of sound and picture, quality of the settled slides, size, and what a seek must decode.

Nothing of the builder is used here: files are decoded and compared with the pictures, sounds and times that went in.
"""

from __future__ import annotations

import math
import wave
from bisect import bisect_right
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.bench.content import Content, Shown

LISTEN = 8_000  # samples a second at which sentences are looked for: 0.125 ms
AROUND = 2.0  # seconds around its planned time in which a sentence is looked for
SAMPLE = 3.0  # seconds of a sentence that are looked for
NEAR = 5.0  # seconds around its planned time in which a picture is looked for: it may come back later in the film
ALIKE = 3.5  # grey levels: stills of a lecture are within 2.5 of their PNG, pictures of its animations 4.3 away
SMALL = (160, 90)  # pixels of the pictures that are compared
MATRICES = ("ITU601", "ITU709")  # not every writer says which one it used


@dataclass(frozen=True)
class Sync:
    """Deviations in milliseconds; of `sound` against `picture`, and of both against the plan."""

    states: int
    sentences: int
    missed: int  # states whose picture never came
    between: float  # largest |sound - picture| against the plan
    picture: float  # largest |picture - plan|
    sound: float


def decoded_sound(path: Path) -> tuple[NDArray[np.float32], float]:
    """Mono samples at LISTEN and the presentation time of the first, in seconds."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=LISTEN)
    parts: list[NDArray[np.float32]] = []
    first: float | None = None
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            if first is None:
                first = float(frame.pts * frame.time_base)
            parts += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
    parts += [part.to_ndarray().ravel() for part in resampler.resample(None)]
    return np.concatenate(parts), first or 0.0


def read_sound(path: str) -> NDArray[np.float32]:
    """The first SAMPLE seconds of a WAV at LISTEN."""
    with wave.open(path) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    times = np.arange(0, len(samples) / rate, 1 / LISTEN)[: round(SAMPLE * LISTEN)]
    return np.interp(times, np.arange(len(samples)) / rate, samples).astype(np.float32)


def heard_at(track: NDArray[np.float32], first: float, sound: NDArray[np.float32], expected: float) -> float:
    """When `sound` is heard in `track` (seconds): the maximum of the cross-correlation around `expected`."""
    low = max(0, round((expected - first - AROUND) * LISTEN))
    part = track[low : low + len(sound) + round(2 * AROUND * LISTEN)]
    size = 1 << (len(part) + len(sound)).bit_length()
    product = np.fft.rfft(part, size) * np.conj(np.fft.rfft(sound, size))
    best = int(np.argmax(np.fft.irfft(product, size)[: max(1, len(part))]))
    return first + (low + best) / LISTEN


def small(path: str) -> NDArray[np.float32]:
    """A picture in grey, small, as `seen_at` compares it."""
    with Image.open(path) as image:
        frame = av.VideoFrame.from_image(image.convert("RGB"))
    return frame.reformat(*SMALL, format="gray", interpolation="AREA").to_ndarray().astype(np.float32)


def seen_at(path: Path, stills: list[Shown], fps: int) -> dict[int, float]:
    """When each still (by its index) is seen first: the first picture that is nearer to it than to any other."""
    names = list(dict.fromkeys(s.png for s in stills))
    known = np.stack([small(name) for name in names])
    found: dict[int, float] = {}
    with av.open(str(path)) as file:
        file.streams.video[0].thread_type = "AUTO"
        for frame in file.decode(video=0):
            picture = frame.reformat(*SMALL, format="gray", interpolation="AREA").to_ndarray().astype(np.float32)
            distance = np.abs(known - picture).mean(axis=(1, 2))
            nearest = int(distance.argmin())
            if distance[nearest] < ALIKE:
                at = float(frame.pts * frame.time_base)
                for i, still in enumerate(stills):
                    near = abs(at - still.start / fps) < NEAR
                    if still.png == names[nearest] and i not in found and near:
                        found[i] = at
    return found


def sync(path: Path, content: Content) -> Sync:
    """Sound and picture of a film against the plan."""
    track, first = decoded_sound(path)
    stills = content.stills
    seen = seen_at(path, stills, content.fps)
    pictures = {i: at - stills[i].start / content.fps for i, at in seen.items()}
    between, sounds = [], []
    for shown in content.shown:
        for sentence in shown.sentences:
            plan = sentence.start / content.fps
            late = heard_at(track, first, read_sound(sentence.wav), plan) - plan
            sounds.append(late)
            at = pictures.get(stills.index(shown)) if not shown.clip else None
            between += [late - at] if at is not None else []
    worst = [1000 * max((abs(v) for v in values), default=0.0) for values in (between, pictures.values(), sounds)]
    return Sync(len(stills), len(sounds), len(stills) - len(pictures), *[round(v, 1) for v in worst])


def settled(path: Path, content: Content) -> list[float]:
    """PSNR (dB, RGB) of each still at 80% of its time against its PNG, with the matrix that suits the file better."""
    found: dict[str, list[float]] = {matrix: [] for matrix in MATRICES}
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        for still in content.stills:
            at = (still.start + 0.8 * still.frames) / content.fps
            with Image.open(still.png) as image:
                wanted = np.asarray(image.convert("RGB"), np.float32)
            file.seek(int(at / stream.time_base), stream=stream, backward=True)
            shown = None
            for frame in file.decode(stream):
                if frame.pts * frame.time_base > at and shown is not None:
                    break
                shown = frame
            for matrix in MATRICES:
                rgb = shown.reformat(format="rgb24", src_colorspace=matrix, dst_color_range="JPEG").to_ndarray()
                error = float(((rgb.astype(np.float32) - wanted) ** 2).mean())
                found[matrix].append(10 * math.log10(255**2 / max(error, 1e-9)))
    return max(found.values(), key=mean)


def seek_work(path: Path, moments: list[float]) -> list[int]:
    """How many coded pictures a decoder must go through to show each moment (seconds): from the key picture on."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        packets = [
            (float(p.pts * p.time_base), p.is_keyframe) for p in file.demux(stream) if p.size and p.pts is not None
        ]
    packets.sort()
    times = [at for at, _ in packets]
    keys = [i for i, (_, key) in enumerate(packets) if key]
    work = []
    for moment in moments:
        i = max(0, bisect_right(times, moment + 1e-6) - 1)
        work.append(i - keys[max(0, bisect_right(keys, i) - 1)] + 1)
    return work


def moments_of(content: Content) -> list[float]:
    """Where to seek to: begin, middle and end of every still, in seconds."""
    fps = content.fps
    return [
        at
        for s in content.stills
        for at in (s.start / fps + 0.02, (s.start + s.frames / 2) / fps, (s.start + s.frames) / fps - 0.05)
    ]


def judged(path: Path, content: Content) -> dict[str, Any]:
    """All of it, as numbers for the report."""
    quality, work = settled(path, content), seek_work(path, moments_of(content))
    head = path.read_bytes()
    with av.open(str(path)) as file:
        coded = sum(1 for p in file.demux(file.streams.video[0]) if p.size)
    return {
        "sync": asdict(sync(path, content)),
        "psnr_mean": round(mean(quality), 2),
        "psnr_min": round(min(quality), 2),
        "bytes": len(head),
        "coded_pictures": coded,
        "seek_pictures_median": median(work),
        "seek_pictures_max": max(work),
        "starts_at_once": 0 <= head.find(b"moov") < head.find(b"mdat"),
    }
