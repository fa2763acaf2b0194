"""One build at a time in a folder; and what a dead process left is told from what a living one writes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from coursebuild import files
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, machine, sweep, temporary
from coursebuild.lock import NAME, build_lock

HOLDER = """
import sys, time
from pathlib import Path
from coursebuild.lock import build_lock
with build_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(out: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that has the lock when this returns."""
    argv = [sys.executable, "-c", HOLDER, str(out), str(seconds)]
    child = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


def killed(child: subprocess.Popen[str]) -> int:
    child.kill()
    child.wait()
    return child.pid


def test_a_second_build_waits_and_says_for_whom(tmp_path: Path) -> None:
    said: list[str] = []
    with hold(tmp_path, 3.0) as first, build_lock(tmp_path, said.append):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert len(said) == 1 and f"process {first.pid}" in said[0] and "waits" in said[0] and str(tmp_path) in said[0]
    assert (tmp_path / NAME).read_text() == ""


def test_the_lock_of_a_dead_process_is_no_obstacle_and_its_leftovers_go(tmp_path: Path) -> None:
    pid = killed(hold(tmp_path, 600))
    assert json.loads((tmp_path / NAME).read_text())["pid"] == pid
    half = tmp_path / "day01" / f".film.{machine()}p{pid}-3.part.mp4"
    half.parent.mkdir()
    half.write_text("half")
    said: list[str] = []
    with build_lock(tmp_path, said.append):
        assert not half.exists()
    assert not said  # it did not wait


def test_after_a_build_that_ended_nothing_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with nothing to do must not walk through all that was ever built."""
    with pytest.raises(ZeroDivisionError), build_lock(tmp_path):
        raise ZeroDivisionError
    monkeypatch.setattr("coursebuild.lock.sweep", lambda out: pytest.fail("searched"))
    with build_lock(tmp_path):
        pass


def test_no_two_hold_it_even_if_the_file_is_removed_meanwhile(tmp_path: Path) -> None:
    """`make clean` in a second terminal: who waited for the removed file must not think that it has the new one."""
    first = hold(tmp_path, 600)
    got = threading.Event()

    def second() -> None:
        with build_lock(tmp_path, lambda text: None):
            got.set()

    waiting = threading.Thread(target=second, daemon=True)
    waiting.start()
    time.sleep(0.3)
    (tmp_path / NAME).unlink()
    third = hold(tmp_path, 600)  # of the new file
    killed(first)
    assert not got.wait(0.5)
    killed(third)
    assert got.wait(5)


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    with hold(tmp_path, 600) as first:
        argv = [sys.executable, "-c", HOLDER, str(tmp_path), "0"]
        with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as second:
            assert "works in" in second.stderr.readline()
            second.send_signal(signal.SIGINT)
            assert second.wait(timeout=10) != 0 and first.poll() is None
        killed(first)


def test_a_folder_that_knows_no_locks_can_be_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, os.strerror(37))  # ENOLCK

    monkeypatch.setattr("fcntl.flock", refuse)
    with build_lock(tmp_path):
        assert (tmp_path / NAME).exists()


def test_where_it_cannot_be_written_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise OSError(30, os.strerror(30), str(path))  # EROFS

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CourseError) as caught, build_lock(tmp_path):
        pass
    assert str(tmp_path) in str(caught.value) and "read-only" in str(caught.value) and "--out" in caught.value.hint


# ------------------------------------------------------------------ whose is it?


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_only_what_the_dead_left_is_removed(tmp_path: Path, dead: int) -> None:
    other = "0" * 8
    day = tmp_path / "day01" / "work"
    day.mkdir(parents=True)
    fate = {
        f".film.{machine()}p{dead}-0.part.mp4": False,
        f".record.{machine()}p{dead}-12.part": False,
        f".film.{machine()}p{os.getpid()}-0.part.mp4": True,  # written now
        f".film.{other}p{dead}-0.part.mp4": True,  # by another machine that shares the folder
        f".old.{other}p{dead}-1.part.mp4": False,  # it did so long ago
        f".future.{other}p{dead}-1.part.mp4": False,  # or its clock is wrong
        "film.part.mp4": True,  # an author's own
        ".record.part": True,
    }
    for name in fate:
        (day / name).write_text("x")
    (day / f".record.{machine()}p{dead}-12.part").unlink()
    (day / f".record.{machine()}p{dead}-12.part").mkdir()
    (day / f".record.{machine()}p{dead}-12.part" / "arrays.npz").write_text("x")
    for name, days in (("old", -2), ("future", 2)):
        when = time.time() + days * 86400
        os.utime(day / f".{name}.{other}p{dead}-1.part.mp4", (when, when))
    sweep(tmp_path)
    assert {name: (day / name).exists() for name in fate} == fate


def test_scratch_folders_of_the_dead_go_too(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files.scratch("scene") as mine:
        left = tmp_path / mine.name.replace(f"p{os.getpid()}-", f"p{dead}-")
        shutil.copytree(mine, left)
        (tmp_path / "dl50-someone-elses").mkdir()
        sweep(tmp_path / "out")
        assert mine.exists() and not left.exists() and (tmp_path / "dl50-someone-elses").exists()


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    """In a container whose first process adopts nobody, killed workers stay as zombies for ever."""
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while files.alive(child.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert Path(f"/proc/{child.pid}").exists() or sys.platform != "linux"
    child.wait()
    assert files.alive(os.getpid()) and files.alive(1)


def test_no_temporary_name_is_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "day01.x.mp4"
    names = {temporary(path) for _ in range(100)}
    assert len(names) == 100 and {n.suffix for n in names} == {".mp4"} and {n.parent for n in names} == {tmp_path}
    assert all(n.name.startswith(".") and files.PART.fullmatch(n.name) for n in names)


def test_a_folder_is_replaced_as_a_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    rename = Path.rename

    def refuse_the_second(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, os.strerror(28))
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(Path, "rename", refuse_the_second)
        files.put(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "old").exists()
    files.put(tmp_path / "new", tmp_path / "old")
    assert [p.name for p in tmp_path.iterdir()] == ["old"] and (tmp_path / "old" / "new").exists()
