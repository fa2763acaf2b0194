"""The frame writer against manim's own: the same pixels at the same times. Oracles: manim's frames and its mp4."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

manim = pytest.importorskip("manim")

from manim.renderer.cairo_renderer import CairoRenderer  # noqa: E402
from manim.scene.scene_file_writer import SceneFileWriter  # noqa: E402

from coursebuild import codec, frame_writer, sections  # noqa: E402
from coursebuild.frame_writer import ClipRenderer, ClipWriter, Shop  # noqa: E402
from coursebuild.inks import Outline, ink_of  # noqa: E402
from coursebuild.painter import Painter, Stage  # noqa: E402
from coursebuild.sections import Canvas, Section  # noqa: E402

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

    colour = manim.YELLOW

    def construct(self) -> None:
        square, dot = manim.Square(2, fill_opacity=1, color=manim.BLUE), manim.Dot(color=self.colour)
        self.next_section("move")
        self.play(manim.FadeIn(square), run_time=frames(6))
        self.play(square.animate.shift(manim.RIGHT * 2).rotate(0.7), run_time=frames(8))
        self.wait(frames(10, 0.01))
        self.next_section("still")
        self.wait(frames(5, 0.01))
        self.next_section("dot")
        self.play(manim.Create(dot.shift(manim.LEFT * 3)), run_time=frames(6))


class Kept(SceneFileWriter):
    """Keeps the frames of manim's own renderer instead of writing them."""

    frames: list[np.ndarray]

    def begin_animation(self, *_: Any, **__: Any) -> None:
        self.frames = getattr(self, "frames", [])

    def end_animation(self, *_: Any, **__: Any) -> None: ...

    def write_frame(self, frame: np.ndarray, *, repeat: int = 1) -> None:
        self.frames += [frame.copy()] * repeat

    def finish(self) -> None: ...


class WholeWaits(CairoRenderer):
    """Manim's renderer; only a wait is not truncated but rounded to whole frames."""

    def freeze_current_frame(self, duration: float) -> None:
        self.add_frame(self.get_frame(), num_frames=round(duration * self.camera.frame_rate))


def frames_of_manim(scene: type[manim.Scene], folder: Path, **more: Any) -> list[np.ndarray]:
    """What manim's camera paints, RGBA."""
    with manim.tempconfig({**SETTINGS, "media_dir": str(folder / "manim"), **more}):
        drawn = scene(renderer=WholeWaits(file_writer_class=Kept))
        drawn.render()
        return drawn.renderer.file_writer.frames


def draw(scene: type[manim.Scene], folder: Path, *, threads: int = 1, cache: Path | None = None, **more: Any) -> Any:
    """Draw a scene to folder/<scene>.mp4 as the builder does; its file writer."""
    folder.mkdir(parents=True, exist_ok=True)
    with manim.tempconfig({**SETTINGS, "media_dir": str(folder / "manim"), **more}):
        shop = Shop(cache or folder / "cache", "tools", threads)
        drawn = scene(renderer=ClipRenderer(folder / f"{scene.__name__}.mp4", shop))
        drawn.render()
        return drawn.renderer.file_writer


def frames_of_ours(scene: type[manim.Scene], folder: Path, **more: Any) -> list[np.ndarray]:
    """What our painter paints, RGBA, before it is coded."""
    found: list[np.ndarray] = []

    def entry(section: Section, stage: Stage, *_: Any) -> Path:
        painter, ends = Painter(stage), [at for at, _ in section.frames[1:]] + [section.ticks]
        for (at, inks), end in zip(section.frames, ends, strict=True):
            painter.show(inks)
            found.extend([painter.pixels.copy()] * ((end - at) * RATE // 30))
        return sections.entry(Section("", 0, 2, section.frames[:1]), stage, "", folder / "cache")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_writer, "entry", entry)
        draw(scene, folder, **more)
    return found


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
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipWriter, list[np.ndarray]]:
    """The clip, its writer, and manim's frames (RGB)."""
    folder = tmp_path_factory.mktemp("sample")
    writer = draw(Sample, folder)
    return folder / "Sample.mp4", writer, [f[:, :, :3] for f in frames_of_manim(Sample, folder)]


# ------------------------------------------------------------------ the painter


