"""What a machine can refuse, and what can be damaged: it is mended in silence, or one line says what to do."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab import wheels

from coursebuild import doctor, fonts
from coursebuild.digests import known
from coursebuild.errors import MACHINE, CourseError, of_the_machine
from coursebuild.executors import Local
from coursebuild.files import ROOT
from coursebuild.flow import Step
from coursebuild.graph import build
from coursebuild.model import Beat, Script, SpokenSlide
from coursebuild.scaffold import create_day
from coursebuild.steps import run as run_step
from coursebuild.steps.narrate import narrate
from coursebuild.voices import Take, Voice
from coursebuild.work import execute
from tests import crash_steps
from tests.test_course import SYLLABUS
from tests.test_crash import forked, unfinished

SCRIPT = "metrics = {'a': 1}\n"


# ------------------------------------------------------------------ scripts that die or hang


def run_script(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> CourseError:
    monkeypatch.setenv("DL50_FONTS", str(tmp_path))
    script = tmp_path / "day07_tiny.py"
    script.write_text(source)
    with pytest.raises(CourseError) as caught:
        run_step.run({"script": script}, {"record": tmp_path / "record"}, {"preset": "smoke"}, tmp_path / "cache")
    return caught.value


@pytest.mark.slow
def test_a_script_that_hangs_is_ended_by_the_limit_of_its_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_step.LIMITS == {"smoke": 120, "quick": 300, "full": 1800}  # seconds, where a script states none
    monkeypatch.setitem(run_step.LIMITS, "smoke", 4)
    deaf = "import signal, time\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(1)\n"
    begin = time.monotonic()
    error = run_script(tmp_path, deaf + SCRIPT, monkeypatch)
    assert time.monotonic() - begin < 20
    assert "limit of 4 seconds" in error.what and "LIMIT_SECONDS" in error.hint and "preset" in error.hint
    assert error.file.endswith("day07_tiny.py") and error.line == 1


@pytest.mark.slow
def test_a_script_that_is_killed_says_that_memory_ran_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = run_script(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n" + SCRIPT, monkeypatch)
    assert "memory ran out" in error.what and "--jobs 1" in error.hint
    assert error.file.endswith("day07_tiny.py")


# ------------------------------------------------------------------ what the machine refuses


def toy(tmp_path: Path, what: str) -> Step:
    (tmp_path / "x").write_text(what)
    return Step("day01-toy", 1, "tests.crash_steps:fault", {"x": tmp_path / "x"}, {"y": tmp_path / "out" / "y.txt"})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    step = toy(tmp_path, "full")
    with pytest.raises(CourseError) as caught:
        execute(step, tmp_path / "cache", 1)
    assert "disk is full" in caught.value.what and caught.value.file == str(step.products["y"])
    assert "free some space" in caught.value.hint and "same command again" in caught.value.hint
    assert not step.products["y"].exists() and not unfinished(tmp_path)


def test_memory_that_runs_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="memory ran out") as caught:
        execute(toy(tmp_path, "memory"), tmp_path / "cache", 1)
    assert "--jobs 1" in caught.value.hint


@pytest.mark.parametrize("number", MACHINE, ids=errno.errorcode.get)
def test_each_refusal_of_the_system_has_words(number: int) -> None:
    error = of_the_machine(OSError(number, "in the system's words", "/some/where"))
    assert error is not None and error.file == "/some/where" and error.what and error.hint
    assert (
        of_the_machine(FileNotFoundError(errno.ENOENT, "no such file")) is None
    )  # that is a defect, and looks like it


@pytest.mark.slow
def test_an_error_that_cannot_travel_does_not_look_like_a_dead_worker(tmp_path: Path) -> None:
    """Between processes an exception is made again from its arguments; where that fails, a pool counts as broken."""
    step = toy(tmp_path, "picky")
    outcome = build([step], Local(1, tmp_path / "cache"), tmp_path, tmp_path / "out", lambda *_: None)
    error = outcome.errors["day01-toy"]
    assert isinstance(error, RuntimeError) and "Picky: two arguments" in str(error)


# ------------------------------------------------------------------ a whole command


class Course:
    """A course of one day, nothing of it built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "lectures").mkdir(parents=True)
        (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
        create_day(1, "lines", root)

    def build(
        self, *more: str, voice: str = "silent", limit: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, ROOT / "build.py", "1", "--root", self.root, "--jobs", "1"]
        argv += ["--preset", "smoke", "--quality", "draft", "--voice", voice, *more]
        limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))} if limit else {}
        env = {**os.environ, "CI": "true", "COLUMNS": "200", **environment}
        done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=300, check=False, **limits)
        assert "Traceback" not in done.stdout + done.stderr and "defect" not in done.stdout
        return done


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path / "course")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own (150 MB, in memory), where this is allowed."""
    yield from mounted(tmp_path / "disk", "size=150m")


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no program `mount`")
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_script_runs(course: Course, disk: Path) -> None:
    """Not even the error fits on it. Afterwards the same command finishes."""
    script = course.root / "scripts" / "day01_lines.py"
    filler = (
        "\n# %%\nimport pathlib\n"
        f"while pathlib.Path({str(course.root / 'fill')!r}).exists():\n"
        "    try:\n"
        "        with open('ballast', 'ab', buffering=0) as ballast:\n"
        "            ballast.write(bytes(1048576)) or 1 / 0\n"
        "    except (OSError, ZeroDivisionError):\n"
        "        break\n"
    )
    script.write_text(script.read_text() + filler)
    wanted = ["--out", str(disk / "out"), "--only", "record"]
    places = {"TMPDIR": str(disk), "DL50_FONTS": str(course.root)}
    (course.root / "fill").touch()
    done = course.build(*wanted, **places)
    assert done.returncode == 1, done.stdout
    assert "disk is" in done.stdout and "full" in done.stdout and "same command again" in done.stdout
    assert not unfinished(disk) and [p.name for p in disk.iterdir()] == ["out"]
    assert not (disk / "out" / "day01" / "record").exists()
    (course.root / "fill").unlink()
    done = course.build(*wanted, **places)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_disk_that_is_full_is_found_before_anything_is_run(course: Course, disk: Path) -> None:
    with (disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, 80_000_000)
    done = course.build("--out", str(disk / "out"))
    assert done.returncode == 1 and "MB of disk are free" in done.stderr and "--out" in done.stderr
    assert "start" not in done.stdout


@pytest.mark.slow
def test_a_file_that_may_not_grow(course: Course) -> None:
    """A quota that needs no rights to be set: no file larger than 4 kB. Pictures are larger."""
    done = course.build("--only", "record", limit=4_000)
    assert done.returncode == 1 and "larger than this account may write" in done.stdout, done.stdout + done.stderr
    assert "ulimit -f" in done.stdout and not unfinished(course.root)


@pytest.mark.slow
def test_an_out_that_cannot_be_written(course: Course) -> None:
    for folder in mounted(course.root / "out", "size=1m,ro"):
        done = course.build()
        assert done.returncode == 1 and str(folder) in done.stderr
        assert "read-only" in done.stderr and "--out" in done.stderr and "start" not in done.stdout


@pytest.mark.slow
def test_a_folder_in_out_that_cannot_be_written(course: Course) -> None:
    (course.root / "out").mkdir()
    for folder in mounted(course.root / "out" / "day01", "size=1m,ro"):
        done = course.build("--only", "record", DL50_FONTS=str(course.root))
        assert done.returncode == 1 and str(folder) in done.stdout
        assert "read-only" in done.stdout and "--out" in done.stdout


def test_what_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of any step, too; root may read everything, so the refusal is played."""
    from click.testing import CliRunner

    from coursebuild import cli, course

    def refuse(root: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "lectures"))

    monkeypatch.setattr(course, "find_days", refuse)
    done = CliRunner().invoke(cli.main, ["explain", "1", "--root", str(tmp_path)])
    assert done.exit_code == 1 and f"{tmp_path}/lectures: permission denied" in done.output
    assert "Traceback" not in done.output and done.exception.__class__ is SystemExit


