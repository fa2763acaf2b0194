"""A copy of the builder with a course of one small day, for tests that change sources, templates and the builder.

`python tests/tiny_course.py JOB` builds in one process, without workers, and prints what became of each step as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
COPIED = ("coursebuild", "scripts/lab", "animations/kit", "templates", "tests/fifty.py", "build.py", "pyproject.toml")
LECTURE, SCRIPT, SCENE = "lectures/day01_lines.md.j2", "scripts/day01_lines.py", "animations/day01_lines.py"
SYLLABUS = """\
weeks:
- {week: 1, title: One, first: 1, last: 7}
days:
- {day: 1, title: Lines, week: 1, objectives: [Fit a line], references: [{kind: Book, text: A book}]}
- {day: 2, title: Curves, week: 1, objectives: [Fit a curve], references: [{kind: Book, text: A book}]}
"""
SECOND_SCENE = '''

class Slope(LectureScene):
    """The slope that was measured, as a line in a pair of axes."""

    def construct(self) -> None:
        slope = self.metric("slope")
        axes = Axes(self.type, (200, 190, 420, 240), (-1, 1), (-3, 3))
        with self.beat("The slope"):
            self.play(FadeIn(axes), run_time=0.4)
            self.add(axes.curve([-1, 1], [-slope, slope]))
            self.wait(0.4)
'''
SECOND_SLIDE = """
## Its slope

{{ animation("Slope", alt="A straight line in a pair of axes, as steep as was measured.") }}
> As the run measured it.

## Two more numbers

- About {{ run.coarse | num(1) }}, more or less
> This one is rounded.

## The code that ran
"""
EVERY = {
    *("run", "lecture", "narrate", "animate", "slides", "handout", "pptx"),
    *("html", "timeline", "film", "notebook", "script", "page", "site"),
}
OPTIONS = {"preset": "smoke", "quality": "draft", "voice": "silent", "theme": "dark"}


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first `old` in a file by `new`; it must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def make(root: Path) -> Path:
    """Copy the builder to `root` and put a day into it: two scenes, a figure, a quiz, used and unused metrics."""
    for name in COPIED:
        source, target = HERE / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.part*"))
        else:
            shutil.copyfile(source, target)
    (root / "lectures").mkdir()
    (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
    new_day(root, 1, "lines")
    lecture, script, scene = (root / f for f in (LECTURE, SCRIPT, SCENE))
    edit(lecture, "\n## The code that ran\n", SECOND_SLIDE)
    edit(script, "    seeds=(2, 5, 20),\n", "    seeds=(2, 5, 20),\n    noise=0.3,\n    fine=0.0,\n    spare=1.5,\n")
    edit(script, "0.3 * rng", "P.noise * rng")
    edit(script, '"seeds": P.seeds}\n', '"seeds": P.seeds}\nmetrics |= {"spare": P.spare, "coarse": 1.0 + P.fine}\n')
    edit(
        scene, "from kit.scene import LectureScene\n", "from kit.axes import Axes\nfrom kit.scene import LectureScene\n"
    )
    scene.write_text(scene.read_text() + SECOND_SCENE)
    return root


def new_day(root: Path, number: int, slug: str) -> None:
    """`build.py new` with the copied builder."""
    run_python(root, "build.py", "new", str(number), slug, "--root", str(root))


def run_python(root: Path, *arguments: str, path: Path | None = None) -> str:
    """Run Python with the copied builder; its output, and an AssertionError with all it said if it fails."""
    before = [str(path)] if path else []
    places = os.pathsep.join([*before, str(root), str(root / "scripts")])
    environment = {**os.environ, "PYTHONPATH": places, "CI": "true"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(
    root: Path,
    days: str = "1",
    path: Path | None = None,
    plan: bool = False,
    python: str = "",
    others: tuple[str, ...] = (),
    **wanted: Any,
) -> dict[str, Any]:
    """Build with the copied builder; {step, of day 1 its kind: state}.

    `plan` tells the reasons instead, and `others` what `run_with_other_values` makes of these kinds of steps. `path`
    goes before all others in Python's path, `python` is a version to pretend.
    """
    job = {
        "days": days,
        "wanted": OPTIONS | wanted,
        "plan": plan,
        "python": python,
        "others": others,
        "root": str(root),
    }
    told = json.loads(run_python(root, __file__, json.dumps(job), path=path).splitlines()[-1])
    return {name.removeprefix("day01-").removeprefix("site-"): state for name, state in told.items()}


class Inline:
    """An executor that runs a step where it is asked to."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def lane(self, step: Any) -> str:
        return "here"

    def room(self, step: Any, peak_bytes: int) -> bool:
        return True

    def submit(self, step: Any, peak_bytes: int) -> Future:
        from coursebuild.work import execute

        future: Future = Future()
        try:
            future.set_result(execute(step, self.cache, 1))
        except Exception as error:
            future.set_exception(error)
        return future

    def result(self, step: Any, future: Future) -> Any:
        return future.result()

    def kill(self) -> None:
        pass

    def close(self) -> None:
        pass


