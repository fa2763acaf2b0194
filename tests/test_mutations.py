"""A table of edits, each with exactly the steps that must run: what shows it, and nothing else.

Each row starts from the same finished build. A step that runs and gives what it gave before wakes nothing after it.
Two things follow from what the course shows: PPTX notes, HTML notes and the film say which script (by its digest) made
the numbers, so they change with any edit of the script; and the page tells how long the run took, so it changes with
every run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_course import EVERY, LECTURE, SCENE, SCRIPT, build, edit, make, new_day, run_python

pytestmark = pytest.mark.slow
SYLLABUS, THEME = "lectures/syllabus.yaml", "templates/theme.json"
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Row:
    """An edit and the steps that it must wake."""

    what: str
    must_run: str
    change: Change | None = None
    options: dict[str, Any] = field(default_factory=dict)
    plan: bool = False  # only what would run at once: the step is slow, or nothing but its key changes


def swap(file: str, old: str, new: str) -> Change:
    return lambda root: edit(root / file, old, new)


def add(file: str, text: str) -> Change:
    return lambda root: (root / file).write_text((root / file).read_text() + text)


def touch(root: Path) -> None:
    for file in (LECTURE, SCRIPT, SCENE, THEME, SYLLABUS, "coursebuild/codec.py", "out/day01/record/record.json"):
        os.utime(root / file, (1_700_000_000, 1_700_000_000))


def flip(file: str) -> Change:
    """One bit of a product, its size and times as they were."""

    def change(root: Path) -> None:
        path = root / "out" / "day01" / file
        status, data = path.stat(), bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()  # it may be a hard link to the finished build's
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change


def delete(file: str) -> Change:
    return lambda root: (root / "out" / "day01" / file).unlink()


def install(name: str, version: str) -> Change:
    """A newer version of a package, as far as its metadata tells."""

    def change(root: Path) -> None:
        folder = root / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    return change


SAYS_SCRIPT = "pptx html film page"  # which names the script's digest
TABLE = [
    Row("nothing", ""),
    Row("sources and a product touched, contents equal", "", touch),
    # ------------------------------------------------------------ the lecture
    Row(
        "one word of narration",
        "lecture narrate handout pptx html timeline film page",
        swap(LECTURE, "Take a moment.", "Take a breath."),
    ),
    Row(
        "more words of narration",
        "lecture narrate handout pptx html timeline film page site",
        swap(LECTURE, "Take a moment.", "Take a moment and think it through before you go on."),
    ),
    Row(
        "one word of a bullet",
        "lecture slides handout pptx html film page",
        swap(LECTURE, "The run, when the lecture", "The run, once the lecture"),
    ),
    Row(
        "alt text of a figure",
        "lecture slides handout pptx html page",
        swap(LECTURE, "Points scattered around", "Points strewn around"),
    ),
    Row("a blank line", "lecture", swap(LECTURE, "\n# The idea\n", "\n\n# The idea\n")),
    Row("a comment of the lecture", "lecture", swap(LECTURE, "\n# The idea\n", "\n{# later #}\n# The idea\n")),
    Row(
        "the lecture's title",
        "lecture narrate slides handout pptx html timeline film page site",
        swap(LECTURE, "title: Lines", "title: Straight lines"),
    ),
    Row(
        "the title above a scene",
        "lecture narrate animate slides handout pptx html timeline film page",
        swap(LECTURE, "## Watch it move", "## See it move"),
    ),
    # ------------------------------------------------------------ the script
    Row("a comment at the script's end", f"run notebook script {SAYS_SCRIPT}", add(SCRIPT, "\n# that was it\n")),
    Row(
        "the style of a figure",
        f"run slides handout notebook script {SAYS_SCRIPT}",
        swap(SCRIPT, "markersize=4", "markersize=6"),
    ),
    Row(
        "the code of a function that is shown",
        f"run lecture slides handout notebook script {SAYS_SCRIPT}",
        swap(SCRIPT, "return slope, intercept", "return (slope, intercept)"),
    ),
    Row(
        "a claim that no longer holds",
        f"run lecture slides handout notebook script {SAYS_SCRIPT}",
        swap(SCRIPT, "< 0.1 * TRUE_SLOPE", "< 0.0 * TRUE_SLOPE"),
    ),
    Row("a metric that nothing but the page shows", "run page", options={"settings": ["spare=2.5"]}),
    Row("a metric that shows as the same digits", "run lecture page", options={"settings": ["fine=0.001"]}),
    Row(
        "a metric that lecture and scenes show",
        "run lecture animate slides handout pptx html film page",
        options={"settings": ["noise=0.5"]},
    ),
    Row(
        "a module of lab that the script imports",
        "run notebook page",
        add("scripts/lab/settings.py", "\n\nUNUSED = 1\n"),
    ),
    Row("a comment in a module of lab", "notebook page", add("scripts/lab/settings.py", "\n# a remark\n")),
    Row("a module of lab that the script does not import", "", add("scripts/lab/timing.py", "\n\nUNUSED = 1\n")),
    Row("another preset", "run lecture animate slides handout pptx html film page site", options={"preset": "quick"}),
    # ------------------------------------------------------------ the scenes
    Row("what a scene shows", "animate slides handout pptx html film page", swap(SCENE, "radius=0.04", "radius=0.06")),
    Row("a comment in a scene", "", swap(SCENE, "dots = VGroup", "# all of them\n            dots = VGroup")),
    Row("a mobject of the kit that a scene uses", "animate", add("animations/kit/axes.py", "\n\nUNUSED = 1\n")),
    Row("a mobject of the kit that no scene uses", "", add("animations/kit/network.py", "\n\nUNUSED = 1\n")),
    # ------------------------------------------------------------ the look, the voice, the options
    Row(
        "a colour of the dark theme",
        "run animate slides handout pptx html film page site",
        swap(THEME, '"muted": "#9DABC4"', '"muted": "#9DABC5"'),
    ),
    Row("the other theme", "animate slides handout pptx html film page site", options={"theme": "light"}),
    Row("another quality", "animate slides film", options={"quality": "hd"}, plan=True),
    Row("another voice", "narrate timeline film page site", options={"voice": "espeak"}),
    Row("every frame coded", "film page", options={"cfr": True}),
    Row("a notebook with outputs", "notebook", options={"with_outputs": True}, plan=True),
    Row("the lexicon", "narrate handout page", add("coursebuild/speech/lexicon.toml", "\n# a remark\n")),
    Row("the deck's Typst template", "slides handout pptx html", add("templates/deck.typ", "\n// a remark\n")),
    Row("the style sheet of the HTML slides", "html page", add("templates/deck.css", "\n/* a remark */\n")),
    Row("the template of a day's page", "page", add("templates/site/day.html.j2", "{# a remark #}\n")),
    Row("the template of the front page", "site", add("templates/site/index.html.j2", "{# a remark #}\n")),
    # ------------------------------------------------------------ the course
    Row("the day's entry of the syllabus", "lecture page", swap(SYLLABUS, "[Fit a line]", "[Fit a straight line]")),
    Row("another day's entry of the syllabus", "", swap(SYLLABUS, "[Fit a curve]", "[Fit any curve]")),
    Row("another day's title", "site", swap(SYLLABUS, "title: Curves", "title: Bends")),
    # ------------------------------------------------------------ the builder and its tools
    Row("a comment in a module of the builder", "", add("coursebuild/captions.py", "\n# a remark\n")),
    Row("a module of the builder", "timeline film page", add("coursebuild/captions.py", "\n\nUNUSED = 1\n")),
    Row(
        "a module that runs in a process of its own",
        "run",
        add("coursebuild/script_runner.py", "\n\nUNUSED = 1\n"),
        plan=True,
    ),
    Row("a package that one step uses", "pptx", install("python-pptx", "99.1")),
    Row("a package below a package", "animate", install("pycairo", "99.1"), plan=True),
    Row("the experiment's packages", "run", install("matplotlib", "99.1"), plan=True),
    Row("another Python", " ".join(EVERY), options={"python": "3.99.0"}, plan=True),
    # ------------------------------------------------------------ what became of the products
    Row("captions deleted", "timeline", delete("day01_lines.vtt")),
    Row("a bit of the film flipped", "film", flip("day01_lines.mp4")),
    Row("a bit of a clip flipped", "animate", flip("work/clips/Fit.mp4")),
    Row("a bit of a figure flipped", "run", flip("record/figures/fit.dark.svg")),
    Row("a bit of a spoken sentence flipped", "narrate", flip("work/speech/audio/s01v0_1.wav")),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The course, built; `base` is its out/, and the cache is shared by all rows."""
    root = make(tmp_path_factory.mktemp("mutations"))
    (root / "cache").mkdir()
    (root / "out").mkdir()
    (root / "out" / ".cache").symlink_to(root / "cache")
    assert build(root) == dict.fromkeys(EVERY, "built")
    shutil.move(root / "out", root / "base")
    return root


