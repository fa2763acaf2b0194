"""The engine: exactly the stale steps run, a failure blocks only what needs it, nothing half-written is ever kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from coursebuild.errors import CourseError
from coursebuild.executors import Local
from coursebuild.files import ROOT
from coursebuild.flow import Step
from coursebuild.graph import Outcome, build
from coursebuild.stamps import reasons, will_run
from coursebuild.work import execute

pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}


class Course:
    """a -> b (folder) -> c; d stands alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.out, self.mark, self.events = root, root / "out", {}, []
        self.on_start = lambda step: None
        self.out.mkdir()
        self.write("a", "one")
        self.write("d", "four")

    @classmethod
    def again(cls, root: Path) -> Course:
        """The course in a folder where it is already, as it stands."""
        course = cls.__new__(cls)
        course.root, course.out, course.mark, course.events = root, root / "out", {}, []
        course.on_start = lambda step: None
        return course

    def write(self, name: str, text: str) -> None:
        (self.root / f"{name}.txt").write_text(text)

    def steps(self) -> list[Step]:
        def step(name: str, inputs: dict, products: dict) -> Step:
            params = {"mark": self.mark.get(name, ""), "log": str(self.root / "log"), "name": name}
            return Step(f"day01-{name}", 1, "tests.graph_steps:join", inputs, products, params)

        return [
            step("a", {"x": self.root / "a.txt"}, {"y": self.out / "a"}),
            step("b", {"x": self.out / "a"}, {"folder": self.out / "b"}),
            step("c", {"x": self.out / "b" / "part.txt"}, {"y": self.out / "c", "z": self.out / "c2"}),
            step("d", {"x": self.root / "d.txt"}, {"y": self.out / "d"}),
        ]

    def build(self) -> tuple[Outcome, list[str]]:
        log = self.root / "log"
        log.write_text("")
        outcome = build(self.steps(), Local(1, self.out / ".cache"), self.root, self.out, self.listen)
        return outcome, log.read_text().split()

    def listen(self, event: str, step: Step, seconds: float) -> None:
        self.events.append((event, step))
        if event == "start":
            self.on_start(step)

    def stale(self) -> list[str]:
        return [s.name[-1] for s in self.steps() if reasons(s, self.root, self.out)]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


def parts(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if ".part" in p.name]


def test_exactly_what_is_stale_runs(course):
    outcome, ran = course.build()
    assert sorted(ran) == list("abcd") and outcome.exit_code == 0
    assert (course.out / "c").read_text() == "ONE" and not parts(course.root)
    assert course.stale() == [] and course.build()[1] == []

    (course.root / "a.txt").touch()  # another time, the same contents
    assert course.stale() == [] and course.build()[1] == []

    course.write("a", "ONE")  # a's product stays what it was: nothing after it runs
    assert course.stale() == ["a"] and course.build()[1] == ["a"]

    course.mark["b"] = "!"  # a parameter
    assert course.stale() == ["b"] and course.build()[1] == ["b", "c"]
    assert (course.out / "c").read_text() == "ONE!"

    (course.out / "b" / "part.txt").write_text("damaged")
    assert "b" in course.stale() and course.build()[1] == ["b"]
    assert (course.out / "b" / "part.txt").read_text() == "ONE!"

    (course.out / "c2").unlink()
    assert course.build()[1] == ["c"] and (course.out / "c2").exists()


def test_a_failure_blocks_only_what_needs_it(course):
    course.write("a", "FAIL")
    outcome, ran = course.build()
    assert sorted(ran) == ["a", "d"] and outcome.exit_code == 1
    assert {n[-1]: s for n, s in outcome.states.items()} == {
        "a": "failed",
        "b": "blocked",
        "c": "blocked",
        "d": "built",
    }
    error = outcome.errors["day01-a"]
    assert isinstance(error, CourseError) and str(error).startswith("lectures/x.md:7: fails on purpose\n  -> mend it")
    assert not (course.out / "a").exists() and not parts(course.root)

    course.write("a", "one")
    outcome, ran = course.build()
    assert sorted(ran) == ["a", "b", "c"] and outcome.exit_code == 0


def test_the_last_good_product_stays_when_a_step_fails(course):
    course.build()
    course.write("a", "DEFECT")
    outcome, _ = course.build()
    assert isinstance(outcome.errors["day01-a"], ZeroDivisionError)
    assert (course.out / "a").read_text() == "ONE"
    assert "a" in course.stale()


def test_a_step_without_its_product_has_failed(course, tmp_path):
    course.write("a", "NOTHING")
    with pytest.raises(CourseError, match="ended without its product `y`"):
        execute(course.steps()[0], tmp_path, 1)
    assert not parts(course.root)


def test_a_source_that_is_saved_while_its_step_runs_counts_as_changed(course):
    course.write("a", "SLOW")

    def save_when_read() -> None:  # the step notes that it has read its input, then sleeps for two seconds
        while "a" not in (course.root / "log").read_text():
            time.sleep(0.05)
        course.write("a", "later")

    saver = threading.Thread(target=save_when_read)
    course.on_start = lambda step: saver.start() if step.name == "day01-a" else None
    course.build()
    saver.join()
    assert (course.out / "a").read_text() == "SLOW" and (course.root / "a.txt").read_text() == "later"
    assert "a" in course.stale()
    course.on_start = lambda step: None
    outcome, _ = course.build()
    assert (course.out / "a").read_text() == "LATER", outcome


def test_a_worker_that_dies_is_one_clear_error_and_no_second_run(course):
    course.write("d", "DIE")
    outcome, ran = course.build()
    assert ran.count("d") == 1 and "its process was killed" in str(outcome.errors["day01-d"])
    assert outcome.states["day01-c"] == "built"


def test_what_will_run_and_why(course):
    course.build()
    course.write("a", "other")
    why = will_run(course.steps(), course.root, course.out)
    assert why["day01-a"] == ["x (a.txt) changed"] and why["day01-d"] == []
    assert why["day01-b"] == ["if day01-a gives something else"] == [why["day01-c"][0].replace("-b", "-a")]


def test_ctrl_c_ends_everything(course):
    """The command ends with 130, nothing half-written is kept, and no process of it goes on."""
    course.write("a", "SLEEP")
    code = (
        "import sys; from pathlib import Path; from tests.test_graph import Course; sys.path[:0] = ['.']\n"
        f"c = Course.again(Path({str(course.root)!r})); outcome, _ = c.build(); sys.exit(outcome.exit_code)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True, env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while "a" not in (course.root / "log").read_text() if (course.root / "log").exists() else True:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 130
    while left := [p for p in Path("/proc").iterdir() if p.name.isdigit() and _group(p) == child.pid]:
        assert time.monotonic() < deadline, [(p / "cmdline").read_text() for p in left]
        time.sleep(0.1)
    assert not (course.out / "a").exists()


def _group(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return 0
