"""Killed at any moment: nothing half-written is taken as done, and the same command then makes what it would have made.

The first tests kill a build of toy steps before every single change of a file; the others kill real builds, at random
(seeded by DL50_KILL_SEED) and where it hurts.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from coursebuild import keys
from coursebuild.files import PART, ROOT, SCRATCH, read_json
from coursebuild.graph import build
from coursebuild.lock import build_lock
from coursebuild.model import Record
from coursebuild.scaffold import create_day
from coursebuild.work import Memory
from tests import crash_steps
from tests.test_course import SYLLABUS

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("DL50_KILL_SEED", "4"))
Tree = dict[str, str]


def digest(path: Path) -> str:
    """Of a file, or of all names and contents in a folder."""
    if path.is_dir():
        return hashlib.sha256(repr(sorted(tree(path).items())).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder: Path) -> Tree:
    """Relative path and digest of all files."""
    return {str(p.relative_to(folder)): digest(p) for p in folder.rglob("*") if p.is_file()}


def unfinished(out: Path) -> list[str]:
    return [str(p) for p in out.rglob("*") if PART.fullmatch(p.name)]


# ------------------------------------------------------------------ toy steps, every single moment


def forked(act: Callable[[], None]) -> int:
    """Do something in a copy of this process; its status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def toy_build(root: Path) -> None:
    out = root / "out"
    with build_lock(out):
        outcome = build(crash_steps.steps(root), crash_steps.Here(out / ".cache"), root, out, lambda *_: None)
    assert outcome.exit_code == 0, outcome.errors


def toy_products(root: Path) -> Tree:
    paths = [p for s in crash_steps.steps(root) for p in s.products.values()]
    return {p.name: digest(p) for p in paths if p.exists()}


@pytest.mark.parametrize("before", [None, "an older text"], ids=["nothing built", "all built from other inputs"])
def test_killed_before_every_change_of_a_file(
    tmp_path: Path, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, root = tmp_path / "start", tmp_path / "course"
    for owner, slow in ((os, "fsync"), (Memory, "look"), (keys, "code"), (keys, "tools")):
        monkeypatch.setattr(owner, slow, lambda *_: {})  # decides nothing here, and takes most of the time

    def restore(text: str) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root) if start.exists() else root.mkdir()
        (root / "source.txt").write_text(text)

    def killed(number: int) -> int:
        def act() -> None:
            crash_steps.die_before(number, root / "out")
            toy_build(root)

        return forked(act)

    older: Tree = {}
    if before:
        restore(before)
        assert forked(lambda: toy_build(root)) == 0
        older = toy_products(root)
        shutil.copytree(root, start)
    restore("the new text")
    toy_build(root)  # here, so that the copies of this process know the builder's own sources
    wanted = toy_products(root)
    assert len(wanted) == 6 and not set(wanted.items()) & set(older.items())

    moments = 0
    while True:
        restore("the new text")
        status = killed(moments + 1)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        moments += 1
        for name, found in toy_products(root).items():
            assert found in (wanted[name], older.get(name)), (moments, name)
        assert forked(lambda: toy_build(root)) == 0, moments
        assert toy_products(root) == wanted, moments
        assert not unfinished(root), moments
        (root / "log").write_text("")
        assert forked(lambda: toy_build(root)) == 0
        assert (root / "log").read_text() == "", moments  # and it knows that it is done
    assert moments > 50


# ------------------------------------------------------------------ real builds


