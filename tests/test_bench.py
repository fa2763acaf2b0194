"""The bench: its arithmetic, its meter, its judges (on films whose faults are known), its edits and its page."""

from __future__ import annotations

import json
import re
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from coursebuild.files import ROOT
from tests.bench import judge, meter, page, project
from tests.bench.builds import shortened
from tests.bench.content import Content, Shown, Spoken, chosen
from tests.bench.meter import BenchError
from tests.bench.project import Project
from tests.bench.stats import alternated, by_round, paired_ratio, rounds_within
from tests.bench.targets import targets
from tests.fifty import write_course

LECTURE = next((ROOT / "lectures").glob("day04_*.md.j2"))
SIZE = (320, 180)
RATE = 48_000


# ------------------------------------------------------------------ arithmetic


def test_ratios_are_taken_round_by_round():
    # the machine is four times slower in the second round; in each round the rival takes five times as long
    assert paired_ratio([10, 40, 12.5], [2, 8, 2.5]) == 5
    assert paired_ratio([10, 40, 90], [2, 8, 3, 99]) == 5  # an incomplete round does not count; 5, 5, 30
    assert paired_ratio([], [1]) is None
    assert by_round([1, 2, 9, 4, 5, 6], 2) == [2, 5] and by_round([1, 2, 3], 3) == [1, 2, 3] == by_round([1, 2, 3], 2)
    assert by_round([4, 5], 0) == [4, 5]


def test_rivals_take_turns_and_one_that_fails_is_left_out():
    order = []

    def way(name, fails=False):
        def go():
            order.append(name)
            if fails:
                raise BenchError("no such program")
            return name.upper()

        return go

    ways = {"a": way("a"), "b": way("b", fails=True), "c": way("c"), "slow": way("slow")}
    found, failed = alternated(ways, 3, 60, once={"slow"})
    assert order == ["a", "b", "c", "slow", "c", "a", "a", "c"]
    assert found == {"a": ["A"] * 3, "b": [], "c": ["C"] * 3, "slow": ["SLOW"]}
    assert failed == {"b": "no such program"}


def test_rounds_end_when_the_next_would_take_too_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tests.bench.stats.time.monotonic", lambda: now[0])

    def once(_):
        now[0] += 10

    assert rounds_within(5, 35, once) == 3 and now[0] == 30
    assert rounds_within(5, 1, once) == 1
    assert rounds_within(2, 1000, once) == 2


# ------------------------------------------------------------------ meter

BURN = "import time\nwhile time.process_time() < 0.4: pass\n"


def test_orphans_are_counted_and_waited_for(tmp_path):
    """A process that burns CPU after its parent has ended belongs to the command all the same."""
    done = tmp_path / "done"
    orphan = f"{BURN}open({str(done)!r}, 'w').close()"
    parent = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {orphan!r}], start_new_session=True)"
    usage = meter.run([sys.executable, "-c", parent], cwd=tmp_path, log=tmp_path / "x.log")
    assert done.exists() and usage.wall >= 0.4
    assert 0.4 <= usage.cpu < 1.5


def test_memory_of_a_command(tmp_path):
    hold = "x = bytearray(b'1') * 120_000_000\nimport time\ntime.sleep(1)"
    usage = meter.run([sys.executable, "-c", hold], cwd=tmp_path, log=tmp_path / "x.log")
    assert 110e6 < usage.peak < 200e6


def test_a_command_that_fails_or_hangs(tmp_path):
    fail = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    with pytest.raises(BenchError, match=r"status 1: the disk is full"):
        meter.run(fail, cwd=tmp_path, log=tmp_path / "x.log")
    pid = tmp_path / "pid"
    sleep = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    with pytest.raises(BenchError, match=r"took more than 2 s"):
        meter.run([sys.executable, "-c", sleep], cwd=tmp_path, log=tmp_path / "x.log", timeout=2)
    assert not Path(f"/proc/{pid.read_text()}").exists()


