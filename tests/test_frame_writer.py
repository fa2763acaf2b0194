"""The frame writer against manim's own: the same pictures at the same times. Oracles: manim's frames and its mp4."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

manim = pytest.importorskip("manim")

from coursebuild import codec  # noqa: E402
from coursebuild.frame_writer import Canvas, ClipRenderer  # noqa: E402

WIDTH, HEIGHT, RATE = 320, 180, 15
SETTINGS = {
    "pixel_width": WIDTH,
    "pixel_height": HEIGHT,
    "frame_rate": RATE,
    "verbosity": "ERROR",
    "progress_bar": "none",
    "disable_caching": True,
}


def frames(k: int, more: float = -0.01) -> float:
    """Seconds of k frames, and a little less or more, because manim counts in floating point."""
    return (k + more) / RATE


class Sample(manim.Scene):
    """Motion, a fade, a rest, and a section that is one picture."""

    def construct(self) -> None:
        square, dot = manim.Square(2, fill_opacity=1, color=manim.BLUE), manim.Dot(color=manim.YELLOW)
        self.next_section("move")
        self.play(manim.FadeIn(square), run_time=frames(6))
        self.play(square.animate.shift(manim.RIGHT * 2).rotate(0.7), run_time=frames(8))
        self.wait(frames(10, 0.01))
        self.next_section("still")
        self.wait(frames(5, 0.01))
        self.next_section("dot")
        self.play(manim.Create(dot.shift(manim.LEFT * 3)), run_time=frames(6))


class Watched(ClipRenderer):
    """Keeps a copy of every frame that was drawn."""

    def add_frame(self, frame: np.ndarray, num_frames: int = 1) -> None:
        self.drawn = [*getattr(self, "drawn", []), *[frame[:, :, :3].copy()] * num_frames]
        super().add_frame(frame, num_frames)


def decoded(path: Path, ticks_per_second: int, matrix: str) -> list[np.ndarray]:
    """The picture that a player shows at every tick."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        shown: list[np.ndarray] = []
        for frame in file.decode(stream):
            start = round(float(frame.pts * stream.time_base) * ticks_per_second)
            shown += [shown[-1]] * (start - len(shown)) if shown else []
            shown.append(frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray())
        length = round(float(stream.duration * stream.time_base) * ticks_per_second)
        return shown + [shown[-1]] * (length - len(shown))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b.astype(float)) ** 2), 1e-9))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watched]:
    folder = tmp_path_factory.mktemp("ours")
    with manim.tempconfig({**SETTINGS, "media_dir": str(folder / "manim")}):
        renderer = Watched(folder / "Sample.mp4")
        Sample(renderer=renderer).render()
    return folder / "Sample.mp4", renderer


def test_every_frame_is_the_one_that_manim_drew(ours: tuple[Path, Watched]) -> None:
    path, renderer = ours
    shown = decoded(path, RATE, "ITU709")
    assert len(shown) == len(renderer.drawn) == 6 + 8 + 10 + 5 + 6
    assert min(psnr(a, b) for a, b in zip(shown, renderer.drawn, strict=True)) > 40


def test_the_pictures_match_those_of_manims_own_writer(ours: tuple[Path, Watched], tmp_path: Path) -> None:
    with manim.tempconfig({**SETTINGS, "media_dir": str(tmp_path)}):
        scene = Sample()
        scene.render()
        reference = decoded(Path(scene.renderer.file_writer.movie_file_path), RATE, "ITU601")
    shown = decoded(ours[0], RATE, "ITU709")
    assert len(shown) == len(reference)
    assert min(psnr(a, b) for a, b in zip(shown, reference, strict=True)) > 40


def test_sections_begin_with_key_pictures_and_rests_cost_nothing(ours: tuple[Path, Watched]) -> None:
    path, renderer = ours
    writer = renderer.file_writer
    ticks = 30 // RATE
    assert [(c.name, c.start) for c in writer.cuts] == [("move", 0), ("still", 24 * ticks), ("dot", 29 * ticks)]
    segment = codec.read_packets(path)
    assert [p.at for p in segment.packets if p.key] == [0, 24 * ticks, 29 * ticks]
    assert segment.frames == 35 * ticks
    still = [p for p in segment.packets if 24 * ticks <= p.at < 29 * ticks]
    assert [p.key for p in still] == [True, False]  # so that another section may follow (see codec)
    assert len([p for p in segment.packets if p.at < 24 * ticks]) <= 15  # 14 that move, 1 at rest
    assert [p.name for p in writer.posters] == ["Sample_1.png", "Sample_2.png", "Sample_3.png"]


def test_a_section_can_be_cut_out_and_has_the_header_of_the_slides(ours: tuple[Path, Watched], tmp_path: Path) -> None:
    segment = codec.read_packets(ours[0])
    still = tmp_path / "still.mp4"
    with codec.VideoWriter(still, WIDTH, HEIGHT) as film:
        film.show(codec.to_yuv(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), at=0, key=True)
        film.end(at=30)
    assert codec.read_packets(still).header == segment.header
    part = segment.cut(58, 12, 40)
    codec.write_segment(tmp_path / "part.mp4", still, part.packets)
    assert psnr(decoded(tmp_path / "part.mp4", 30, "ITU709")[-1], ours[1].drawn[-1]) > 40


def test_converting_a_band_is_converting_the_whole() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    canvas = Canvas(pixels)
    assert not canvas.take(pixels.copy())
    for top, bottom in ((0, 1), (33, 34), (50, 91), (HEIGHT - 1, HEIGHT), (0, HEIGHT)):
        pixels[top:bottom, 40:200, :3] = rng.integers(0, 255, (bottom - top, 160, 3))
        assert canvas.take(pixels)
        whole = codec.to_yuv(pixels)
        for band, plane in zip(canvas.picture.planes, whole.planes, strict=True):
            ours, theirs = (np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[:, : p.width] for p in (band, plane))
            assert np.array_equal(ours, theirs)


def test_an_odd_rate_is_refused(tmp_path: Path) -> None:
    with manim.tempconfig({**SETTINGS, "frame_rate": 24}), pytest.raises(ValueError, match="24"):
        Sample(renderer=ClipRenderer(tmp_path / "x.mp4"))