class Course:
    """A course of one day, and a command that builds it."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "out"
        (root / "lectures").mkdir(parents=True)
        (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
        create_day(1, "lines", root)
        self.lecture = root / "lectures" / "day01_lines.md.j2"

    def start(self, *more: str, **environment: str) -> subprocess.Popen[bytes]:
        """Begin a build, in a process group of its own."""
        argv = [sys.executable, ROOT / "build.py", "1", "--root", self.root, "--jobs", "2", *more]
        argv += ["--preset", "smoke", "--quality", "draft", "--voice", "silent"]
        with (self.root / "log").open("wb") as log:
            env = {**os.environ, "CI": "true", **environment}
            return subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True, env=env)

    def build(self, *more: str) -> float:
        """Build to the end; seconds."""
        begin = time.monotonic()
        assert self.start(*more).wait(timeout=600) == 0, (self.root / "log").read_text()
        return time.monotonic() - begin

    def restore(self, state: Path) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(state, self.out)

    def keep(self, name: str) -> Path:
        shutil.copytree(self.out, self.root / name)
        return self.root / name

    def products(self) -> Tree:
        """What a person sees in out/, with the folders that a step makes as one."""
        return products(self.out)


FOLDERS = ("record", "work/speech", "work/clips", "work/frames")


def products(out: Path) -> Tree:
    day = out / "day01"
    whole = {name: digest(day / name) for name in FOLDERS if (day / name).exists()}
    files = [*out.glob("*.html"), *day.glob("*"), *day.glob("work/*")]
    return whole | {str(p.relative_to(out)): digest(p) for p in files if p.is_file() and not p.name.startswith(".")}


class States:
    """The course with what stood before a build, and what an undisturbed build then makes."""

    def __init__(self, course: Course) -> None:
        self.course = course
        course.build("--only", "record")  # a run is new each time: its date and seconds. This one stays.
        course.build()
        text = course.lecture.read_text()
        self.older = course.keep("older")  # all built, with other words and a kept scene
        for old, new in (
            ("One thing at a time", "Two things"),
            ("This is the function", "That is it"),
            ("idea", "hint"),
        ):
            assert old in text
            text = text.replace(old, new)
        course.lecture.write_text(text)
        self.nothing = course.keep("nothing")  # nothing but the run and the kept scene
        for path in (self.nothing / "day01").iterdir():
            if path.name != "record":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in [*self.nothing.glob(".stamps/*"), *self.nothing.glob("*.*")]:
            if "run" not in path.name and path.is_file():
                path.unlink()
        for path in (self.nothing / ".cache").iterdir():
            if path.name not in ("scenes", "scene-reads"):
                shutil.rmtree(path)
        course.restore(self.nothing)
        self.seconds = course.build()
        self.wanted = course.keep("wanted")
        self.products = products(self.wanted)
        same = {name for name, found in products(self.older).items() if self.products[name] == found}
        assert len(self.products) >= 19 and len(same) < 7 and not unfinished(course.out)

    def check_nothing_is_half(self, before: Path) -> None:
        """What has a product's name is what stood there before or what is to stand there, whole."""
        older = products(before)
        for name, found in self.course.products().items():
            assert found in (older.get(name), self.products.get(name)), name

    def check_all_is_done(self) -> None:
        found = self.course.products()
        films = {name for name in found if name.endswith(".mp4")}
        assert {n: d for n, d in found.items() if n not in films} == {
            n: d for n, d in self.products.items() if n not in films
        }
        for name in films:
            if found[name] != self.products[name]:
                assert decoded(self.course.out / name) == decoded(self.wanted / name), name
        assert not unfinished(self.course.out)


def decoded(film: Path) -> str:
    """Digests of all pictures and of all sound, by a program that is not ours."""
    argv = ["ffmpeg", "-v", "error", "-i", film, "-map", "0:v", "-map", "0:a", "-f", "framemd5", "-"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    return States(Course(tmp_path_factory.mktemp("crash")))


def kill_group(child: subprocess.Popen[bytes]) -> bool:
    """Kill all processes of a build at once; whether it still ran."""
    ran = child.poll() is None
    if ran:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return ran


def kill_builder_alone(child: subprocess.Popen[bytes]) -> bool:
    """Kill the first process (as a user or the kernel does); its workers must follow by themselves."""
    try:
        family = psutil.Process(child.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    ran = child.poll() is None
    child.kill()
    child.wait()
    assert not psutil.wait_procs(family, timeout=10)[1]
    return ran


@pytest.mark.parametrize(("wanted", "longest"), [(10, 5), pytest.param(60, 2, marks=pytest.mark.long)])
def test_killed_at_random_moments(states: States, wanted: int, longest: int) -> None:
    """A killed build is begun again and killed again, up to `longest` times, before it may end."""
    course, dice = states.course, random.Random(SEED)
    kills = 0
    while kills < wanted:
        before = (states.nothing, states.older)[kills // longest % 2]
        course.restore(before)
        for _ in range(longest):
            child = course.start()
            time.sleep(dice.uniform(0.3, 0.5 * states.seconds))
            kill = kill_group if dice.random() < 0.7 else kill_builder_alone
            if not kill(child):
                break
            kills += 1
            states.check_nothing_is_half(before)
        course.build()
        states.check_all_is_done()


AIMED = {  # the event before which death comes, and what its path holds
    "after the first of a step's three products": ("os.rename", "/day01_lines.pdf"),
    "after the second": ("os.rename", "/geometry.json"),
    "after all products, before the stamp": ("os.rename", "/day01-slides.json"),
    "when the old folder is away and the new one not there": ("os.rename", "/frames$"),
    "a cache entry that has no digest yet": ("os.rename", ".png.sha256"),
    "a cache entry that is not renamed yet": ("os.rename", ".png$"),
}
AIMED_ALWAYS = list(AIMED)[1:4]
HOOK = """
import os, re, signal, sys
event, pattern = os.environ["KILL_AT"].split(" ", 1)
def hook(name, arguments):
    if name == event and re.search(pattern, str(arguments[1])):
        os.killpg(os.getpgid(0), signal.SIGKILL)
sys.addaudithook(hook)
"""


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=[] if m in AIMED_ALWAYS else pytest.mark.long) for m in AIMED]
)
def test_killed_where_it_hurts(states: States, tmp_path: Path, moment: str) -> None:
    """Real workers kill their whole group themselves at one exact moment of the step `slides`."""
    course = states.course
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    course.restore(states.older)
    child = course.start("--only", "pdf", PYTHONPATH=str(tmp_path), KILL_AT=" ".join(AIMED[moment]))
    assert child.wait(timeout=300) == -signal.SIGKILL, (course.root / "log").read_text()
    states.check_nothing_is_half(states.older)
    course.build("--only", "pdf")
    found = course.products()
    for name in ("day01/day01_lines.pdf", "day01/day01_lines_handout.pdf", "day01/work/geometry.json", "work/frames"):
        assert found[name] == states.products[name], name
    assert not unfinished(course.out)