# ------------------------------------------------------------------ judges


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Content:
    """Three pictures of 2 s, each with half a second of noise that starts 0.5 s after it."""
    folder, rng = tmp_path_factory.mktemp("content"), np.random.default_rng(3)
    shown = []
    for k in range(3):
        image = np.kron(rng.integers(40, 216, (6, 8, 3)), np.ones((30, 40, 1))).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{k}.png")
        with wave.open(str(folder / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(rng.integers(-9000, 9000, RATE // 2).astype("<i2").tobytes())
        said = [Spoken(str(folder / f"{k}.wav"), 60 * k + 15)]
        shown.append(Shown(f"s{k}", str(folder / f"{k}.png"), 60 * k, 60, said))
    return Content(*SIZE, 30, 180, shown)


def film(content: Content, path: Path, *, picture_late: int = 0, sound_late: float = 0.0, gop: int = 10) -> Path:
    """The content with every change of picture `picture_late` frames and all sound `sound_late` seconds too late."""
    pictures = [av.VideoFrame.from_image(Image.open(s.png)) for s in content.shown]
    track = np.zeros(6 * RATE, np.float32)
    for shown in content.shown:
        with wave.open(shown.sentences[0].wav) as file:
            samples = np.frombuffer(file.readframes(RATE), "<i2").astype(np.float32) / 32768
        start = round((shown.sentences[0].start / 30 + sound_late) * RATE)
        track[start : start + len(samples)] = samples
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"crf": "4", "preset": "ultrafast", "bf": "0"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv444p"
        video.codec_context.gop_size = gop
        audio = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for k in range(180):
            frame = pictures[min(2, max(0, k - picture_late) // 60)]
            frame.pts, frame.time_base, frame.pict_type = k, Fraction(1, 30), 0
            out.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray((track[None] * 32767).astype(np.int16), format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(audio.encode(sound))
        for stream in (video, audio):
            out.mux(stream.encode(None))
    return path


def test_a_film_on_time(content, tmp_path):
    found = judge.judged(film(content, tmp_path / "film.mov"), content)
    assert found["sync"] == {"states": 3, "sentences": 3, "missed": 0, "between": 0, "picture": 0, "sound": 0}
    assert found["psnr_min"] > 38 and found["coded_pictures"] == 180
    json.dumps(found)


def test_what_is_late_is_found(content, tmp_path):
    found = judge.sync(film(content, tmp_path / "film.mov", picture_late=2, sound_late=0.105), content)
    assert found.picture == pytest.approx(2000 / 30, abs=0.2)
    assert found.sound == pytest.approx(105, abs=0.2)
    assert found.between == pytest.approx(105, abs=0.2)  # of the first, whose picture is not late


def test_a_picture_that_never_comes_is_missed(content, tmp_path):
    assert judge.sync(film(content, tmp_path / "film.mov", picture_late=90), content).missed == 1


def test_pictures_to_decode(content, tmp_path):
    path = film(content, tmp_path / "film.mov", gop=10)
    assert judge.seek_work(path, [0.0, 13.5 / 30, 19.5 / 30, 20.5 / 30]) == [1, 4, 10, 1]


# ------------------------------------------------------------------ edits and cuts


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]


@pytest.mark.parametrize("k", [0, 1, 7, 14, 21])
def test_edits_change_one_word_of_the_right_line(k):
    text = LECTURE.read_text()
    for edit, mark in ((project.one_word, "> "), (project.one_bullet, "- ")):
        ((before, after),) = changed_lines(text, edit(text, k))
        assert before.startswith(mark) and after.startswith(mark)
        different = [(a, b) for a, b in zip(before.split(), after.split(), strict=True) if a != b]
        assert len(different) == 1 and len(different[0][1]) <= len(different[0][0])
        assert re.findall(r"\{[{%].*?[%}]\}", before) == re.findall(r"\{[{%].*?[%}]\}", after)
        assert edit(text, k) != edit(text, k + 1)


def test_edits_of_script_and_theme():
    script = next((ROOT / "scripts").glob("day04_*.py")).read_text()
    ((before, after),) = changed_lines(script, project.constant(script, 0))
    assert (before.strip(), after.strip()) == ("seed=4,", "seed=5,")
    assert project.comment(script, 3).splitlines()[:-1] == script.rstrip().splitlines()
    theme = (ROOT / "templates" / "theme.json").read_text()
    before, after = (json.loads(t)["themes"] for t in (theme, project.colour(theme, 1)))
    assert {k for k in before["dark"] if before["dark"][k] != after["dark"][k]} == {"accent"}
    assert before["light"] == after["light"]


def test_a_lecture_is_cut_to_length(sample_work):
    text = "# Part\nhead\n## One\na\n{% if x %}\n## Two\nb\n{% endif %}\n## Three\nc\n## Four\nd\n"
    cut = shortened(text, sample_work, 35)
    assert cut == "# Part\nhead\n## One\na\n{% if x %}\n{% endif %}\n## Three\nc\n"
    with pytest.raises(BenchError, match="no slide of the lecture could be left out"):
        shortened(text, sample_work, 100)


@pytest.fixture
def sample_work():
    """A title of 5 s, then slides of 10, 20, 10 (animated) and 20 s, on lines 3, 6, 9 and 11."""
    from types import SimpleNamespace as Any

    lines, seconds, scenes = (1, 3, 6, 9, 11), (5, 10, 20, 10, 20), (None, None, None, "Move", None)
    timed = [
        Any(frames=30 * s, scene=c, beats=[Any(step=0), Any(step=1)]) for s, c in zip(seconds, scenes, strict=True)
    ]
    return Any(deck=Any(slides=[Any(line=n) for n in lines]), plan=Any(slides=timed))


def test_slides_are_chosen_that_fit(sample_work):
    assert [s.frames // 30 for s in chosen(sample_work.plan, 36)] == [5, 10, 20]
    assert [s.frames // 30 for s in chosen(sample_work.plan, 28)] == [5, 10]
    with pytest.raises(BenchError, match="at most 4 s"):
        chosen(sample_work.plan, 4)


# ------------------------------------------------------------------ targets and page


def measured(rival: float, sentence: float = 3.0) -> dict:
    """A small performance.json: our slides cost 1 CPU s, those of moviepy `rival`."""

    def usage(*cpu: float) -> list[dict]:
        return [{"cpu": c, "wall": c / 2, "peak": 2**28} for c in cpu]

    step = {"seconds": 2.0, "cpu_seconds": 2.0, "peak_bytes": 2.0**27}
    built = [{"usage": u, "steps": {"day04-narrate": step}} for u in usage(sentence, sentence, sentence)]
    judged = {
        "sync": {"states": 9, "sentences": 9, "missed": 0, "between": 0.0, "picture": 0.0, "sound": 0.0},
        **{"psnr_mean": 43.0, "psnr_min": 42.0, "bytes": 10**6, "coded_pictures": 9, "starts_at_once": True},
        **{"seek_pictures_median": 2, "seek_pictures_max": 4},
    }
    names = ("cold", "nothing to do", "one word of the narration, film alone", "one word of a bullet, film alone")
    return {
        **{"date": "2026-01-01", "minutes": 3.0, "load": [0.1, 0.2], "versions": {"av": "18"}, "quick": False},
        "machine": {"processor": "A", "cores": 2, "memory_gib": 8, "system": "Linux", "python": "3.11"},
        "missing": {"clip_floor": "the scene failed"},
        "day": {
            **{"number": 4, "options": "", "minutes": 10.0, "files": {".mp4": 2**24}, "experiment": []},
            "commands": dict.fromkeys(names, built),
            "noop_profile": [["marshal.loads", 0.2, 0.5]],
        },
        "part": {
            **{"slides": ["s02"], "seconds": 60.0, "states": 3, "sentences": 5, "size": [1920, 1080]},
            "usage": {"this project": usage(1, 1, 1), "moviepy, medium": usage(rival, rival, 9 * rival)},
            **{
                "failed": {"Manim, wait": "no font"},
                "judged": {"this project": judged},
                "profile": [["encode", 0.9, 0.9]],
            },
        },
    }


def test_verdicts_follow_the_numbers():
    def verdicts(data: dict) -> dict[str, bool | None]:
        return {t.name: t.met for t in targets(data)}

    name = "slides and assembly: CPU of moviepy (medium) / ours"
    assert verdicts(measured(40.0))[name] is True
    assert verdicts(measured(39.9))[name] is False
    word = "one word of the narration, until it is in the film: CPU seconds"
    assert (verdicts(measured(1, 5.0))[word], verdicts(measured(1, 5.1))[word]) == (True, False)
    by_name = {t.name: t for t in targets(measured(1))}
    assert by_name["a clip: CPU / floor of Cairo and libx264"].missing == "the scene failed"
    assert by_name["slides and assembly: CPU of Manim (wait) / ours"].missing == "no font"
    assert by_name["seek in Chromium, whole film: median"].met is None


def test_the_page_explains_what_falls_short():
    text = page.render(measured(20.0), [{"what": "less", "ratio": 1.5, "n": 3, "kept": True}])
    assert "| slides and assembly: CPU of moviepy (medium) / ours | at least 40× | 20.0× | 3 | **NOT MET** |" in text
    assert "### Short of it: slides and assembly: CPU of moviepy (medium) / ours" in text
    assert "The largest part is `encode` with 90%." in text
    assert "- clip_floor: the scene failed" in text and "Not measured: Manim, wait: no font." in text
    assert "| less | 1.50× | 3 | kept |" in text
    met = page.render(measured(50.0, 0.9), [])
    assert "Short of it" not in met and "**NOT MET**" not in met


def test_what_is_at_its_floor_is_said():
    """Clips at twice their floor: half of the animations' time, and the voice, are not the builder's."""
    data = measured(50.0)
    runs = [{"ours": 6.0, "raster": 2.0, "x264": 1.0}] * 3
    data["missing"] = {}
    data["clip_floor"] = {"scenes": {"A": {"ours": 6.0, "floor": 3.0, "ratio": 2.0, "n": 3, "runs": runs}}}
    steps = {f"day04-{name}": {"cpu_seconds": spent} for name, spent in (("animate", 40.0), ("narrate", 25.0))}
    build = {"usage": {"cpu": 70.0, "wall": 50.0, "peak_bytes": 1.0}, "steps": steps}
    data["five"] = {"minutes": 5.0, "slides": 7, "animated_share": 0.4, "commands": {"film, cold": [build]}}
    found = {t.name: t for t in targets(data)}
    five = next(t for name, t in found.items() if name.startswith("a lecture of five minutes"))
    assert five.met is False and "is 4.0 CPU s" in five.because and "takes 5.0: together 9.0" in five.because
    clip = found["a clip: CPU / floor of Cairo and libx264"]
    assert clip.profile[-1] == ["all the rest", 3.0, 0.5] and "3.00 CPU s" in clip.because


def test_the_page_is_that_of_the_numbers():
    """docs/PERFORMANCE.md can be made from docs/performance.json, and was."""
    numbers = ROOT / "docs" / "performance.json"
    if not numbers.exists():
        pytest.skip("nothing has been measured yet")
    text = page.render(json.loads(numbers.read_text()), page.load_tunings())
    assert text == (ROOT / "docs" / "PERFORMANCE.md").read_text(), "run: make bench ARGS=--render"
    assert str(ROOT) not in text and "/tmp" not in text


# ------------------------------------------------------------------ a tiny run


@pytest.mark.slow
def test_builds_of_a_copy_are_measured(tmp_path):
    before = {p: p.stat().st_mtime_ns for p in (ROOT / "lectures").iterdir()}
    write_course(tmp_path / "course", 2)
    course = Project(tmp_path / "copy", ROOT, "all", course=tmp_path / "course")
    cold, again = course.build("--only", "notebook"), course.build("--only", "notebook")
    assert set(cold.steps) == {"day01-notebook", "day02-notebook"} and not again.steps
    assert cold.usage.cpu > again.usage.cpu > 0.05
    lecture = tmp_path / "course" / "lectures" / "day01_lines_1.md.j2"
    course.edit(lecture, lambda text: project.one_word(text, 0))
    with pytest.raises(BenchError, match="does not lie in the copy"):
        course.edit(LECTURE, lambda text: project.one_word(text, 0))
    with pytest.raises(BenchError, match="found nothing to change"):
        course.edit(lecture, lambda text: text)
    assert before == {p: p.stat().st_mtime_ns for p in (ROOT / "lectures").iterdir()}
