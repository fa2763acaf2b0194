"""The step `animate`: what a clip is, and when a scene is drawn again. Oracles: PyAV's decoder, Pillow, ffprobe."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from scene_sample import SCENES, flow_record, write_day, write_record

from coursebuild.errors import CourseError
from coursebuild.files import ROOT, read_json, sha256, usable_cores, write_json
from coursebuild.model import QUALITY, Clips
from coursebuild.steps import animate as step
from tests.bench import clip_floor

SCENE = ROOT / "animations" / "day04_backpropagation.py"


def build(folder: Path, inputs: dict[str, Path], cache: Path, **params: Any) -> Path:
    """Run the step; the folder of its clips."""
    shutil.rmtree(folder, ignore_errors=True)
    step.animate(inputs, {"clips": folder}, {"quality": "draft", "theme": "dark", **params}, cache)
    return folder


class Day:
    """A tiny day that was built once, and its cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.inputs = write_day(folder)
        self.clips = build(folder / "clips", self.inputs, self.cache)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def redrawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the scenes that would be drawn; drawing itself is refused."""
    names: list[str] = []

    def refuse(job: step.Job, folder: Path, cache: Path, threads: int) -> dict:
        names.append(job.name)
        raise CourseError("would be drawn")

    monkeypatch.setattr(step, "draw", refuse)
    return names


def pictures(clip: Path) -> list[tuple[float, np.ndarray]]:
    """Decoded pictures and the second at which each appears."""
    with av.open(str(clip)) as file:
        stream = file.streams.video[0]
        frames = [f.reformat(format="rgb24", src_colorspace="ITU709") for f in file.decode(stream)]
        return [(float(f.pts * stream.time_base), f.to_ndarray()) for f in frames]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


# ------------------------------------------------------------------ products


def test_a_clip_has_the_sections_of_its_scene(day: Day) -> None:
    clips = Clips.load(day.clips / "clips.json")
    grow = clips.scenes["Grow"]
    assert [s.name for s in grow.sections] == ["First", "Second", "Rest"]
    # 0.4 s; 0.6 + 1.0 s; the name of the beat arrives 0.4 s, then 0.5 s (0.533: whole fifteenths); 2/15 s rest each
    assert [s.frames for s in grow.sections] == [12 + 4, 18 + 30 + 4, 12 + 16 + 4]
    assert [s.start for s in grow.sections] == [0, 16, 68]
    assert (grow.width, grow.height) == QUALITY["draft"][:2]
    assert grow.sha256 == sha256(day.clips / grow.file)
    assert grow.alt == "A square grows."
    assert {p.name for p in day.clips.iterdir()} == {
        "clips.json", "Grow.mp4", "Grow_1.png", "Grow_2.png", "Grow_3.png", "Count.mp4", "Count_1.png",
    }  # fmt: skip


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_every_section_begins_with_a_key_picture(day: Day) -> None:
    show = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time,flags", "-show_streams", "-of", "json"]
    found = json.loads(subprocess.run([*show, day.clips / "Grow.mp4"], capture_output=True, check=True).stdout)
    keys = {round(float(p["pts_time"]) * 30) for p in found["packets"] if "K" in p["flags"]}
    assert keys == {0, 16, 68}
    (stream,) = found["streams"]  # no sound
    assert (stream["color_space"], stream["color_range"]) == ("bt709", "tv")
    assert round(float(stream["duration"]) * 30) == 100


def test_a_poster_is_the_last_picture_of_its_section(day: Day) -> None:
    shown = pictures(day.clips / "Grow.mp4")
    for number, end in enumerate((16, 68, 100), start=1):
        last = [picture for at, picture in shown if at * 30 < end - 0.5][-1]
        assert psnr(np.asarray(Image.open(day.clips / f"Grow_{number}.png")), last) > 38


def test_the_square_is_where_and_as_large_as_the_metric_says(day: Day) -> None:
    """The metric is 2.0, so the square is 120 points wide; after the second beat its middle is at x = 700."""
    accent = tuple(int("5CC8FF"[k : k + 2], 16) for k in (0, 2, 4))
    poster = np.asarray(Image.open(day.clips / "Grow_2.png")).astype(int)
    ys, xs = np.nonzero(np.abs(poster[150:] - accent).max(axis=2) < 8)
    assert (xs.min() + xs.max()) / 2 == pytest.approx(700, abs=1)
    assert xs.max() - xs.min() == pytest.approx(120, abs=5)
    assert ys.mean() + 150 == pytest.approx(300, abs=1)


def test_pictures_that_stay_are_one_packet(day: Day) -> None:
    """9 + 1 moving pictures of the second beat and its rest: a pause of 1 s costs nothing."""
    second = [at for at, _ in pictures(day.clips / "Grow.mp4") if 16 <= round(at * 30) < 68]
    assert len(second) <= 11


# ------------------------------------------------------------------ when a scene is drawn again


def test_nothing_is_drawn_twice(day: Day, redrawn: list[str], tmp_path: Path) -> None:
    again = build(tmp_path / "again", day.inputs, day.cache)
    assert {p.name: sha256(p) for p in again.iterdir()} == {p.name: sha256(p) for p in day.clips.iterdir()}


def changed(day: Day, tmp_path: Path, *, scenes: str = SCENES, **metrics: float) -> dict[str, Path]:
    source = tmp_path / "animations" / "day99_tiny.py"
    source.parent.mkdir()
    source.write_text(scenes, encoding="utf-8")
    return day.inputs | {"scene": source, "record": write_record(tmp_path / "record", **metrics)}


@pytest.mark.parametrize(
    ("scenes", "metrics"),
    [
        (SCENES, {"other": 7.0}),
        (SCENES, {"new": 1.0}),
        (SCENES.replace("SIZE = 60", "SIZE = 60  # points"), {}),
        (SCENES.replace("SIZE = 60\n", "SIZE = 60\n\n\n"), {}),
    ],
    ids=["unread metric", "new metric", "comment", "empty lines"],
)
def test_what_is_not_seen_draws_nothing(
    day: Day, redrawn: list[str], tmp_path: Path, scenes: str, metrics: dict[str, float]
) -> None:
    build(tmp_path / "clips", changed(day, tmp_path, scenes=scenes, **metrics), day.cache)
    assert redrawn == []


@pytest.mark.parametrize(
    ("scenes", "metrics", "drawn"),
    [
        (SCENES, {"side": 3.0}, ["Grow"]),
        (SCENES.replace('"First"', '"Before"'), {}, ["Grow"]),
        (SCENES.replace('.sum():.0f}", 60', '.sum():.0f}", 50'), {}, ["Count"]),
        (SCENES.replace("SIZE = 60", "SIZE = 50"), {}, ["Count", "Grow"]),
    ],
    ids=["metric", "class", "other class", "module"],
)
def test_what_is_seen_draws_that_scene(
    day: Day, redrawn: list[str], tmp_path: Path, scenes: str, metrics: dict[str, float], drawn: list[str]
) -> None:
    with pytest.raises(CourseError, match="would be drawn"):
        build(tmp_path / "clips", changed(day, tmp_path, scenes=scenes, **metrics), day.cache)
    assert sorted(redrawn) == drawn


def test_a_changed_array_draws_the_scene_that_reads_it(day: Day, redrawn: list[str], tmp_path: Path) -> None:
    inputs = changed(day, tmp_path)
    np.savez(inputs["record"].with_name("arrays.npz"), values=np.arange(6.0), unused=np.zeros(3))
    with pytest.raises(CourseError):
        build(tmp_path / "clips", inputs, day.cache)
    assert redrawn == ["Count"]


@pytest.mark.parametrize("params", [{"theme": "light"}, {"quality": "hd"}])
def test_look_and_size_belong_to_the_key(day: Day, redrawn: list[str], tmp_path: Path, params: dict) -> None:
    with pytest.raises(CourseError):
        build(tmp_path / "clips", day.inputs, day.cache, **params)
    assert sorted(redrawn) == ["Count", "Grow"]


def test_a_title_draws_its_scene_and_beats_draw_none(day: Day, redrawn: list[str], tmp_path: Path) -> None:
    scenes = read_json(day.inputs["scenes"])
    scenes["Count"]["title"] = "Other numbers"
    with pytest.raises(CourseError, match="would be drawn"):
        build(tmp_path / "clips", day.inputs, day.cache, scenes=scenes)
    assert redrawn == ["Count"]


def test_a_damaged_entry_is_drawn_again(day: Day, redrawn: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(day.cache, cache)
    for entry in (cache / "scenes").rglob("*.zip"):
        entry.write_bytes(entry.read_bytes()[:-100])
    for list_of_names in (cache / "scene-reads").rglob("*.json"):
        assert read_json(list_of_names)[0].keys() == {"metrics", "arrays"}
    with pytest.raises(CourseError, match="would be drawn"):
        build(tmp_path / "clips", day.inputs, cache)
    assert sorted(redrawn) == ["Count", "Grow"]


def section_entries(cache: Path) -> set[str]:
    return {entry.stem for entry in (cache / "sections").rglob("*.zip")}


def test_an_edit_of_one_beat_codes_that_beat_alone(day: Day, tmp_path: Path) -> None:
    """The second beat rests longer, all else looks the same; posters and other sections keep their bytes."""
    cache = tmp_path / "cache"
    shutil.copytree(day.cache, cache)
    before = section_entries(cache)
    inputs = changed(day, tmp_path, scenes=SCENES.replace("self.wait(1.0)", "self.wait(1.2)"))
    wanted = {"Grow": read_json(inputs["scenes"])["Grow"]}
    edited = build(tmp_path / "edited", inputs, cache, scenes=wanted)
    assert len(section_entries(cache) - before) == 1
    anew = build(tmp_path / "anew", inputs, tmp_path / "empty", scenes=wanted)
    assert {p.name: sha256(p) for p in edited.iterdir()} == {p.name: sha256(p) for p in anew.iterdir()}
    assert sha256(edited / "Grow_1.png") == sha256(day.clips / "Grow_1.png")


def test_the_step_does_not_import_manim() -> None:
    code = "import sys, coursebuild.steps.animate; sys.exit('manim' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# ------------------------------------------------------------------ cores and memory


@pytest.mark.parametrize(
    ("scenes", "quality", "cores", "gigabytes", "expected"),
    [
        (2, "fullhd", 1, 8, (1, 1)),
        (2, "fullhd", 2, 8, (1, 2)),  # one scene after the other, two sections at once
        (2, "fullhd", 4, 8, (2, 2)),
        (1, "fullhd", 64, 64, (1, 64)),
        (3, "fullhd", 64, 64, (3, 21)),
        (3, "fullhd", 64, 1.5, (2, 2)),  # memory is short
        (3, "fullhd", 64, 0.1, (1, 1)),
        (3, "draft", 64, 1.5, (3, 5)),
    ],
)
def test_scenes_share_cores_and_memory(
    scenes: int, quality: str, cores: int, gigabytes: float, expected: tuple[int, int]
) -> None:
    at_once, threads = step.shares(scenes, quality, cores, int(gigabytes * 2**30))
    assert (at_once, threads) == expected
    assert at_once * threads <= max(cores, 1)


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("0", None), ("", None), ("4,2", None)])
def test_the_step_uses_the_cores_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert step.cores() == expected or (expected is None and step.cores() == usable_cores())


def test_a_scene_needs_no_more_memory_than_is_reckoned_with(day: Day, tmp_path: Path) -> None:
    """The kernel's figure for the largest process that has ended, which draws two sections at once."""
    job = step.job_for("Grow", read_json(day.inputs["scenes"])["Grow"], day.inputs, {"quality": "hd", "theme": "dark"})
    code = (
        "import pathlib, pickle, resource, sys\n"
        "from coursebuild.steps.animate import draw\n"
        "job, folder, cache = pickle.loads(sys.stdin.buffer.read())\n"
        "draw(job, folder, cache, 2)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    told = pickle.dumps((job, tmp_path, tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=told, capture_output=True, check=True)
    assert 2**26 < int(done.stdout) <= step.SCENE_BYTES + 2 * step.PIXEL_BYTES * 1280 * 720


@pytest.mark.slow
def test_the_floor_of_a_clip_can_be_measured(day: Day) -> None:
    """Rasterising starts Manim, which takes half a second anywhere; coding some 20 small pictures takes far less."""
    job = step.job_for("Grow", read_json(day.inputs["scenes"])["Grow"], day.inputs, {"quality": "hd", "theme": "dark"})
    ours, raster, x264 = (clip_floor.measured(job, part) for part in ("ours", "raster", "x264"))
    assert 0 < x264 < raster < 20
    assert 0.3 < ours / (raster + x264) < 3


# ------------------------------------------------------------------ mistakes


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


def test_sections_and_beats_must_be_as_many(day: Day, tmp_path: Path) -> None:
    scenes = read_json(day.inputs["scenes"])
    scenes["Grow"]["beats"] = 5
    with pytest.raises(CourseError, match=r"3 sections.*5 beats") as caught:
        build(tmp_path / "clips", day.inputs, day.cache, scenes=scenes)
    assert (caught.value.file, caught.value.line) == (str(day.inputs["scene"]), line_of(SCENES, "class Grow"))
    assert "`Second`" in caught.value.hint


def test_an_unknown_scene_has_a_hint(day: Day, tmp_path: Path) -> None:
    scenes = {"Grov": {"title": "", "kicker": "", "beats": 1}}
    with pytest.raises(CourseError, match="no scene `Grov`") as caught:
        build(tmp_path / "clips", day.inputs, day.cache, scenes=scenes)
    assert "`Grow`" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "what", "hint"),
    [
        ('self.metric("side")', 'self.metric("sides")', "no metric 'sides'", "did you mean 'side'"),
        ('self.metric("side")', "1 / 0", "ZeroDivisionError", "day99_tiny.py"),
        ("            self.wait(0.5)\n", "            pass\n", "'Rest' plays nothing", ""),
    ],
    ids=["misspelt metric", "exception", "empty beat"],
)
def test_a_mistake_in_a_scene_names_its_line(
    day: Day, tmp_path: Path, old: str, new: str, what: str, hint: str
) -> None:
    scenes = SCENES.replace(old, new)
    inputs = changed(day, tmp_path, scenes=scenes)
    wanted = {"Grow": read_json(inputs["scenes"])["Grow"]}
    with pytest.raises(CourseError, match=what) as caught:
        build(tmp_path / "clips", inputs, day.cache, scenes=wanted)
    assert caught.value.file == str(inputs["scene"])
    assert caught.value.line is not None and caught.value.line >= line_of(scenes, "class Grow")
    assert hint in caught.value.hint


def test_words_that_overlap_are_refused(day: Day, tmp_path: Path) -> None:
    over = (
        'self.add(self.words("one").put(300, 300), self.words("other").put(310, 302))\n        with self.beat("First"):'
    )
    inputs = changed(day, tmp_path, scenes=SCENES.replace('with self.beat("First"):', over))
    with pytest.raises(CourseError, match="'one' and 'other' overlap"):
        build(tmp_path / "clips", inputs, day.cache)


def test_words_beyond_the_margin_are_refused(day: Day, tmp_path: Path) -> None:
    """The margin is at 900 of 960 points; Inter's eleven letters at 18 points are more than 60 wide."""
    over = 'self.add(self.words("overhanging").put(850, 300))\n        with self.beat("First"):'
    inputs = changed(day, tmp_path, scenes=SCENES.replace('with self.beat("First"):', over))
    with pytest.raises(CourseError, match="'overhanging' passes the margin"):
        build(tmp_path / "clips", inputs, day.cache)


def test_a_file_that_is_not_python_names_the_line(day: Day, tmp_path: Path) -> None:
    inputs = changed(day, tmp_path, scenes=SCENES + "\n)\n")
    with pytest.raises(CourseError, match="not valid Python") as caught:
        build(tmp_path / "clips", inputs, day.cache)
    assert caught.value.line == (SCENES + "\n").count("\n") + 1


# ------------------------------------------------------------------ Day 4


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_scenes_of_day_4_draw_from_any_run(tmp_path: Path, theme: str) -> None:
    """An untrained network and a drawn zero: no text overlaps (the kit refuses), every beat has a sensible length."""
    scenes = {
        "BackpropFlow": {"title": "There and back", "kicker": "Watch", "beats": 7},
        "ComputationGraph": {"title": "One neuron", "kicker": "Watch", "beats": 4},
    }
    write_json(tmp_path / "scenes.json", scenes)
    inputs = {
        "scene": SCENE,
        "record": flow_record(tmp_path / "record"),
        "theme": ROOT / "templates" / "theme.json",
        "scenes": tmp_path / "scenes.json",
    }
    clips = Clips.load(build(tmp_path / "clips", inputs, tmp_path / "cache", theme=theme) / "clips.json").scenes
    assert [s.name for s in clips["BackpropFlow"].sections] == [
        "The picture goes in",
        "Forward",
        "The loss",
        "Deltas of the output layer",
        "One layer back",
        "All the way",
        "The step",
    ]
    for clip in clips.values():
        assert all(4 * 30 <= section.frames <= 14 * 30 for section in clip.sections)