def other_value(value: Any, part: str, noted: set[str]) -> Any:
    """JSON in which every value is another one, but for those at or below the noted parts."""
    if part in noted or value is None:
        return value
    if isinstance(value, dict):
        if "#without-lines" in noted:
            return {k: v * 7 + 1 if k == "line" else other_value(v, "", noted) for k, v in value.items()}
        return {
            k: other_value(v, part + "/" + k.replace("~", "~0").replace("/", "~1"), noted) for k, v in value.items()
        }
    if isinstance(value, list):
        return [other_value(v, f"{part}/{i}", noted) for i, v in enumerate(value)]
    if "#without-lines" in noted:
        return value
    return not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


def run_with_other_values(step: Any, out: Path, folder: Path) -> tuple[int, list[str]]:
    """Execute a step on inputs in which all that it did not read is different.

    Returns how many inputs these were, and the products that are not what the stamp says.
    """
    from dataclasses import replace

    from coursebuild.stamps import read_stamp
    from coursebuild.work import execute

    stamp, inputs, changed = read_stamp(step, out), dict(step.inputs), 0
    for label, parts in stamp["parts"].items():
        name = label.partition(" (")[0]
        if inputs[name].suffix != ".json" or name == "theme":  # theme.json is read where it stands
            continue
        before = json.loads(inputs[name].read_text())
        copy = folder / f"{step.kind}-{name}"
        shutil.copytree(inputs[name].parent, copy)  # with the files beside it
        inputs[name] = copy / inputs[name].name
        inputs[name].write_text(json.dumps(other_value(before, "", set(parts))))
        changed += json.loads(inputs[name].read_text()) != before
    products = {name: folder / "made" / path.name for name, path in step.products.items()}
    done = execute(replace(step, inputs=inputs, products=products), out / ".cache", 1)
    return changed, [name for name, digest in done.products.items() if digest != stamp["products"][name]]


def main(job: dict[str, Any]) -> None:
    from coursebuild import graph, keys
    from coursebuild.cli import make_plan
    from coursebuild.stamps import keep_options, will_run

    assert str(keys.__file__).startswith(job["root"])
    if job["python"]:
        keys.PYTHON = job["python"]
    root = Path(job["root"])
    wanted = {"only": None, "out": None, "settings": (), "from_records": False, "with_outputs": False, "cfr": False}
    steps, options, broken = make_plan(job["days"], root, **wanted | job["wanted"])
    assert not broken, broken
    if job["plan"]:
        print(json.dumps(will_run(steps, root, options.out)))
        return
    if job["others"]:
        folder = root / "others"
        print(
            json.dumps(
                {s.name: run_with_other_values(s, options.out, folder) for s in steps if s.kind in job["others"]}
            )
        )
        shutil.rmtree(folder)
        return
    keep_options({s.day for s in steps if s.day}, options, options.out)
    outcome = graph.build(steps, Inline(options.out / ".cache"), root, options.out, lambda *_: None)
    assert not outcome.errors, outcome.errors
    print(json.dumps(outcome.states))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