def test_a_disk_with_little_room_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage._replace(free=99_000_000))
    with pytest.raises(CourseError, match="only 99 MB of disk are free") as caught:
        doctor.require([], tmp_path)
    assert "--out" in caught.value.hint


# ------------------------------------------------------------------ voices


@pytest.mark.slow
@pytest.mark.parametrize(
    ("voice", "words"), [("kokoro", "pip install kokoro"), ("espeak", "apt-get install espeak-ng")]
)
def test_a_missing_voice_is_found_before_anything_is_run(course: Course, voice: str, words: str) -> None:
    if (
        voice == "kokoro"
        and not subprocess.run([sys.executable, "-c", "import kokoro"], capture_output=True).returncode
    ):
        pytest.skip("kokoro is installed")
    done = course.build(voice=voice, PATH="/nowhere")
    assert done.returncode == 1 and voice in done.stderr and words in done.stderr and "--voice piper" in done.stderr
    assert "start" not in done.stdout
    pictures = course.build("--only", "notebook", voice=voice, PATH="/nowhere")
    assert pictures.returncode == 0, pictures.stderr  # nothing is to be said


class Broken(Voice):
    name = "broken"
    credit = "nobody"
    samples = np.zeros(0, np.float32)

    def identity(self) -> str:
        return "broken"

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        return self.samples, 16_000, None


@pytest.mark.parametrize(
    ("samples", "words"),
    [(np.zeros(32_000), "silence"), (np.full(32_000, np.nan), "not numbers"), (np.zeros(0), "nothing")],
    ids=["silence", "NaN", "nothing"],
)
def test_a_voice_that_says_nothing_names_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: np.ndarray, words: str
) -> None:
    voice = Broken()
    voice.samples = samples.astype(np.float32)
    monkeypatch.setattr("coursebuild.steps.narrate.voice_named", lambda _: voice)
    slide = SpokenSlide("s01", "A slide", [Beat("s01v1", 0, "Every word counts.", 27)])
    Script(4, "T", "en", [slide], "lectures/day04_x.md.j2").save(tmp_path / "spoken.json")
    with pytest.raises(CourseError) as caught:
        narrate({"spoken": tmp_path / "spoken.json"}, {"speech": tmp_path / "s"}, {"voice": "broken"}, tmp_path / "c")
    assert str(caught.value).startswith("lectures/day04_x.md.j2:27: the voice `broken` gave ")
    assert words in caught.value.what and "--voice" in caught.value.hint
    assert not list((tmp_path / "c").rglob("*.wav"))  # nothing of it is kept


