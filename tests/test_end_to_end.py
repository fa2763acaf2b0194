"""The whole way, on a course of two toy days whose runs take a second, judged by programs that are not ours."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from pptx import Presentation

from coursebuild.assets import ASSETS, cache_dir
from coursebuild.files import ROOT
from coursebuild.model import TimedSentence, Timeline
from coursebuild.scaffold import create_day
from tests.test_course import SYLLABUS
from tests.test_film import decoded_pictures, decoded_sound

pytestmark = pytest.mark.slow
BUILD = [sys.executable, str(ROOT / "build.py")]
DRAFT = ["--preset", "smoke", "--quality", "draft", "--voice", "silent", "--jobs", "2"]


def build(root: Path, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUILD, *args, "--root", str(root)],
        capture_output=True,
        text=True,
        env={**os.environ, "CI": "true", "COLUMNS": "200", **(env or {})},
        timeout=900,
        check=False,
    )


def probe(path: Path, *what: str) -> dict:
    done = subprocess.run(
        ["ffprobe", "-v", "error", *what, "-of", "json", str(path)], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """The tiny course, built once."""
    root = tmp_path_factory.mktemp("tinycourse")
    (root / "lectures").mkdir()
    (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
    create_day(1, "lines", root)
    create_day(2, "curves", root)
    done = build(root, "all", *DRAFT)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def day(course) -> Path:
    return course / "out" / "day01"


def product(day: Path, suffix: str) -> Path:
    return day / f"day01_lines{suffix}"


def test_every_product_is_there(day):
    for suffix in (".mp4", ".vtt", ".srt", ".pptx", ".html", ".pdf", "_handout.pdf", ".ipynb", ".py"):
        assert product(day, suffix).stat().st_size > 200, suffix
    for name in ("index.html", "poster.png", "record/record.json", "record/arrays.npz", "record/stdout.log"):
        assert (day / name).stat().st_size > 0, name
    assert (day.parent / "index.html").exists()
    assert not list(day.parent.rglob("*.part*"))


def test_the_film_for_ffprobe(day):
    film = product(day, ".mp4")
    timeline = Timeline.load(day / "work" / "timeline.json")
    found = probe(film, "-show_streams", "-show_format", "-show_chapters")
    video, audio, captions, _ = found["streams"]  # the fourth holds the chapters' titles
    assert (video["codec_name"], video["profile"], video["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert (video["width"], video["height"], video["color_space"]) == (960, 540, "bt709")
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert captions["codec_name"] == "mov_text" and captions["tags"]["language"] == "eng"
    assert abs(float(found["format"]["duration"]) - timeline.frames / 30) < 0.05
    assert [c["tags"]["title"] for c in found["chapters"]] == [s.title for s in timeline.slides]
    starts = [float(c["start_time"]) for c in found["chapters"]]
    assert starts == pytest.approx([s.start / 30 for s in timeline.slides], abs=0.002)
    head = film.read_bytes()[:2_000_000]
    assert head.index(b"moov") < head.index(b"mdat")


def test_the_film_decodes_without_a_message(day):
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(product(day, ".mp4")), "-f", "null", "-"], capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr.strip()


def test_captions_follow_the_timeline(day):
    timeline = Timeline.load(day / "work" / "timeline.json")
    vtt = product(day, ".vtt").read_text()
    assert vtt.startswith("WEBVTT")
    said = [s for slide in timeline.slides for beat in slide.beats for s in beat.sentences if s.wav]
    times = [
        float(h) * 3600 + float(m) * 60 + float(s) for h, m, s in re.findall(r"(\d+):(\d\d):(\d\d\.\d{3}) -->", vtt)
    ]
    for sentence in said:
        assert min(abs(t - sentence.start / 30) for t in times) < 0.04
    assert product(day, ".srt").read_text().count("-->") == len(times)


# ------------------------------------------------------------------ one clock: what is seen, heard and read


@pytest.fixture(scope="module")
def spoken(course, tmp_path_factory) -> Path:
    """The first day with a voice that can be heard: the neural one where it is in the cache."""
    root = tmp_path_factory.mktemp("spoken") / "course"
    shutil.copytree(course, root)
    voice = "piper" if (cache_dir() / "wheels" / ASSETS["piper-joe"].filename).exists() else "espeak"
    if voice == "espeak" and not shutil.which("espeak-ng"):
        pytest.skip("no voice can be heard here")
    done = build(root, "1", *DRAFT, "--voice", voice, "--only", "video")
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "out" / "day01"


def sentences(day: Path) -> list[TimedSentence]:
    slides = Timeline.load(day / "work" / "timeline.json").slides
    return [s for slide in slides for beat in slide.beats for s in beat.sentences]


def test_every_sentence_is_heard_when_the_timeline_says(spoken):
    """Each one's sound file is looked for in the whole sound of the film; at most a frame beside is allowed."""
    rate = 8000
    track = decoded_sound(product(spoken, ".mp4"), rate)
    errors = []
    for said in sentences(spoken):
        source = decoded_sound(spoken / "work" / "speech" / said.wav, rate)
        size = 1 << (len(track) + len(source)).bit_length()
        score = np.fft.irfft(np.fft.rfft(track, size) * np.conj(np.fft.rfft(source, size)), size)
        errors.append(int(np.argmax(score[: len(track)])) / rate - said.start / 30)
    print(f"{len(errors)} sentences, at most {1000 * max(map(abs, errors)):.1f} ms beside the timeline")
    assert len(errors) > 8 and max(map(abs, errors)) <= 1 / 30


