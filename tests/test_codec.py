"""The codec module against ffmpeg and ffprobe: one set of decoder settings, exact times, true colours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from coursebuild import codec
from coursebuild.errors import CourseError
from coursebuild.model import FPS, QUALITY

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
W, H = 320, 180


def plain(value: int, width: int = W, height: int = H) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def write(path: Path, at: list[int], end: int, *, size: tuple[int, int] = (W, H), preset: str = "veryfast") -> Path:
    with codec.VideoWriter(path, *size, preset) as writer:
        for i, tick in enumerate(at):
            writer.show(codec.to_yuv(plain(40 + 20 * i, *size)), tick)
        writer.end(end)
    return path


def packets(path: Path) -> list[dict[str, str]]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_packets", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packets"]


@pytest.mark.parametrize("size", [(W, H), *(q[:2] for q in QUALITY.values())])
def test_settings_are_the_same_for_stills_and_animations(tmp_path: Path, size: tuple[int, int]) -> None:
    """Also for an animation at 15 pictures a second, and for a segment that is one picture."""
    made = [
        write(tmp_path / "still.mp4", [0], 90, size=size),
        write(tmp_path / "states.mp4", [0, 31, 77], 96, size=size),
        write(tmp_path / "15.mp4", list(range(0, 20, 2)), 20, size=size, preset="superfast"),
        write(tmp_path / "30.mp4", list(range(10)), 10, size=size, preset="superfast"),
    ]
    assert len({codec.read_packets(path).header for path in made}) == 1


@pytest.mark.parametrize(("size", "level"), [((320, 180), "3.1"), ((1280, 720), "3.1"), ((1920, 1080), "4.0")])
def test_level(size: tuple[int, int], level: str) -> None:
    assert codec.level(*size) == level


def test_too_large_or_odd() -> None:
    with pytest.raises(ValueError, match="is larger than"):
        codec.level(9000, 9000)
    with pytest.raises(ValueError, match="even sizes"):
        codec.VideoWriter(Path("never.mp4"), 321, 180)


@needs_ffmpeg
def test_times_are_exact(tmp_path: Path) -> None:
    found = packets(write(tmp_path / "a.mp4", [0, 31, 77], 96))
    assert [round(float(p["pts_time"]) * FPS, 3) for p in found] == [0, 31, 77]
    assert [round(float(p["duration_time"]) * FPS, 3) for p in found] == [31, 46, 19]
    assert [p["pts"] for p in found] == [p["dts"] for p in found]
    assert [p["flags"][0] for p in found] == ["K", "_", "_"]


@needs_ffmpeg
def test_no_segment_ends_with_a_key_picture(tmp_path: Path) -> None:
    """Two key pictures in a row from two encoders would share an idr_pic_id, which the standard forbids."""
    assert [p["flags"][0] for p in packets(write(tmp_path / "a.mp4", [0], 90))] == ["K", "_"]


@needs_ffmpeg
def test_colours_are_limited_bt709(tmp_path: Path) -> None:
    """Fifteen colours in patches, decoded to Y'CbCr by ffmpeg, then to R'G'B' by the formulas of BT.709, item 3."""
    colours = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    path = tmp_path / "a.mp4"
    with codec.VideoWriter(path, W, H) as writer:
        writer.show(codec.to_yuv(colours.repeat(60, 0).repeat(64, 1)), 0)
        writer.end(30)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-"]
    raw = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8).astype(float)
    planes = raw[: W * H].reshape(3, 60, 5, 64), *raw[W * H :].reshape(2, 3, 30, 5, 32)
    luma, blue, red = (
        p[:, p.shape[1] // 4 : p.shape[1] * 3 // 4, :, p.shape[3] // 4 : p.shape[3] * 3 // 4].mean((1, 3))
        for p in planes
    )
    y, pb, pr = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    r, b = y + 1.5748 * pr, y + 1.8556 * pb
    g = (y - 0.2126 * r - 0.0722 * b) / 0.7152
    assert np.abs(np.stack([r, g, b], -1) * 255 - colours).max() <= 2.5  # 8 bit rounding of three components


def test_alpha_is_ignored() -> None:
    opaque = codec.to_yuv(plain(90)).to_ndarray()
    assert (codec.to_yuv(np.dstack([plain(90), np.full((H, W), 7, np.uint8)])).to_ndarray() == opaque).all()


def test_writer_refuses_what_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="does not come after"), codec.VideoWriter(path, W, H) as writer:
        writer.show(codec.to_yuv(plain(1)), 5)
        writer.show(codec.to_yuv(plain(2)), 5)
    assert not path.exists()
    with pytest.raises(ValueError, match="no picture"), codec.VideoWriter(path, W, H) as writer:
        writer.end(5)
    with pytest.raises(ValueError, match="is not after"), codec.VideoWriter(path, W, H) as writer:
        writer.show(codec.to_yuv(plain(1)), 5)
        writer.end(5)
    assert not path.exists()


def test_cut_and_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with codec.VideoWriter(path, W, H) as writer:
        for at in range(0, 60, 2):
            writer.show(codec.to_yuv(plain(at)), at, key=at in (0, 40))
        writer.end(60)
    whole = codec.read_packets(path)
    part = whole.cut(40, 20, 50)
    assert (part.frames, part.packets[0].at, part.packets[0].key) == (50, 0, True)
    assert [p.at for p in part.packets] == list(range(0, 20, 2))
    assert part.packets[-1].frames == 32
    with pytest.raises(ValueError, match="no key picture at frame 38"):
        whole.cut(38, 20, 50)
    with pytest.raises(ValueError, match="but its beat only 19"):
        whole.cut(40, 20, 19)
    codec.write_segment(tmp_path / "b.mp4", path, part.packets)
    assert codec.read_packets(tmp_path / "b.mp4") == part


def test_pictures_are_moved_in_time(tmp_path: Path) -> None:
    segment = codec.read_packets(write(tmp_path / "a.mp4", [0, 30, 60], 90))
    moved = segment.retimed([0, 7, 200], 208)
    assert [(p.at, p.frames) for p in moved.packets] == [(0, 7), (7, 193), (200, 8)]
    assert [p.data for p in moved.packets] == [p.data for p in segment.packets]
    assert moved.frames == 208
    with pytest.raises(ValueError, match=r"longer|shorter"):
        segment.retimed([0, 7], 208)


def test_how_long_a_picture_stays_beyond_a_second_does_not_change_its_code(tmp_path: Path) -> None:
    """Stills are coded as if each stayed for a second (steps/film.py): nothing is lost by that."""
    rng = np.random.default_rng(3)
    pictures = [codec.to_yuv(rng.integers(0, 256, (9, 16, 3), np.uint8).repeat(20, 0).repeat(20, 1)) for _ in range(3)]

    def coded(lasts: int) -> list[bytes]:
        with codec.VideoWriter(tmp_path / f"{lasts}.mp4", W, H) as writer:
            for i, picture in enumerate(pictures):
                writer.show(picture, i * lasts)
            writer.end(3 * lasts)
        return [p.data for p in codec.read_packets(tmp_path / f"{lasts}.mp4").packets]

    assert coded(30) == coded(300)
    assert sum(map(len, coded(1))) < sum(map(len, coded(30)))


@needs_ffmpeg
def test_a_video_off_the_grid_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "24.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=24:duration=1"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-bf", "0", str(path)], check=True)
    with pytest.raises(CourseError, match="not on the film's grid"):
        codec.read_packets(path)


def test_resampling_keeps_time_and_length() -> None:
    rate, seconds = 22050, 1.5
    click = np.zeros(int(rate * seconds), np.float32)
    click[rate // 2] = 1.0
    out = codec.resample(click, rate)
    assert len(out) == pytest.approx(codec.RATE * seconds, abs=2)
    assert np.argmax(np.abs(out)) == pytest.approx(codec.RATE / 2, abs=1)


@needs_ffmpeg
def test_sound_is_whole_packets(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    frames = 48
    tone = 0.3 * np.sin(np.arange(frames * codec.FRAME_SAMPLES) * 2 * np.pi * 440 / codec.RATE)
    codec.write_aac(path, tone.astype(np.float32))
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    decoded = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    assert len(decoded) >= len(tone)
    middle = slice(4096, len(tone) - 4096)
    noise = decoded[: len(tone)][middle] - tone[middle]
    assert 10 * np.log10((tone[middle] ** 2).mean() / (noise**2).mean()) > 25
    with pytest.raises(ValueError, match="whole number of AAC packets"):
        codec.write_aac(path, tone[:-1].astype(np.float32))