# ------------------------------------------------------------------ wheels and fonts


def wheel(folder: Path, text: str) -> Path:
    """A wheel of the distribution `fake` with one font in it."""
    folder.mkdir(exist_ok=True)
    path = folder / "fake-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("fake/font.ttf", text)
        z.writestr("fake/empty.txt", "")
        z.writestr("fake-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
        z.writestr("fake-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("fake-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is a folder, and an empty cache."""
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def fetch(digest: str) -> Path:
    return wheels.fetch_wheel("fake==1.0", "fake-1.0-py3-none-any.whl", digest)


@pytest.mark.slow
def test_a_wheel_with_another_hash_is_refused_and_a_damaged_one_replaced(index: Path) -> None:
    digest = wheels.sha256(wheel(index, "the font"))
    kept = fetch(digest)
    whole = kept.read_bytes()

    for damage in (whole[: len(whole) // 2], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        kept.write_bytes(damage)
        assert fetch(digest) == kept and kept.read_bytes() == whole

    wheel(index, "another font")
    assert fetch(digest).read_bytes() == whole  # what is kept is as good as ever
    kept.write_bytes(b"damaged")
    with pytest.raises(wheels.NoSource) as caught:
        fetch(digest)
    said = str(caught.value)
    assert "sha256 is not the pinned one" in said and "damaged" in said and f"copy {kept.name} to" in said
    assert [p.name for p in kept.parent.iterdir() if p.suffix != ".lock"] == [kept.name]


def test_a_missing_or_damaged_font_is_unpacked_again(tmp_path: Path) -> None:
    path = wheel(tmp_path, "the font")
    font = wheels.extract(path, "fake/", tmp_path / "assets") / "font.ttf"
    for damage in (None, b"the", b"thE font"):
        font.unlink() if damage is None else font.write_bytes(damage)
        wheels.extract(path, "fake/", tmp_path / "assets")
        assert font.read_text() == "the font"
    assert {p.name for p in font.parent.iterdir()} == {"font.ttf", "empty.txt"}


def test_a_static_font_that_is_missing_or_damaged_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def write(folder: Path) -> None:
        made.append(folder)
        folder.mkdir(parents=True)
        for name in ("Inter-Regular.ttf", "Inter-Bold.ttf"):
            (folder / name).write_text(name)

    monkeypatch.setattr(fonts, "_write_all", write)
    folder = fonts.font_dir(tmp_path)
    assert fonts.font_dir(tmp_path) == folder and len(made) == 1
    (folder / "Inter-Bold.ttf").unlink()
    fonts.font_dir(tmp_path)
    (folder / "Inter-Bold.ttf").write_text("Inter-Bald.ttf")
    fonts.font_dir(tmp_path)
    assert len(made) == 3 and (folder / "Inter-Bold.ttf").read_text() == "Inter-Bold.ttf" and not unfinished(tmp_path)


# ------------------------------------------------------------------ clocks


@pytest.mark.slow
def test_clocks_decide_nothing(tmp_path: Path) -> None:
    """Contents count. Each build is a process of its own that goes on with the digests that the last one kept."""
    source, log, out = tmp_path / "source.txt", tmp_path / "log", tmp_path / "out"
    source.write_text("one text")

    def act() -> None:
        known.open(out / ".stamps" / "digests")
        build(crash_steps.steps(tmp_path), crash_steps.Here(out / ".cache"), tmp_path, out, lambda *_: None)
        known.save()

    def ran() -> str:
        log.write_text("")
        assert forked(act) == 0
        return "".join(log.read_text().split())

    assert ran() == "abc"
    time.sleep(2.1)  # from here on the digests of these files are kept
    assert ran() == "" and ran() == ""
    for year in (1, 2000, 3000):  # after 1970: a restored backup, a wrong clock
        for path in (source, out / "x.txt", out / "folder" / "said.txt", out / ".stamps" / "day01-a.json"):
            os.utime(path, (year * 31_557_600 / 50,) * 2)
        assert ran() == "", year
    before = source.stat()
    source.write_text("two text")  # as long as it was, and as old
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_size == before.st_size and source.stat().st_mtime_ns == before.st_mtime_ns
    assert ran() == "abc"
    product = out / "y.txt"
    before, text = product.stat(), product.read_text()
    time.sleep(2.1)
    assert ran() == ""
    product.write_text(text.replace("two", "tow"))
    os.utime(product, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ran() == "a" and product.read_text() == text
