"""The engine: exactly the stale steps run, a failure blocks only what needs it, nothing half-written is ever kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursebuild.errors import CourseError
from coursebuild.flow import Step
from coursebuild.graph import Outcome, Pool, build
from coursebuild.stamps import reasons
from coursebuild.work import execute

pytestmark = pytest.mark.slow


class Course:
    """a -> b (folder) -> c; d stands alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.out, self.mark, self.events = root, root / "out", {}, []
        self.out.mkdir()
        self.write("a", "one")
        self.write("d", "four")

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
        pool = Pool(1, 0, self.out / ".cache", False)
        outcome = build(self.steps(), pool, self.root, self.out, lambda *e: self.events.append(e[:2]))
        return outcome, log.read_text().split()

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