def test_every_picture_is_seen_when_the_timeline_says(spoken):
    """At the frame at which a beat begins the film has a new picture, nearer to its own than to the one before."""
    work = spoken / "work"
    film = {round(30 * t): picture for t, picture in decoded_pictures(product(spoken, ".mp4"))}
    drawn = json.loads((work / "frames" / "frames.json").read_text())["slides"]
    clips = json.loads((work / "clips" / "clips.json").read_text())["scenes"]
    wanted: list[tuple[int, np.ndarray, np.ndarray]] = []  # of a beat: start, first and last picture
    for slide in Timeline.load(work / "timeline.json").slides:
        if slide.scene:
            clip = clips[slide.scene]
            moving = {round(30 * t): picture for t, picture in decoded_pictures(work / "clips" / clip["file"])}
            parts = [[moving[f] for f in sorted(moving) if 0 <= f - s["start"] < s["frames"]] for s in clip["sections"]]
            wanted += [(b.start, parts[b.section][0], parts[b.section][-1]) for b in slide.beats]
        else:
            states = [thumbnail_of(work / "frames" / state["png"]) for state in drawn[slide.id]]
            wanted += [(b.start, states[b.step], states[b.step]) for b in slide.beats]
    changes = [(old, start, new) for (_, _, old), (start, new, _) in pairwise(wanted) if apart(old, new) > 0.2]
    for old, start, new in changes:
        assert start in film, f"no picture begins at frame {start}"
        before = film[max(f for f in film if f < start)]
        assert apart(film[start], new) < apart(film[start], old), f"the picture of frame {start} comes late"
        assert apart(before, old) < apart(before, new), f"the picture of frame {start} comes early"
    assert len(changes) > 6


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def test_every_word_of_the_captions_is_read_when_it_is_heard(spoken):
    heard = [
        (word, said.start / 30 + at.start)
        for said in sentences(spoken)
        for word, at in zip(said.written.split(), said.words, strict=True)
    ]
    pattern = r"(\d+):(\d\d):(\d\d\.\d{3}) --> \S+\n(.+(?:\n.+)?)"
    read = 0
    for hours, minutes, seconds, text in re.findall(pattern, product(spoken, ".vtt").read_text()):
        words = html.unescape(text).split()
        assert [w for w, _ in heard[read : read + len(words)]] == words
        begins = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        assert abs(begins - heard[read][1]) <= 1 / 30, (words[0], begins, heard[read])
        read += len(words)
    assert read == len(heard) > 60


def thumbnail_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((64, 36), Image.Resampling.BOX), float)