class Mixed(manim.Scene):
    """What painters get wrong: order, gradients, strokes behind, images, dots, updaters, leaving and coming back."""

    def construct(self) -> None:
        web = manim.VGroup(
            *(manim.Line([-6, y, 0], [6, -y / 2, 0], stroke_width=2 + abs(y), stroke_opacity=0.4) for y in range(-3, 4))
        )
        star = manim.Star(color=manim.RED, fill_opacity=0.6, joint_type=manim.LineJointType.ROUND).scale(1.5)
        word = manim.Circle(1.2, stroke_width=6).set_color_by_gradient(manim.BLUE, manim.GREEN, manim.YELLOW)
        word.set_fill([manim.PURPLE, manim.WHITE], opacity=0.5).set_background_stroke(color=manim.ORANGE, width=14)
        image = manim.ImageMobject(np.arange(256, dtype=np.uint8).reshape(16, 16)).scale_to_fit_height(3)
        cloud = manim.PMobject(stroke_width=8).add_points([[x / 4, -3, 0] for x in range(8)], color=manim.TEAL)
        self.add(web, star)
        self.next_section("order")
        self.play(manim.FadeIn(word.shift(manim.LEFT)), manim.Rotate(star, 1), run_time=frames(5))
        self.bring_to_front(star)
        self.play(web[2].animate.set_stroke(manim.RED, width=9, opacity=0.7), run_time=frames(4))
        self.remove(web[3], web[5])
        self.play(manim.Transform(star, manim.Square(3).shift(manim.DOWN * 3.5)), run_time=frames(5))
        self.next_section("others")
        texture = Image.fromarray(
            np.arange(WIDTH * HEIGHT * 3, dtype=np.uint32).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)
        )
        disc = manim.Circle(0.9, fill_opacity=1).shift(manim.UP * 2).color_using_background_image(texture)
        self.add(image, cloud, disc)
        self.play(image.animate.shift(manim.RIGHT * 2), word.animate.scale(0.4), run_time=frames(4))
        tracker = manim.ValueTracker(0)
        dot = manim.always_redraw(lambda: manim.Dot([tracker.get_value(), 1, 0], radius=0.3, fill_opacity=0.8))
        self.add_foreground_mobject(dot)
        self.play(tracker.animate.set_value(9), rate_func=manim.linear, run_time=frames(7))  # it leaves the picture
        self.play(manim.FadeOut(image, cloud), manim.Uncreate(word), run_time=frames(5))
        self.wait(frames(2, 0.01))
        self.next_section("late")
        star.set_z_index(3)
        self.play(manim.LaggedStart(*(manim.FadeIn(m) for m in web), lag_ratio=0.2), run_time=frames(6))


@pytest.mark.parametrize("scene", [Sample, Mixed])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (854, 480)])
def test_every_pixel_is_the_one_that_manim_paints(
    tmp_path: Path, scene: type[manim.Scene], width: int, height: int
) -> None:
    size = {"pixel_width": width, "pixel_height": height, "background_color": "#F7F4EC"}
    theirs, ours = frames_of_manim(scene, tmp_path, **size), frames_of_ours(scene, tmp_path, **size)
    assert len(ours) == len(theirs) > 30
    assert not np.array_equal(theirs[0], theirs[-1])
    differing = [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not np.array_equal(a, b)]
    assert differing == []


def test_only_what_changes_is_painted_again() -> None:
    """Discs: the box of a change lies around the one that moved, and a picture that stays has none."""
    stage = Stage(WIDTH, HEIGHT, 128 / 9, 8.0, (0, 0, 0, 255))
    left, right = (Outline.of(manim.Dot([x, 0, 0], radius=1)) for x in (-4, 4))
    moved = Outline.of(manim.Dot([4, 0.5, 0], radius=1))
    painter = Painter(stage)
    assert painter.show([left, right]) is not None
    assert painter.show([left, right]) is None
    x0, y0, x1, y1 = painter.show([left, moved])
    scale = WIDTH / (128 / 9)  # pixels in one of manim's units
    assert x0 == pytest.approx(WIDTH / 2 + 3 * scale, abs=2) and x1 == pytest.approx(WIDTH / 2 + 5 * scale, abs=2)
    assert y0 == pytest.approx(HEIGHT / 2 - 1.5 * scale, abs=2) and y1 == pytest.approx(HEIGHT / 2 + scale, abs=2)