@pytest.fixture
def course(finished) -> Path:
    """The course as it was when it had just been built."""
    sources = [p for p in finished.rglob("*") if p.is_file() and p.relative_to(finished).parts[0] in SOURCES]
    kept = {path: (path.read_bytes(), path.stat()) for path in sources if "__pycache__" not in path.parts}
    shutil.copytree(finished / "base", finished / "out", symlinks=True, copy_function=os.link)
    yield finished
    shutil.rmtree(finished / "out")
    shutil.rmtree(finished / "site", ignore_errors=True)
    for path, (data, status) in kept.items():
        if path.read_bytes() != data or path.stat().st_mtime_ns != status.st_mtime_ns:
            path.write_bytes(data)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


SOURCES = ("coursebuild", "scripts", "animations", "templates", "lectures")


@pytest.mark.parametrize("row", [pytest.param(r, id=r.what) for r in TABLE])
def test_exactly_the_steps_run_that_show_it(course, row):
    if row.change:
        row.change(course)
    told = build(course, path=course / "site", plan=row.plan, **row.options)
    if row.plan:
        ran = {name for name, why in told.items() if why and not why[0].startswith("if ")}
    else:
        ran = {name for name, state in told.items() if state == "built"}
        assert set(told.values()) <= {"built", "current"}
    assert ran == set(row.must_run.split())


