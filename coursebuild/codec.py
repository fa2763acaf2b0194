"""H.264 and AAC, coded so that the parts of a film can be joined without coding anything again.

Every picture segment, be it of still slides or of an animation, is an MP4 file written by `VideoWriter`. All
have the same sequence and picture parameter sets (SPS/PPS: the decoder's settings), because libx264 is told
so: `stitchable`, one reference layout, no B frames (decoding order is display order, so no edit list), and a
clock of 1/FPS whatever the number of pictures a second. A picture that stays is one sample that lasts long, not
many samples: that is 8 to 50 times less work than coding every frame.

Sound is 48 kHz mono AAC. A stretch whose length is a multiple of 16 frames is exactly 25 AAC packets of 1,024
samples per 16 frames, so stretches that begin and end in silence are coded alone and put one after the other.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from coursebuild.errors import CourseError
from coursebuild.model import FPS

TICK = Fraction(1, FPS)  # seconds; the unit of every time in this module
RATE = 48_000  # samples a second
FRAME_SAMPLES = RATE // FPS  # 1,600, exactly
AAC_SAMPLES = 1024  # in a packet

# Rec. ITU-T H.264 (V14), table A-1: level, macroblocks in a picture, macroblocks a second.
_LEVELS = (("3.1", 3_600, 108_000), ("4.0", 8_192, 245_760), ("5.1", 36_864, 983_040))
_BITEXACT = {"fflags": "+bitexact"}  # no version or date of the muxer in the file
_BT709, _LIMITED = 1, 1  # Rec. ITU-T H.273, tables 2 to 4; AVCOL_RANGE_MPEG


# ------------------------------------------------------------------ pictures: coding


def level(width: int, height: int) -> str:
    """The lowest H.264 level (of those used here) that allows this size at FPS pictures a second."""
    blocks = -(-width // 16) * -(-height // 16)
    for name, most, rate in _LEVELS:
        if blocks <= most and blocks * FPS <= rate:
            return name
    raise ValueError(f"{width}x{height} is larger than H.264 level 5.1 allows")


def video_options(width: int, height: int, preset: str = "veryfast") -> dict[str, str]:
    """libx264's options. `preset` may be "veryfast" (slides) or "superfast" (animations): same SPS/PPS."""
    x264 = (
        "bframes=0:stitchable=1:keyint=infinite:scenecut=0:force-cfr=0:ref=2:rc-lookahead=0:sync-lookahead=0:"
        f"threads=1:level={level(width, height)}:"
        "colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off"
    )
    if preset == "superfast":  # whole-pixel motion: flat graphics need no other, and it is 1.16 times less work
        x264 += ":subme=0"
    return {"preset": preset, "crf": "20", "tune": "stillimage", "forced-idr": "1", "x264-params": x264}


def configure(context: av.VideoCodecContext, width: int, height: int) -> None:
    """Set what is not an option: size, format, clock and colour tags of an encoder that is not open yet."""
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    # The clock is always 1/FPS, also for animations at 15 pictures a second: x264 writes it into the SPS.
    context.time_base, context.framerate = TICK, Fraction(FPS, 1)
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    context.thread_count = 1
    context.flags |= Flags.global_header


def to_yuv(rgb: NDArray[np.uint8]) -> av.VideoFrame:
    """An image (height, width, 3 or 4; sRGB, 0..255) as yuv420p in limited range BT.709; alpha is ignored."""
    layout = {3: "rgb24", 4: "rgba"}[rgb.shape[2]]
    packed = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format=layout)
    return packed.reformat(
        format="yuv420p",
        dst_colorspace="ITU709",
        src_color_range="JPEG",
        dst_color_range="MPEG",
        interpolation="AREA",  # for the colour planes of half size; 0.4 dB better on slides than the default
    )