def any_outline(rng: np.random.Generator) -> Outline:
    """A filled star whose thick rim has sharp corners, here or there, sometimes beyond the edge of the picture."""
    corners = int(rng.integers(3, 9))
    star = manim.Star(corners, outer_radius=1.5, inner_radius=0.3 if corners > 4 else 1.0, density=1)
    star.set_fill(manim.random_bright_color(), rng.uniform(0, 1)).set_stroke(width=rng.uniform(0, 40), opacity=0.7)
    return Outline.of(star.move_to([rng.uniform(-11, 11), rng.uniform(-6, 6), 0]))


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_does_not_depend_on_those_before(seed: int) -> None:
    """Outlines come, go, change and change places at random; oracle: a painter that has painted nothing before."""
    rng = np.random.default_rng(seed)
    stage = Stage(WIDTH, HEIGHT, 128 / 9, 8.0, (9, 9, 9, 255))
    painter, shown = Painter(stage), [any_outline(rng) for _ in range(8)]
    for _ in range(60):
        for edit in rng.choice(["come", "go", "change", "swap"], rng.integers(0, 3)):
            k, m = rng.integers(0, len(shown), 2)
            if edit == "swap":
                shown[k], shown[m] = shown[m], shown[k]
            elif edit == "change" or len(shown) < 3:
                shown[k] = any_outline(rng)
            elif edit == "go":
                del shown[k]
            else:
                shown.insert(k, any_outline(rng))
        painter.show(list(shown))
        anew = Painter(stage)
        anew.show(list(shown))
        assert np.array_equal(painter.pixels, anew.pixels)


def test_what_leaves_unseen_takes_nothing_with_it() -> None:
    """Without the outline beyond the edge all others count one less."""
    stage = Stage(WIDTH, HEIGHT, 128 / 9, 8.0, (0, 0, 0, 255))
    low, beyond, middle, top, over = (Outline.of(manim.Square(2).move_to([x, 0, 0])) for x in (-1, 99, 0, 1, 1.5))
    painter, anew = Painter(stage), Painter(stage)
    for inks in ([low, beyond, middle], [low, beyond, middle, top], [low, middle, top], [low, middle, top, over]):
        painter.show(inks)
    anew.show([low, middle, top, over])
    assert np.array_equal(painter.pixels, anew.pixels)


@pytest.mark.parametrize("kind", ["image", "texture", "texture file", "dots"])
def test_what_is_no_outline_looks_other_when_it_changes(tmp_path: Path, kind: str) -> None:
    def looks(shade: int) -> bytes:
        pixels = np.full((4, 4, 3), shade, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "t.png")
        texture = {"texture": Image.fromarray(pixels), "texture file": str(tmp_path / "t.png")}.get(kind)
        if texture is not None:
            mobject = manim.Circle(fill_opacity=1).color_using_background_image(texture)
        elif kind == "image":
            mobject = manim.ImageMobject(pixels)
        else:
            mobject = manim.PMobject().add_points([[0, 0, 0]], color=manim.rgb_to_color([shade / 255] * 3))
        return ink_of(mobject, manim.Camera()).digest

    assert looks(10) == looks(10) != looks(11)


# ------------------------------------------------------------------ the clip


def test_a_player_shows_the_frames_that_manim_drew(sample: tuple[Path, ClipWriter, list[np.ndarray]]) -> None:
    path, _, drawn = sample
    shown = decoded(path, RATE, "ITU709")
    assert len(shown) == len(drawn) == 6 + 8 + 10 + 5 + 6
    assert min(psnr(a, b) for a, b in zip(shown, drawn, strict=True)) > 40


def test_the_pictures_match_those_of_manims_own_writer(
    sample: tuple[Path, ClipWriter, list[np.ndarray]], tmp_path: Path
) -> None:
    with manim.tempconfig({**SETTINGS, "media_dir": str(tmp_path)}):
        scene = Sample()
        scene.render()
        reference = decoded(Path(scene.renderer.file_writer.movie_file_path), RATE, "ITU601")
    shown = decoded(sample[0], RATE, "ITU709")
    assert len(shown) == len(reference)
    assert min(psnr(a, b) for a, b in zip(shown, reference, strict=True)) > 40