def test_the_table_is_long_enough():
    assert len({row.what for row in TABLE}) >= 25


READERS = ("lecture", "narrate", "animate", "slides", "handout", "pptx", "html", "timeline", "film")


def test_what_a_step_did_not_read_does_not_matter(course):
    """The other side of the table: every value of the record, deck or clips that no stamp names is made another."""
    found = build(course, others=READERS)
    assert {name: wrong for name, (_, wrong) in found.items() if wrong} == {}
    assert set(found) == set(READERS) and all(changed for changed, _ in found.values())


def test_from_preset_to_preset_and_back_runs_nothing_twice(course):
    record = course / "out" / "day01" / "record" / "record.json"
    first = record.read_text()
    assert build(course, preset="quick")["run"] == "built"
    other = json.loads(record.read_text())
    assert other["provenance"]["preset"] == "quick"
    assert build(course)["run"] == "built"
    assert record.read_text() == first  # with the time of day of the first run


def test_another_day_changes_this_days_links(course):
    new_day(course, 2, "curves")
    try:
        assert {n for n, s in build(course).items() if s == "built"} == set()  # it is written and not built
        states = build(course, days="all")
    finally:
        for path in course.glob("*/day02_*"):
            path.unlink()
    assert {n for n, s in states.items() if s == "built" and not n.startswith("day02-")} == {"page", "site"}
    assert "../day02/index.html" in (course / "out" / "day01" / "index.html").read_text()


def test_a_run_by_hand_is_taken_over(course):
    """`build.py run 1` measures anew; the build that follows shows that and runs no experiment."""
    record = course / "out" / "day01" / "record" / "record.json"
    before = record.read_text()
    told = run_python(course, "build.py", "run", "1", "--preset", "smoke", "--root", str(course))
    by_hand = record.read_text()
    assert "CLAIM" in told and by_hand != before
    states = build(course)
    assert record.read_text() == by_hand
    assert {name for name, state in states.items() if state == "built"} == {"run", "page"}


def test_explain_speaks_of_the_last_build(course):
    lines = run_python(course, "build.py", "explain", "1", "--root", str(course)).splitlines()
    assert lines[0].endswith("--preset smoke --quality draft --voice silent --theme dark")
    assert [line.partition(": ")[2] for line in lines[1:]] == ["up to date"] * len(EVERY)
    edit(course / SCENE, "radius=0.04", "radius=0.06")
    edit(course / LECTURE, "Take a moment.", "Take a breath.")
    told = run_python(course, "build.py", "explain", "1", "--root", str(course))
    assert (
        f"day01-lecture: lecture ({LECTURE}) changed\n" in told and f"day01-animate: scene ({SCENE}) changed\n" in told
    )
    assert "day01-film: if day01-animate, day01-lecture, " in told
    told = run_python(course, "build.py", "explain", "1", "--root", str(course), "--theme", "light")
    assert "day01-run: preset smoke -> quick\n" in told  # with options, those alone count, as they do for a build
    assert "theme dark -> light" in told