def test_the_pptx_opens_and_is_valid(day):
    from openxml_audit import OpenXmlValidator

    deck = Presentation(str(product(day, ".pptx")))
    assert len(deck.slides) == len(Timeline.load(day / "work" / "timeline.json").slides)
    assert all(s.has_notes_slide and s.notes_slide.notes_text_frame.text.strip() for s in deck.slides)
    assert all(s.shapes.title.text_frame.text.strip() for s in deck.slides)
    assert any(n.endswith(".mp4") for n in zipfile.ZipFile(product(day, ".pptx")).namelist())
    found = OpenXmlValidator().validate(str(product(day, ".pptx")))
    assert found.is_valid, list(found.errors)[:5]


@pytest.mark.office
def test_libreoffice_opens_the_pptx(day, tmp_path):
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    argv = ["soffice", "--headless", profile, "--convert-to", "pdf", "--outdir", tmp_path, product(day, ".pptx")]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    text = subprocess.run(
        ["pdftotext", str(tmp_path / "day01_lines.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "What the run shows" in text and "Quick check" in text


def test_pdfs_are_tagged_and_complete(day):
    slides = len(Timeline.load(day / "work" / "timeline.json").slides)
    for suffix, pages in ((".pdf", slides), ("_handout.pdf", None)):
        info = subprocess.run(["pdfinfo", str(product(day, suffix))], capture_output=True, text=True, check=True).stdout
        assert re.search(r"Tagged:\s+yes", info)
        if pages:
            assert int(re.search(r"Pages:\s+(\d+)", info)[1]) == pages


def test_the_notebook_is_valid_and_empty_of_outputs(day):
    book = nbformat.read(product(day, ".ipynb"), as_version=4)
    nbformat.validate(book)
    assert not [c for c in book.cells if c.get("outputs")]
    assert "colab.research.google.com/github/" in book.cells[0].source


@pytest.mark.browser
def test_chromium_reads_slides_and_page(day):
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for path, ready in ((product(day, ".html"), "window.Reveal && Reveal.isReady()"), (day / "index.html", "true")):
            page = browser.new_page()
            said, asked = [], []
            page.on("console", lambda m, said=said: said.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda e, said=said: said.append(str(e)))
            page.on("request", lambda r, asked=asked: asked.append(r.url) if r.url.startswith("http") else None)
            page.goto(path.as_uri())
            while not page.evaluate(ready):  # wait_for_function evaluates text, which the slides' policy forbids
                page.wait_for_timeout(50)
            assert not said and not asked, (path.name, said, asked)
        seek = """async () => { const v = document.querySelector('video'); v.muted = true;
            await new Promise(r => { v.onseeked = r; v.currentTime = 3; }); await v.play();
            await new Promise(r => setTimeout(r, 800)); return [v.currentTime, v.error] }"""
        now, error = page.evaluate(seek)
        assert now > 3.3 and error is None
        browser.close()


def test_nothing_changed_nothing_runs(course):
    done = build(course, "all", *DRAFT)
    assert done.returncode == 0 and "all up to date" in done.stdout


def states(course: Path) -> dict[str, set[str]]:
    report = json.loads((course / "out" / "report.json").read_text())["states"]
    return {s: {n for n, state in report.items() if state == s} for s in set(report.values())}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_one_spoken_word_rebuilds_what_contains_it(course):
    edit(course / "lectures" / "day02_curves.md.j2", "Take a moment.", "Take a breath.")
    told = build(course, "explain", "2", *DRAFT[:6]).stdout
    assert re.search(r"day02-lecture: lecture \(lectures/day02_curves.md.j2\) changed", told)
    assert "day02-run: up to date" in told
    assert build(course, "all", *DRAFT).returncode == 0
    built = states(course)["built"]
    # not the site: it says how long a film is, and this one is as long as before
    assert built == {
        f"day02-{k}" for k in ("lecture", "narrate", "handout", "pptx", "html", "timeline", "film", "page")
    }


def test_a_failing_script_blocks_its_day_alone(course):
    script = course / "scripts" / "day02_curves.py"
    good = script.read_text()
    edit(script, "TRUE_SLOPE = 2.0", "TRUE_SLOPE = 2.0 / 0")
    edit(course / "lectures" / "day01_lines.md.j2", "Welcome to day", "Hello on day")
    done = build(course, "all", *DRAFT)
    line = script.read_text().split("\n").index("TRUE_SLOPE = 2.0 / 0") + 1
    assert done.returncode == 1
    assert re.search(rf"day02_curves\.py:{line}: .*ZeroDivisionError", done.stdout)
    assert "day02-run" in states(course)["failed"] and "day01-film" in states(course)["built"]
    assert (course / "out" / "day02" / "day02_curves.mp4").exists()  # the last good one stays
    script.write_text(good)
    assert build(course, "all", *DRAFT).returncode == 0


def test_mistakes_on_the_command_line_and_in_sources(course):
    for args, what in (
        (["9"], "no lecture for day 9"),
        (["1", "--voice", "pipper"], "did you mean `piper`?"),
        (["1", "--only", "vidio"], "did you mean `video`?"),
        (["1", "--set", "epochs"], "--set epochs=3"),
        (["1", "--from-records"], "no recorded run"),
    ):
        done = build(course, *args)
        assert done.returncode == 1 and what in done.stdout + done.stderr, (args, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr


LECTURE, SCRIPT = "lectures/day01_lines.md.j2", "scripts/day01_lines.py"
MISTAKES = {
    "broken Jinja": (LECTURE, "{% endif %}", "", r"day01_lines\.md\.j2:\d+: broken Jinja"),
    "unknown metric": (LECTURE, "run.slope", "run.slop", r"md\.j2:\d+: no metric `slop`\n  -> did you mean `slope`"),
    "unknown LaTeX": (LECTURE, "## One thing", "$\\nonsense$\n> x\n\n## One thing", r"md\.j2:\d+: "),
    "missing figure": (LECTURE, 'figure("fit"', 'figure("fitt"', r"md\.j2:\d+: the script labels no figure `fitt`"),
    "NaN": (SCRIPT, '"slope": np.mean(slopes)', '"slope": np.nan', r"day01_lines\.py:\d+: .*slope.*(nan|NaN)"),
    "syntax error": (SCRIPT, "slopes = []", "slopes = [", r"day01_lines\.py:\d+: "),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_source_is_one_clear_error(course, name):
    file, old, new, want = MISTAKES[name]
    good = (course / file).read_text()
    try:
        edit(course / file, old, new)
        done = build(course, "1", *DRAFT, "--only", "slides")
    finally:
        (course / file).write_text(good)
    assert done.returncode == 1 and re.search(want, done.stdout), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr and "defect" not in done.stdout


def test_a_recorded_run_can_be_built_from(course):
    out = course / "from-records"
    run = subprocess.run(
        [*BUILD, "run", "1", "--preset", "smoke", "--record", "--root", str(course), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0 and "CLAIM the fitted slope" in run.stdout, run.stdout + run.stderr
    wanted = ["1", "--from-records", "--only", "pdf", "--out", str(out), "--quality", "draft"]
    done = build(course, *wanted)
    assert done.returncode == 0, done.stdout
    record = json.loads((out / "day01" / "record" / "record.json").read_text())
    assert record["provenance"]["recorded"] is True
    assert {"fit.dark.png", "fit.light.png"} <= set(record["figures"]["fit"]["sha256"])
    edit(course / SCRIPT, "TRUE_SLOPE = 2.0", "TRUE_SLOPE = 2.00")
    done = build(course, *wanted)
    edit(course / SCRIPT, "TRUE_SLOPE = 2.00", "TRUE_SLOPE = 2.0")
    assert done.returncode == 1 and "has changed since its results were recorded" in done.stdout


def test_a_scene_with_other_sections_than_the_lecture_has_beats(course):
    lecture = course / "lectures" / "day01_lines.md.j2"
    good = lecture.read_text()
    edit(lecture, "> Then the line, as the run fitted it.\n", "")
    done = build(course, "1", *DRAFT)
    assert done.returncode == 1 and re.search(r"day01_lines\.py:\d+: .*Fit.*2.*1", done.stdout), done.stdout
    lecture.write_text(good)


def test_without_network_and_without_cache_the_error_says_what_to_do(course, tmp_path):
    nowhere = {"DL50_CACHE": str(tmp_path / "empty"), "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1"}
    done = build(course, "1", *DRAFT, "--out", str(tmp_path / "out"), "--only", "slides", env=nowhere)
    assert done.returncode == 1 and "Inter" in done.stdout and "connect once" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