def test_sections_begin_with_key_pictures_and_rests_cost_nothing(
    sample: tuple[Path, ClipWriter, list[np.ndarray]],
) -> None:
    path, writer, _ = sample
    ticks = 30 // RATE
    assert [(c.name, c.start) for c in writer.cuts] == [("move", 0), ("still", 24 * ticks), ("dot", 29 * ticks)]
    segment = codec.read_packets(path)
    assert [p.at for p in segment.packets if p.key] == [0, 24 * ticks, 29 * ticks]
    assert segment.frames == 35 * ticks
    still = [p for p in segment.packets if 24 * ticks <= p.at < 29 * ticks]
    assert [p.key for p in still] == [True, False]  # so that another section may follow (see codec)
    assert len([p for p in segment.packets if p.at < 24 * ticks]) <= 15  # 14 that move, 1 at rest
    assert [p.name for p in writer.posters] == ["Sample_1.png", "Sample_2.png", "Sample_3.png"]
    assert all(p.exists() for p in writer.posters)


def test_a_section_can_be_cut_out_and_has_the_header_of_the_slides(
    sample: tuple[Path, ClipWriter, list[np.ndarray]], tmp_path: Path
) -> None:
    path, _, drawn = sample
    segment = codec.read_packets(path)
    still = tmp_path / "still.mp4"
    with codec.VideoWriter(still, WIDTH, HEIGHT) as film:
        film.show(codec.to_yuv(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), at=0, key=True)
        film.end(at=30)
    assert codec.read_packets(still).header == segment.header
    part = segment.cut(58, 12, 40)
    codec.write_segment(tmp_path / "part.mp4", still, part.packets)
    assert psnr(decoded(tmp_path / "part.mp4", 30, "ITU709")[-1], drawn[-1]) > 40


def test_converting_a_part_is_converting_the_whole() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    canvas = Canvas(pixels)
    edges = rng.integers(0, [WIDTH, HEIGHT], (40, 2, 2))
    boxes = [(*np.minimum(a, b), *(np.maximum(a, b) + 1)) for a, b in edges]
    for left, top, right, bottom in [(0, 0, 1, 1), (WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT), *boxes]:
        pixels[top:bottom, left:right, :3] = rng.integers(0, 255, (bottom - top, right - left, 3))
        canvas.convert((left, top, right, bottom))
        whole = codec.to_yuv(pixels)
        for part, plane in zip(canvas.picture.planes, whole.planes, strict=True):
            ours, theirs = (np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[:, : p.width] for p in (part, plane))
            assert np.array_equal(ours, theirs)


def test_an_odd_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="24"):
        draw(Sample, tmp_path, frame_rate=24)


# ------------------------------------------------------------------ sections made before


class Edited(Sample):
    """The same scene but for the colour in its last section."""

    colour = manim.RED


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the sections that are painted and coded."""
    names: list[str] = []
    make = sections.make

    def watched(path: Path, section: Section, stage: Stage) -> None:
        names.append(section.name)
        make(path, section, stage)

    monkeypatch.setattr(sections, "make", watched)
    return names


def written(folder: Path, scene: type[manim.Scene], **more: Any) -> list[bytes]:
    """The clip and its posters."""
    writer = draw(scene, folder, **more)
    return [p.read_bytes() for p in (writer.target, *writer.posters)]


def test_an_edit_of_one_beat_makes_that_section_alone(tmp_path: Path, made: list[str]) -> None:
    cache = tmp_path / "cache"
    first = written(tmp_path / "first", Sample, cache=cache)
    assert made == ["move", "still", "dot"]
    edited = written(tmp_path / "edited", Edited, cache=cache)
    assert made[3:] == ["dot"]
    assert first[1:3] == edited[1:3] and first[3] != edited[3]
    assert edited == written(tmp_path / "anew", Edited, cache=tmp_path / "empty")


@pytest.mark.parametrize("change", [{"pixel_width": 322}, {"background_color": "#111111"}, {"frame_rate": 30}])
def test_size_rate_and_ground_belong_to_a_section(tmp_path: Path, made: list[str], change: dict[str, Any]) -> None:
    draw(Sample, tmp_path / "a", cache=tmp_path / "cache")
    draw(Sample, tmp_path / "b", cache=tmp_path / "cache", **change)
    assert set(made[3:]) >= {"move", "dot"}


def test_threads_change_nothing(tmp_path: Path) -> None:
    assert written(tmp_path / "one", Mixed) == written(tmp_path / "many", Mixed, threads=3)


def test_a_mistake_in_a_scene_ends_the_threads(tmp_path: Path) -> None:
    class Broken(Sample):
        def construct(self) -> None:
            super().construct()
            raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        draw(Broken, tmp_path, threads=2)
    assert threading.active_count() == before
    assert not (tmp_path / "Broken.mp4").exists()