# ------------------------------------------------------------------ the run, whose record has a date


def measured(folder: Path) -> tuple[dict, Tree]:
    """A record without the moment of its run, and its other files."""
    record = read_json(folder / "record.json")
    assert Record.from_json(record).arrays_sha256 == digest(folder / "arrays.npz")
    for name in ("seconds", "date", "time"):
        record["provenance"].pop(name, None)
    return record, {n: d for n, d in tree(folder).items() if n != "record.json"}


def test_killed_while_the_experiment_runs(states: States) -> None:
    course, dice = states.course, random.Random(SEED)
    wanted = measured(states.nothing / "day01" / "record")
    course.restore(states.nothing)
    (course.out / ".stamps" / "day01-run.json").unlink()
    seconds = course.build("--only", "record")
    for _ in range(2):
        course.restore(states.nothing)
        (course.out / ".stamps" / "day01-run.json").unlink()
        child = course.start("--only", "record")
        deadline = time.monotonic() + 60
        while not unfinished(course.out / "day01"):
            assert time.monotonic() < deadline and child.poll() is None, (course.root / "log").read_text()
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.6 * seconds))
        kill_builder_alone(child)
        assert measured(course.out / "day01" / "record") == wanted
        course.build("--only", "record")
        assert measured(course.out / "day01" / "record") == wanted
        assert not unfinished(course.out)


def test_a_run_alone_that_is_asked_to_end_leaves_nothing(states: States) -> None:
    """`build.py run`, as on a GPU machine that is taken back: its last record stays."""
    course = states.course
    course.restore(states.nothing)
    argv = [sys.executable, ROOT / "build.py", "run", "1", "--root", course.root, "--preset", "smoke"]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    while not list(course.out.glob("day01/.record*.part*/stdout.log")):
        assert child.poll() is None
        time.sleep(0.01)
    child.terminate()
    assert child.wait(timeout=30) == 143 and not unfinished(course.out)
    assert digest(course.out / "day01" / "record") == digest(states.nothing / "day01" / "record")


# ------------------------------------------------------------------ caches, and company


def damage(path: Path, how: int) -> None:
    """Flip a bit, cut the end off, or empty a file, which stays as old as it was."""
    data, status = path.read_bytes(), path.stat()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 0x80]) + data[middle + 1 :]
    path.unlink()  # products may be links to the same file
    path.write_bytes((flipped, data[:-1], b"")[how])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


KINDS = {"speech", "scenes", "scene-reads", "frame", "geometry", "pdf", "still", "sound", "woff2"}


def test_every_damaged_cache_file_is_made_again(states: States) -> None:
    course, dice = states.course, random.Random(SEED)
    course.restore(states.wanted)
    kept = [p for p in sorted((course.out / ".cache").rglob("*")) if p.is_file() and p.stat().st_size]
    assert {p.relative_to(course.out / ".cache").parts[0] for p in kept} >= KINDS
    for path in kept:
        damage(path, dice.randrange(3))
    for path in [*(course.out / ".stamps").glob("*.json"), *(course.out / "day01").glob("*.*")]:
        if "-run" not in path.name:  # every other step runs again, from what is in the caches
            path.unlink()
    course.build()
    states.check_all_is_done()


def test_two_builds_at_once(states: States) -> None:
    """The second waits, says so, and finds everything done."""
    course = states.course
    course.restore(states.nothing)
    first = course.start()
    while not unfinished(course.out):
        assert first.poll() is None
        time.sleep(0.01)
    (course.root / "log").rename(course.root / "first.log")
    second = course.start()
    assert first.wait(timeout=300) == 0 and second.wait(timeout=300) == 0
    said = (course.root / "log").read_text()
    assert f"another build (process {first.pid}, since" in said and "waits" in said and "all up to date" in said
    assert (course.root / "first.log").read_text().count(": start") > 10 and ": start" not in said
    states.check_all_is_done()


# ------------------------------------------------------------------ asked to end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_leaves_nothing(states: States, number: signal.Signals, tmp_path: Path) -> None:
    course = states.course
    course.restore(states.older)
    script = course.root / "scripts" / "day01_lines.py"
    good = script.read_text()
    try:
        script.write_text(good + "\nimport time\ntime.sleep(600)\n")
        child = course.start(TMPDIR=str(tmp_path))
        deadline = time.monotonic() + 60
        while not (list(course.out.glob("day01/.record*.part/stdout.log")) and list(tmp_path.glob("dl50-run*"))):
            assert time.monotonic() < deadline and child.poll() is None, (course.root / "log").read_text()
            time.sleep(0.05)
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(number)
        assert child.wait(timeout=30) == 128 + number
    finally:
        script.write_text(good)
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert not unfinished(course.out) and not [p for p in tmp_path.iterdir() if SCRATCH.fullmatch(p.name)]
    assert "Traceback" not in (course.root / "log").read_text()