class VideoWriter:
    """Writes pictures, each of which lasts until the next one, to a silent MP4 file.

    >>> with VideoWriter(path, 960, 540) as film:
    ...     film.show(to_yuv(first), at=0, key=True)
    ...     film.show(to_yuv(second), at=45)
    ...     film.end(at=90)

    Times are ticks of 1/FPS s from the start of the file and must grow. Leaving the block without `end`
    (by an error) removes the file.
    """

    def __init__(self, path: Path, width: int, height: int, preset: str = "veryfast") -> None:
        if width % 2 or height % 2:
            raise ValueError(f"{width}x{height}: 4:2:0 needs even sizes")
        self.path, self.coded = path, 0
        self._file = av.open(str(path), "w", format="mp4", container_options=_BITEXACT)
        options = video_options(width, height, preset)
        self._stream = self._file.add_stream("libx264", rate=FPS, options=options)
        configure(self._stream.codec_context, width, height)
        self._waiting: av.Packet | None = None  # its duration is known when the next picture comes
        self._last: tuple[av.VideoFrame, int, bool] | None = None
        self._open = True

    def show(self, picture: av.VideoFrame, at: int, key: bool = False) -> None:
        """Show `picture` (yuv420p) from `at` on; `key` makes it a point to seek to and to cut at."""
        if self._last is not None and at <= self._last[1]:
            raise ValueError(f"the picture at {at} does not come after the one at {self._last[1]}")
        picture.pts, picture.time_base = at, TICK
        picture.pict_type = 1 if key or self._last is None else 0  # 1: I, and forced-idr makes it IDR
        self._last = (picture, at, key or self._last is None)
        self.coded += 1
        self._take(self._stream.encode(picture))

    def end(self, at: int) -> None:
        """Finish the file: the last picture lasts until `at`."""
        if self._last is None:
            raise ValueError(f"{self.path.name}: no picture was shown")
        picture, last, key = self._last
        if at <= last:
            raise ValueError(f"the end {at} is not after the last picture, {last}")
        if key and at > last + 1:
            # Two IDR pictures in a row must differ in idr_pic_id (H.264, 7.4.3), but every encoder starts at
            # 0: a segment that ends with a key picture gets an empty one after it, so that another may follow.
            self.show(picture, last + 1)
        self._take(self._stream.encode(None))
        if self._waiting is not None:
            self._mux(self._waiting, at)
        self._open = False
        self._file.close()

    def _take(self, packets: Iterable[av.Packet]) -> None:
        for packet in packets:
            if self._waiting is not None:
                self._mux(self._waiting, int(packet.pts * packet.time_base / TICK))
            self._waiting = packet

    def _mux(self, packet: av.Packet, until: int) -> None:
        packet.duration = int(until * TICK / packet.time_base) - packet.pts
        self._file.mux(packet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._open = False
            self._file.close()
            self.path.unlink(missing_ok=True)


# ------------------------------------------------------------------ pictures: reading back, cutting, joining


class Packet(NamedTuple):
    """A coded picture as it stands in an MP4 file. Times are ticks of 1/FPS s."""

    data: bytes
    at: int
    frames: int
    key: bool


@dataclass(frozen=True)
class Segment:
    """A run of coded pictures, with the decoder settings (avcC: SPS and PPS) that they need."""

    header: bytes
    width: int
    height: int
    packets: tuple[Packet, ...]

    @property
    def frames(self) -> int:
        return self.packets[-1].at + self.packets[-1].frames - self.packets[0].at

    def cut(self, start: int, frames: int, lasting: int) -> Segment:
        """The pictures from `start` on for `frames` ticks, at 0; the last is held until `lasting` ticks."""
        inside = [p for p in self.packets if start <= p.at < start + frames]
        if not inside or inside[0].at != start or not inside[0].key:
            raise ValueError(f"no key picture at frame {start}")
        if lasting < frames:
            raise ValueError(f"it lasts {frames} frames, but its beat only {lasting}")
        moved = [p._replace(at=p.at - start) for p in inside]
        moved[-1] = moved[-1]._replace(frames=lasting - moved[-1].at)
        return replace(self, packets=tuple(moved))

    def retimed(self, starts: list[int], end: int) -> Segment:
        """The same pictures at other moments: each from its start until the next one's, the last until `end`."""
        times = zip(self.packets, starts, [*starts[1:], end], strict=True)
        return replace(self, packets=tuple(p._replace(at=a, frames=b - a) for p, a, b in times))


def read_packets(path: Path) -> Segment:
    """The coded pictures of an MP4 file, in order; a picture between two ticks is a CourseError."""
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            ticks = float(stream.time_base / TICK)  # in a unit of the file
            packets = [_packet(p, ticks, path) for p in file.demux(stream) if p.size]
            context = stream.codec_context
            return Segment(bytes(context.extradata or b""), context.width, context.height, tuple(packets))
    except (av.FFmpegError, IndexError) as error:
        raise CourseError(f"not a readable video: {error}", file=path, hint="build it again") from error


def _packet(packet: av.Packet, ticks: float, path: Path) -> Packet:
    at, lasts = packet.pts * ticks, packet.duration * ticks
    if packet.dts != packet.pts or abs(at - round(at)) > 0.01 or abs(lasts - round(lasts)) > 0.01:
        raise CourseError(
            f"the picture at {at / FPS:.3f} s is out of order or not on the film's grid of 1/{FPS} s",
            file=path,
            hint="write clips with coursebuild.codec.VideoWriter",
        )
    return Packet(bytes(packet), round(at), round(lasts), packet.is_keyframe)


def write_segment(path: Path, like: Path, packets: Iterable[Packet]) -> None:
    """Join coded pictures to a silent MP4 file; `like` is a file with their SPS and PPS."""
    with (
        av.open(str(like)) as source,
        av.open(str(path), "w", format="mp4", container_options=_BITEXACT) as file,
    ):
        stream = file.add_stream_from_template(source.streams.video[0])
        for packet in packets:
            file.mux(for_stream(stream, packet.data, packet.at, packet.frames, TICK, packet.key))


def for_stream(
    stream: av.stream.Stream, data: bytes, at: int, lasts: int, unit: Fraction, key: bool = True
) -> av.Packet:
    """A packet for a muxer; `at` and `lasts` are in `unit` seconds."""
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, unit, key
    packet.pts = packet.dts = at
    packet.duration = lasts
    return packet


# ------------------------------------------------------------------ sound


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples in -1..1 and their rate, of a mono 16 bit WAV file."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise wave.Error(f"{file.getnchannels()} channels of {8 * file.getsampwidth()} bit")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return samples.astype(np.float32) / 32768, file.getframerate()
    except (wave.Error, EOFError, OSError) as error:
        raise CourseError(f"not a mono 16 bit WAV: {error}", file=path, hint="narrate again") from error


def resample(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Mono samples at `rate`, at RATE; nothing is shifted in time."""
    if rate == RATE or not len(samples):
        return samples
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    frame = _audio_frame(samples, 0, rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def write_aac(path: Path, samples: NDArray[np.float32]) -> None:
    """Code samples at RATE, a whole number of AAC packets, to an M4A file (96 kbit/s)."""
    if not len(samples) or len(samples) % AAC_SAMPLES:
        raise ValueError(f"{len(samples)} samples are not a whole number of AAC packets")
    with av.open(str(path), "w", format="mp4", container_options=_BITEXACT) as file:
        # The "fast" coder: half the work of the default, and a higher SNR on speech.
        stream = file.add_stream("aac", rate=RATE, layout="mono", options={"aac_coder": "fast"})
        stream.codec_context.bit_rate = 96_000
        for start in range(0, len(samples), AAC_SAMPLES):
            file.mux(stream.encode(_audio_frame(samples[start : start + AAC_SAMPLES], start, RATE)))
        file.mux(stream.encode(None))


def read_aac(path: Path) -> list[bytes]:
    """The packets of an M4A file; the first (priming) carries no sound of its own."""
    with av.open(str(path), options={"ignore_editlist": "1"}) as file:
        return [bytes(p) for p in file.demux(file.streams.audio[0]) if p.size]


def _audio_frame(samples: NDArray[np.float32], at: int, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None, :].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame
