"""A small film, made once, and read back with ffprobe, ffmpeg and Chromium (never with our own reader)."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
import wave
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from PIL import Image, ImageDraw

from coursebuild import codec
from coursebuild.errors import CourseError
from coursebuild.files import sha256
from coursebuild.model import (
    FPS,
    Clip,
    Clips,
    Deck,
    Frame,
    Frames,
    Section,
    Sentence,
    Slide,
    Speech,
    SpeechBeat,
    SpeechSlide,
    Timeline,
    Word,
)
from coursebuild.steps.film import film
from coursebuild.steps.timeline import timeline

W, H = 320, 180
HOSTILE = "Is 1 < 2 --> yes & <b>no</b>{\\an8}?"
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")


# ------------------------------------------------------------------ a course of three slides and an animation


def picture(seed: int) -> np.ndarray:
    """A picture unlike every other: seven blocks whose colours are drawn by the seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (W, H), tuple(int(c) for c in rng.integers(20, 80, 3)))
    draw = ImageDraw.Draw(image)
    for x in range(16, W - 40, 42):
        draw.rectangle((x, 30, x + 30, 30 + int(rng.integers(20, 120))), fill=tuple(rng.integers(60, 256, 3).tolist()))
    return np.asarray(image)


def noise(seed: int, seconds: float, rate: int) -> np.ndarray:
    """Noise between about 200 and 2,000 Hz: cross-correlates with nothing but itself."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=int(seconds * rate)))
    hertz = np.fft.rfftfreq(int(seconds * rate), 1 / rate)
    spectrum[(hertz < 200) | (hertz > 2000)] = 0
    sound = np.fft.irfft(spectrum, int(seconds * rate))
    return (sound / np.abs(sound).max() * 12000).astype("<i2")


@dataclass
class Course:
    folder: Path
    inputs: dict[str, Path | None]

    def build(self, name: str, cache: str = "cache", **params: object) -> Path:
        out = self.folder / name
        out.mkdir(exist_ok=True)
        plan = {k: out / f"film.{v}" for k, v in (("timeline", "json"), ("vtt", "vtt"), ("srt", "srt"))}
        timeline({k: self.inputs[k] for k in ("speech", "clips")}, plan, {}, self.folder / cache)
        products = {"film": out / "film.mp4", "poster": out / "poster.png"}
        film({**self.inputs, "timeline": plan["timeline"]}, products, dict(params), self.folder / cache)
        return products["film"]

    @property
    def plan(self) -> Timeline:
        return Timeline.load(self.folder / "a" / "film.json")


def sentence(folder: Path, seed: int, written: str, seconds: float, rate: int) -> Sentence:
    path = folder / "audio" / f"{seed:03}.wav"
    samples = noise(seed, seconds, rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    words = written.split()
    each = seconds / len(words)
    timed = [Word(w, i * each, (i + 1) * each) for i, w in enumerate(words)]
    return Sentence(written, written, f"audio/{path.name}", sha256(path), len(samples) / rate, timed)


def make_speech(folder: Path) -> Path:
    (folder / "audio").mkdir(parents=True)
    say = functools.partial(sentence, folder)
    pause = Sentence("", "", "", "", 1.5)
    slides = [
        SpeechSlide("s01", "Start", None, [SpeechBeat("s01b1", 0, None, [say(1, "Hello and welcome.", 1.3, 22050)])]),
        SpeechSlide(
            "s02",
            "Bullets & <more>",
            None,
            [
                SpeechBeat("s02b1", 0, None, [say(2, "One thing.", 1.0, 22050), say(3, "And then more.", 1.1, 22050)]),
                SpeechBeat("s02b2", 1, None, [say(4, HOSTILE, 1.7, 24000), pause, say(5, "Yes.", 0.4, 24000)]),
                SpeechBeat("s02b3", 3, None, [say(6, "The third state.", 1.234, 22050)]),
            ],
        ),
        SpeechSlide(
            "s03",
            "Motion",
            "Flow",
            [
                SpeechBeat("s03b1", 0, 0, [say(7, "Short.", 0.5, 22050)]),
                SpeechBeat("s03b2", 0, 1, [say(8, "This takes longer than its section.", 2.9, 22050)]),
            ],
        ),
        SpeechSlide("s04", "End", None, [SpeechBeat("s04b1", 0, None, [say(9, "Goodbye.", 0.8, 48000)])]),
    ]
    Speech("noise", "A noise generator, public domain", slides).save(folder / "speech.json")
    return folder / "speech.json"


def make_clips(folder: Path) -> Path:
    """Two sections of 2.0 s and 1.0 s at 15 pictures a second, one block moving."""
    folder.mkdir()
    with codec.VideoWriter(folder / "Flow.mp4", W, H, "superfast") as writer:
        for at in range(0, 90, 2):
            image = picture(70 if at < 60 else 71).copy()
            image[140:170, at : at + 30] = 255
            writer.show(codec.to_yuv(image), at, key=at in (0, 60))
        writer.end(90)
    sections = [Section("first", 0, 60), Section("second", 60, 30)]
    clip = Clip("Flow.mp4", sha256(folder / "Flow.mp4"), W, H, sections, [], "a moving block")
    Clips({"Flow": clip}).save(folder / "clips.json")
    return folder / "clips.json"


def make_frames(folder: Path) -> Path:
    folder.mkdir()
    slides = {}
    for slide, seeds in {"s01": [10], "s02": [20, 21, 22, 23], "s03": [30], "s04": [40]}.items():
        for seed in seeds:
            Image.fromarray(picture(seed)).save(folder / f"{seed}.png")
        slides[slide] = [Frame(f"{seed}.png", sha256(folder / f"{seed}.png")) for seed in seeds]
    Frames(W, H, slides).save(folder / "frames.json")
    return folder / "frames.json"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("film")
    shown = [Slide(f"s0{i}", i, "title" if i == 1 else "content", [], f"Slide {i}", i) for i in range(1, 5)]
    Deck(4, "tiny", "A course", "Tiny & <odd>", "", "run: test", "en", shown, "tiny.md").save(root / "shown.json")
    return Course(
        root,
        {
            "speech": make_speech(root / "speech"),
            "clips": make_clips(root / "clips"),
            "frames": make_frames(root / "frames"),
            "shown": root / "shown.json",
        },
    )


@pytest.fixture(scope="module")
def made(course: Course) -> Path:
    return course.build("a", meta={"comment": "run of today", "source": "tiny.md"})


# ------------------------------------------------------------------ oracles


def probe(path: Path, *what: str) -> dict:
    command = ["ffprobe", "-v", "error", "-of", "json", *what, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def decoded_pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    """(seconds, thumbnail) of every coded picture, by ffmpeg."""
    times = [
        float(f["pts_time"]) for f in probe(path, "-select_streams", "v", "-show_entries", "frame=pts_time")["frames"]
    ]
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    command += ["-vf", "scale=64:36:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    images = np.frombuffer(raw, np.uint8).reshape(-1, 36, 64, 3).astype(float)
    assert len(images) == len(times)
    return list(zip(times, images, strict=True))


def thumbnail(seed: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture(seed)).resize((64, 36), Image.Resampling.BOX), float)


def decoded_sound(path: Path, rate: int = 8000) -> np.ndarray:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-ar", str(rate), "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<i2").astype(float)


# ------------------------------------------------------------------ what the file says


@needs_ffmpeg
def test_streams_tags_and_chapters(course: Course, made: Path) -> None:
    found = probe(made, "-show_streams", "-show_chapters", "-show_format")
    video, audio, text = found["streams"][:3]
    assert (video["codec_name"], video["profile"], video["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert (video["width"], video["height"], video["has_b_frames"]) == (W, H, 0)
    assert {video[k] for k in ("color_space", "color_transfer", "color_primaries")} == {"bt709"}
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert (text["codec_name"], text["tags"]["language"], audio["tags"]["language"]) == ("mov_text", "eng", "eng")
    seconds = course.plan.frames / FPS
    assert float(found["format"]["duration"]) == pytest.approx(seconds, abs=0.001)
    assert float(video["duration"]) == pytest.approx(seconds, abs=0.001)
    assert float(audio["duration"]) == pytest.approx(seconds, abs=1024 / 48000)
    assert float(video["start_time"]) == 0 and abs(float(audio["start_time"])) < 0.001
    chapters = [(c["tags"]["title"], float(c["start_time"])) for c in found["chapters"]]
    assert [t for t, _ in chapters] == ["Start", "Bullets & <more>", "Motion", "End"]
    assert [s for _, s in chapters] == pytest.approx([s.start / FPS for s in course.plan.slides], abs=0.001)
    tags = found["format"]["tags"]
    assert (tags["title"], tags["album"]) == ("Day 4: Tiny & <odd>", "A course")
    assert tags["artist"] == "A noise generator, public domain"
    assert tags["comment"] == "run of today\nsource: tiny.md"


@needs_ffmpeg
def test_decodes_without_a_word(made: Path) -> None:
    command = ["ffmpeg", "-v", "warning", "-xerror", "-i", str(made), "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_index_comes_before_the_media(made: Path) -> None:
    data, at, boxes = made.read_bytes(), 0, []
    while at < len(data):
        boxes.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    assert boxes.index(b"moov") < boxes.index(b"mdat")


@needs_ffmpeg
def test_captions_are_read_back_as_written(made: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-i", str(made), "-map", "0:s", "-f", "webvtt", "-"]
    inside = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    beside = made.with_suffix(".vtt").read_text()

    def cues(text: str) -> list[tuple[float, float]]:
        stamp = r"(?:(\d+):)?(\d+):(\d+\.\d+)"
        found = re.findall(rf"^{stamp} --> {stamp}", text, re.M)
        clock = lambda h, m, s: int(h or 0) * 3600 + int(m) * 60 + float(s)  # noqa: E731
        return [(clock(*f[:3]), clock(*f[3:])) for f in found]

    assert np.allclose(cues(inside), cues(beside), atol=0.002)
    packets = probe(made, "-select_streams", "s", "-show_data", "-show_entries", "packet=data")["packets"]
    raw = b"".join(
        bytes.fromhex("".join(re.findall(r"^\w+: ((?:[0-9a-f]{2,4} ?)+)", p["data"], re.M)).replace(" ", ""))
        for p in packets
    )
    assert HOSTILE.split()[-1].encode() in raw


# ------------------------------------------------------------------ one clock


@needs_ffmpeg
def test_pictures_change_when_the_timeline_says(course: Course, made: Path) -> None:
    images = decoded_pictures(made)
    states = {"s01": [10], "s02": [20, 21, 22, 23], "s04": [40]}
    known = {seed: thumbnail(seed) for seeds in states.values() for seed in seeds}
    known |= {70: thumbnail(70), 71: thumbnail(71)}
    shown = [(t, min(known, key=lambda seed: np.abs(known[seed] - image).mean())) for t, image in images]
    for slide in course.plan.slides:
        for beat in slide.beats:
            wanted = 70 + beat.section if slide.scene else states[slide.id][beat.step]
            first = beat.start / FPS
            now = [seed for t, seed in shown if t <= first + 0.001]
            assert now[-1] == wanted, f"{beat.id}: at {first:.3f} s the film shows {now[-1]}"
            end = (beat.start + beat.frames) / FPS - 0.001
            assert {seed for t, seed in shown if first - 0.001 <= t < end} == {wanted}
    assert 22 not in {seed for _, seed in shown}  # no beat is at this state
    assert len(images) < course.plan.frames / 4  # a picture that stays is coded once


@needs_ffmpeg
def test_sound_is_where_the_timeline_says(course: Course, made: Path) -> None:
    rate = 8000
    track = decoded_sound(made, rate)
    assert len(track) / rate == pytest.approx(course.plan.frames / FPS, abs=0.03)
    errors = []
    for said in (s for slide in course.plan.slides for b in slide.beats for s in b.sentences):
        source = decoded_sound(course.inputs["speech"].parent / said.wav, rate)
        size = 1 << int(np.ceil(np.log2(len(track) + len(source))))
        score = np.fft.irfft(np.fft.rfft(track, size) * np.conj(np.fft.rfft(source, size)), size)
        errors.append(int(np.argmax(score[: len(track)])) / rate - said.start / FPS)
    print("A/V error in ms:", [round(1000 * e, 2) for e in errors])
    assert len(errors) == 9 and max(map(abs, errors)) < 0.001  # the limit is 0.04 s


# ------------------------------------------------------------------ building again


def test_same_inputs_same_bytes(course: Course, made: Path) -> None:
    again = course.build("b", cache="other", meta={"comment": "run of today", "source": "tiny.md"})
    assert sha256(again) == sha256(made)
    assert sha256(course.build("c", meta={"comment": "run of today", "source": "tiny.md"})) == sha256(made)


def test_one_changed_slide_codes_one_segment(course: Course, made: Path) -> None:
    def entries() -> dict[str, set[str]]:
        kinds = (course.folder / "cache").iterdir()
        return {kind.name: {p.name for p in kind.rglob("*.m*")} for kind in kinds}

    before = entries()
    picture_file = course.folder / "frames" / "40.png"
    original = picture_file.read_bytes()
    try:
        Image.fromarray(picture(41)).save(picture_file)
        course.build("d")
    finally:
        picture_file.write_bytes(original)
    new = {kind: len(names - before[kind]) for kind, names in entries().items()}
    assert new == {"still": 1 * 2, "sound": 0} or new == {"still": 1, "sound": 0}, new  # with its digest


def test_another_narration_codes_no_picture(course: Course, made: Path, tmp_path: Path) -> None:
    """A slower voice moves the pictures: their packets are taken over as they are."""
    speech = json.loads(course.inputs["speech"].read_text())
    for slide in speech["slides"]:
        for said in (s for b in slide["beats"] for s in b["sentences"]):
            said["seconds"] *= 1.4
    slower = with_json(course, "speech", speech, tmp_path)
    before = {p.name for p in (course.folder / "cache" / "still").rglob("*.mp4")}
    path = slower.build("slower")
    assert {p.name for p in (course.folder / "cache" / "still").rglob("*.mp4")} == before

    def stills(film_path: Path) -> list[bytes]:
        plan = Timeline.load(film_path.with_suffix(".json"))
        inside = [(s.start, s.start + s.frames) for s in plan.slides if s.scene is None]
        found = codec.read_packets(film_path).packets
        return [p.data for p in found if any(a <= p.at < b for a, b in inside)]

    assert stills(path) == stills(made)
    plan = Timeline.load(path.with_suffix(".json"))
    assert plan.frames > course.plan.frames
    times = {p.at for p in codec.read_packets(path).packets}
    changes = [b.start for s in plan.slides if s.scene is None for b in s.beats]
    assert set(changes) <= times


@needs_ffmpeg
def test_cfr_codes_every_frame(course: Course, made: Path) -> None:
    every = course.build("cfr", cfr=True)
    found = probe(
        every, "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets,avg_frame_rate"
    )
    assert int(found["streams"][0]["nb_read_packets"]) == course.plan.frames
    assert found["streams"][0]["avg_frame_rate"] == "30/1"
    sparse = decoded_pictures(made)
    for t, image in decoded_pictures(every)[::7]:
        now = [i for s, i in sparse if s <= t + 0.001][-1]
        assert np.abs(now - image).mean() < 2


@needs_ffmpeg
def test_a_clip_with_other_settings_is_coded_again(course: Course, made: Path, tmp_path: Path) -> None:
    shutil.copytree(course.folder / "clips", tmp_path / "clips")
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-i",
        str(course.folder / "clips/Flow.mp4"),
        "-c:v",
        "libx264",
        "-bf",
        "0",
    ]
    command += ["-fps_mode", "passthrough", "-force_key_frames", "0,2", "-profile:v", "baseline"]
    subprocess.run([*command, str(tmp_path / "clips/Flow.mp4")], check=True)
    other = Course(course.folder, {**course.inputs, "clips": tmp_path / "clips/clips.json"})
    path = other.build("foreign")
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    for (s, a), (t, b) in zip(decoded_pictures(made), decoded_pictures(path), strict=True):
        assert s == t and np.abs(a - b).mean() < 4


# ------------------------------------------------------------------ mistakes


def with_json(course: Course, name: str, change: dict, tmp_path: Path) -> Course:
    source = course.inputs[name]
    folder = tmp_path / name
    shutil.copytree(source.parent, folder)
    value = json.loads(source.read_text()) | change
    (folder / source.name).write_text(json.dumps(value))
    return Course(course.folder, {**course.inputs, name: folder / source.name})


def test_a_state_that_was_not_drawn(course: Course, made: Path, tmp_path: Path) -> None:
    slides = json.loads(course.inputs["frames"].read_text())["slides"]
    broken = with_json(course, "frames", {"slides": slides | {"s02": slides["s02"][:2]}}, tmp_path)
    with pytest.raises(CourseError, match=r"s02.*state 3 was not drawn \(there are 2"):
        broken.build("broken")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "audio/003.wav").write_bytes(b"RIFF"), "not a mono 16 bit WAV"),
        (lambda root: (root / "audio/003.wav").unlink(), "sentence is missing"),
    ],
)
def test_damaged_sound(course: Course, made: Path, tmp_path: Path, damage: object, message: str) -> None:
    broken = with_json(course, "speech", {}, tmp_path)
    damage(tmp_path / "speech")
    with pytest.raises(CourseError, match=message) as caught:
        broken.build("broken")
    assert "003.wav" in caught.value.file


def test_damaged_picture_and_clip(course: Course, made: Path, tmp_path: Path) -> None:
    broken = with_json(course, "frames", {}, tmp_path)
    (tmp_path / "frames/21.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(CourseError, match="not a readable picture"):
        broken.build("broken")
    broken = with_json(course, "clips", {}, tmp_path)
    (tmp_path / "clips/Flow.mp4").write_bytes(b"no film")
    with pytest.raises(CourseError, match="not a readable video"):
        broken.build("broken")


def test_a_timeline_older_than_its_clip(course: Course, made: Path, tmp_path: Path) -> None:
    """The section is longer now than the beat that the timeline gave it."""
    scenes = json.loads(course.inputs["clips"].read_text())["scenes"]
    scenes["Flow"]["sections"] = [{"name": "all", "start": 0, "frames": 90}] * 2
    newer = with_json(course, "clips", {"scenes": scenes}, tmp_path)
    products = {"film": tmp_path / "film.mp4", "poster": tmp_path / "poster.png"}
    with pytest.raises(CourseError, match="section 0 of `Flow` cannot be cut out: it lasts 90 frames"):
        film({**newer.inputs, "timeline": made.with_suffix(".json")}, products, {}, course.folder / "cache")


def test_poster_is_the_title_slide(made: Path) -> None:
    assert (np.asarray(Image.open(made.with_name("poster.png"))) == picture(10)).all()


def test_other_size_or_quality(course: Course, made: Path, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="slides are 320x180, but quality `hd` is 1280x720"):
        course.build("broken", quality="hd")
    broken = with_json(course, "frames", {"width": 322}, tmp_path)
    with pytest.raises(CourseError, match="`Flow` is 320x180, the slides are 322x180"):
        broken.build("broken")


# ------------------------------------------------------------------ in a browser


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves one folder, with byte ranges, as a web server does."""

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.name == "page.html":
            data, kind = b"<video id=v muted></video><canvas id=c width=64 height=36></canvas>", "text/html"
        elif path.is_file():
            data, kind = path.read_bytes(), "video/mp4"
        else:  # the browser asks for an icon
            self.send_error(404)
            return
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        last = int(wanted[2]) if wanted and wanted[2] else len(data) - 1
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data[first : last + 1])


SEEK = """async t => { const v = document.getElementById('v');
  const c = document.getElementById('c').getContext('2d', {willReadFrequently: true}), a = performance.now();
  await new Promise(r => { v.onseeked = r; v.currentTime = t }); const took = performance.now() - a;
  await new Promise(r => setTimeout(r, 30)); c.drawImage(v, 0, 0, 64, 36);
  return [took, Array.from(c.getImageData(0, 0, 64, 36).data)] }"""
PLAY = """async t => { const v = document.getElementById('v'), seen = [];
  await new Promise(r => { v.onseeked = r; v.currentTime = t });
  const note = (now, m) => { seen.push(m.mediaTime); v.requestVideoFrameCallback(note) };
  v.requestVideoFrameCallback(note); await v.play(); await new Promise(r => setTimeout(r, 2500)); v.pause();
  return [seen, v.currentTime, v.getVideoPlaybackQuality().droppedVideoFrames] }"""


@pytest.mark.browser
@pytest.mark.slow
def test_chromium_seeks_and_plays(course: Course, made: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(RangeHandler, directory=str(made.parent))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    states = {"s01": [10], "s02": [20, 21, 22, 23], "s04": [40]}
    moments = []
    for slide in course.plan.slides:
        for beat in slide.beats if slide.scene is None else []:
            for at in (0.02, beat.frames / FPS / 2, beat.frames / FPS - 0.05):
                moments.append((beat.start / FPS + at, states[slide.id][beat.step]))
    known = {seed: thumbnail(seed) for _, seed in moments}
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"],
            )
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
            length = page.evaluate(
                "() => new Promise((r, e) => { const v = document.getElementById('v');"
                "v.onloadedmetadata = () => r(v.duration); v.onerror = () => e(v.error.message); v.src = 'film.mp4' })"
            )
            assert length == pytest.approx(course.plan.frames / FPS, abs=0.05)
            took = []
            np.random.default_rng(1).shuffle(moments)
            for at, seed in moments:
                ms, pixels = page.evaluate(SEEK, at)
                image = np.array(pixels, float).reshape(36, 64, 4)[..., :3]
                nearest = min(known, key=lambda s: np.abs(known[s] - image).mean())
                assert nearest == seed, f"at {at:.2f} s Chromium shows {nearest}, not {seed}"
                took.append(ms)
            change = course.plan.slides[1].beats[1].start / FPS
            seen, end, dropped = page.evaluate(PLAY, change - 1.0)
            browser.close()
    finally:
        server.shutdown()
    print(f"median seek {median(took):.0f} ms of {len(took)}; played to {end:.2f} s, {dropped} dropped")
    assert any(abs(t - change) < 0.001 for t in seen), (change, seen)
    assert end > change
