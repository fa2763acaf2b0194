"""Bad input besides lectures: front matter, records, syllabus, theme, formulas, narration, the command line."""

from __future__ import annotations

import contextlib
import json
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz_input import (
    CHANGES,
    EDITS,
    LINES,
    NASTY,
    TEX,
    TEX_NESTED,
    TOKENS,
    VALUES,
    changed,
    mutated,
)
from fuzz_tools import FRONT, SAID, Course, fuzz, speak, toy_record, try_all
from hypothesis import strategies as st
from lxml import etree

from coursebuild import mathtex, web
from coursebuild.checking import problems_of
from coursebuild.course import find_days, load_syllabus, select, syllabus_of
from coursebuild.errors import CourseError
from coursebuild.model import Record
from coursebuild.running import read_settings
from coursebuild.scaffold import create_day
from coursebuild.shown import provenance
from coursebuild.speech.latex import latex
from coursebuild.speech.text import text as said_text
from coursebuild.steps.html import mathml as html_math
from coursebuild.steps.lecture import front_matter
from coursebuild.steps.notebook import make_notebook
from coursebuild.steps.page import show_value
from coursebuild.theme import THEME_FILE, ThemeFile
from coursebuild.wanted import check_wanted


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("toy"))


# ------------------------------------------------------------------ front matter, record, syllabus, theme


def refused(file: Path, load: Callable[[], Any]) -> Any:
    """What was loaded, or None after a CourseError that names the file and, in a text file, the line or the path."""
    try:
        return load()
    except CourseError as error:
        assert error.file == str(file) and (error.line or re.match(r"`.+` ", error.what)), repr(error)
        return None


PROVENANCE = {
    "script": "scripts/day04_toy.py",
    "script_sha256": "ab" * 32,
    "preset": "quick",
    "settings": {"epochs": 3},
    "seed": 4,
    "device": "CPU",
    "python": "3.11.2",
    "packages": {"torch": "2.5"},
    "seconds": 2.5,
    "date": "2026-01-02",
    "time": "03:04",
    "data": [{"name": "digits", "source": "https://a.example", "n": 1797}],
}
FULL_RECORD = toy_record().to_json() | {"provenance": PROVENANCE}
TELL_ALL = FRONT + "## T\n\n- {{ run.accuracy | percent }} {{ run.n }} {{ run.name }} {{ where.device }}\n\n"
TELL_ALL += "> It is {{ run.name }}.\n"


def use_record(course: Course, record: Record) -> None:
    from coursebuild.steps.page import _provenance

    if record.day == 4 and (made := course.read(TELL_ALL, record)):
        record.save(course.record)
        course.use(*made)
    provenance(record)
    for _, value in _provenance(record, "a/b", "main"):
        str(value)
    for value in record.metrics.values():
        show_value(value).encode()


@fuzz(200, 2500)
def test_any_record(course: Course, tmp_path: Path, cases: int) -> None:
    file = tmp_path / "record.json"

    def body(changes: list) -> None:
        value = changed(FULL_RECORD, changes)
        file.write_text(json.dumps(value), encoding="utf-8")
        record = refused(file, lambda: Record.load(file))
        if record:
            use_record(course, record)

    use_record(course, Record.from_json(FULL_RECORD))
    try:
        try_all(cases, CHANGES, body)
    finally:
        course.measured.save(course.record)


@fuzz(100, 1500)
def test_any_text_in_place_of_a_record(tmp_path: Path, cases: int) -> None:
    file, sound = tmp_path / "record.json", json.dumps(FULL_RECORD, indent=1)

    def body(edits: list) -> None:
        file.write_bytes(mutated(sound, edits).encode("utf-8", "surrogatepass"))
        refused(file, lambda: Record.load(file))

    try_all(cases, EDITS, body)
    for text in (
        "",
        "[" * 100_000,
        '{"a":' * 50_000,
        "1" * 5000,
        "NaN",
        "{}",
        "null",
        "\ufeff{}",
        '"\\ud800"',
        b"\xff\xfe",
        b"\0",
    ):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        assert refused(file, lambda: Record.load(file)) is None


FIRST_DAY = {
    "day": 1,
    "title": "Lines",
    "week": 1,
    **{"objectives": ["Fit $x$"], "concepts": ["a"], "tools": ["b"], "learnings": ["`c`"]},
    "references": [{"kind": "Book", "text": "A book", "url": "https://a.example"}],
    "errata": [{"syllabus": "x", "correct": "y", "source": "z"}],
}
SMALL_SYLLABUS = {
    "weeks": [{"week": 1, "title": "One", "first": 1, "last": 7}],
    "days": [FIRST_DAY, {"day": 2, "title": "Curves", "week": 1}],
}
NO_SYLLABUS = ["", "[" * 100_000, "- " * 9000, "{a: " * 5000, "a: &a [1]\nb: [*a, *a]", "\0", "&a [*a]"]
NO_SYLLABUS += ["days: !!python/object:os.x {}"]


def use_syllabus(syllabus: dict) -> None:
    from coursebuild.steps.site import _weeks

    json.dumps(syllabus, allow_nan=False).encode()
    for entry in syllabus["days"]:
        whole = syllabus_of(entry["day"], syllabus)
        for text in (*whole["objectives"], *whole["concepts"], *(r["text"] for r in whole["references"])):
            etree.fromstring(f"<p>{web.rich(text)}</p>")
    _weeks({e["day"]: {"week": 0, **e} for e in syllabus["days"]}, {}, syllabus["weeks"])


@fuzz(150, 2000)
def test_any_syllabus(tmp_path: Path, cases: int) -> None:
    (tmp_path / "lectures").mkdir()
    file = tmp_path / "lectures" / "syllabus.yaml"

    def load(text: str) -> None:
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        syllabus = refused(file, lambda: load_syllabus(tmp_path))
        if syllabus:
            use_syllabus(syllabus)

    def body(value: tuple[list, list]) -> None:
        changes, edits = value
        text = yaml.dump(changed(SMALL_SYLLABUS, changes), allow_unicode=False)
        load(text)
        load(mutated(yaml.dump(SMALL_SYLLABUS), edits))

    try_all(cases, st.tuples(CHANGES, EDITS), body)
    for text in NO_SYLLABUS:
        load(text)
        assert refused(file, lambda: load_syllabus(tmp_path)) is None


@fuzz(200, 1500)
def test_any_front_matter(course: Course, cases: int) -> None:
    sound = "day: 4\ntitle: Toy\nsubtitle: 'A day: with a colon'\nlanguage: en\n"
    odd = ["title: &a x", "title: *a", "day: 0x4", "day: yes", "title: 2020-13-45", "? a", "- b", "<<: {day: 4}"]
    odd += ["title: !!int x", "title: |", "  text", "---"]
    row = st.one_of(st.sampled_from([*sound.split("\n"), *odd]), LINES)
    rows = st.lists(row, max_size=6).map("\n".join)

    def body(value: tuple[str, list]) -> None:
        for inner in (value[0], mutated(sound, value[1])):
            text = f"---\n{inner}\n---\n> Hi.\n\n## T\n\n- b\n\n> Ho.\n"
            if made := course.read(text):
                course.use(*made)
                assert (
                    made[0].title
                    == front_matter(text.replace("\r\n", "\n").replace("\r", "\n"), course.lecture)[0].title
                )

    try_all(cases, st.tuples(rows, EDITS), body)


@fuzz(100, 1000)
def test_any_theme(tmp_path: Path, cases: int) -> None:
    file, sound = tmp_path / "theme.json", json.loads(THEME_FILE.read_text())

    def body(changes: list) -> None:
        file.write_text(json.dumps(changed(sound, changes)))
        found = refused(file, lambda: ThemeFile.load(file))
        if found:
            for value in (*found.fonts.values(), *(v for t in found.themes.values() for v in t.values())):
                assert not re.search(r"[;{}<>\"'\\/]", value) or value in sound["fonts"].values()

    assert ThemeFile.load(THEME_FILE)
    try_all(cases, CHANGES, body)


NO_TEXT = [
    b"",
    b"\xff\xfe\x00a",
    b"\0",
    "Ü".encode("latin-1"),
    "day".encode("utf-16"),
    b"(" * 9999,
    b"\xef\xbb\xbf",
    b"\r\r\r",
]


@pytest.mark.parametrize("kind", ["lecture", "script", "animation"])
@pytest.mark.parametrize("data", NO_TEXT, ids=range(len(NO_TEXT)))
def test_files_that_are_no_text(tmp_path: Path, kind: str, data: bytes) -> None:
    (tmp_path / "lectures").mkdir()
    (tmp_path / "lectures" / "syllabus.yaml").write_text(yaml.dump({"weeks": [], "days": []}))
    create_day(4, "toy", tmp_path)
    day = find_days(tmp_path)[4]
    toy_record().save(tmp_path / "record.json")
    day.source(kind).write_bytes(data)
    found = problems_of(day, load_syllabus(tmp_path), tmp_path / "record.json")
    assert all((p.file and p.line) or kind != "lecture" for p in found) and (found or kind != "lecture")
    for use in (lambda file: make_notebook(file, "a/b", "main"), lambda file: check_wanted(file, {"a": 1})):
        with contextlib.suppress(CourseError):
            use(day.source("script"))


# ------------------------------------------------------------------ formulas and words


def use_formula(tex: str, display: bool) -> None:
    try:
        made = mathtex.mathml(tex, display)
    except CourseError as error:
        assert "formula" in str(error) and "\x1b" not in str(error)
        return
    root = etree.fromstring(made)  # lxml: what browsers and we ourselves read
    assert {etree.QName(e).namespace for e in root.iter()} == {"http://www.w3.org/1998/Math/MathML"}
    for form in (mathtex.typst, html_math):
        with contextlib.suppress(CourseError):
            assert form(tex, display)
    for form in (mathtex.unicode, mathtex.runs, mathtex.characters, latex):
        try:
            found = form(tex)
        except CourseError:
            continue
        assert form is not latex or SAID.fullmatch(found), found


@fuzz(300, 3000)
def test_any_formula(cases: int) -> None:
    try_all(cases, st.tuples(st.one_of(TEX, TEX_NESTED), st.booleans()), lambda value: use_formula(*value))
    for opening, closing in (
        ("{", "}"),
        ("\\sqrt{", "}"),
        ("x^{", "}"),
        ("\\left(", "\\right)"),
        ("\\frac{1}{", "}"),
        ("\\hat{", "}"),
    ):
        for depth in (30, 60, 400):
            use_formula(opening * depth + "x" + closing * depth, True)


@fuzz(200, 2500)
def test_any_narration(cases: int) -> None:
    pieces = st.one_of(
        st.sampled_from(NASTY), st.sampled_from(TOKENS), st.text(max_size=15), TEX_NESTED.map(lambda t: f"${t}$"),
        st.text(string.printable, max_size=15).map(lambda t: f"`{t}`"),
        st.from_regex(r"[0-9.,:/×^–-]{1,8}(ms|%|k|x|s|th|°C)?", fullmatch=True),
    )  # fmt: skip

    def body(parts: list[str]) -> None:
        whole = " ".join(parts)
        speak(whole)
        assert SAID.fullmatch(said_text(whole)), said_text(whole)

    try_all(cases, st.lists(pieces, max_size=8), body)


# ------------------------------------------------------------------ the command line


@fuzz(200, 1500)
def test_any_choice_of_days(cases: int) -> None:
    days, syllabus = find_days(), load_syllabus()
    parts = st.one_of(
        st.sampled_from(
            ["4", "1-7", "4-2", "all", "week1", "week99", "-", ",", "٤", "99999999", "4-", "-4", "0", "1e3"]
        ),
        LINES,
    )

    def body(chosen: list[str]) -> None:
        try:
            found = select(",".join(chosen), days, syllabus)
            assert all(day.number in days for day in found)
        except CourseError as error:
            assert error.hint and "\x1b" not in str(error)

    try_all(cases, st.lists(parts, max_size=4), body)
    with pytest.raises(CourseError, match="`4-2` runs backwards") as caught:
        select("4-2", days, syllabus)
    assert "2-4" in caught.value.hint


CHOICES = "from lab import settings\n"
CHOICES += "P = settings.choose(seed=4, epochs=(1, 6, 30), rate=(0.1, 1, 2), name='a', deep=True, odd=f())\n"


@fuzz(200, 1500)
def test_any_setting(tmp_path: Path, cases: int) -> None:
    script = tmp_path / "day04_toy.py"
    script.write_text(CHOICES)
    values = st.one_of(
        LINES,
        VALUES.map(lambda v: json.dumps(v)),
        st.sampled_from(["1", "0.5", "true", '"x"', "abc", "NaN", "1e999", "[" * 9999]),
    )
    names = st.one_of(
        st.sampled_from(["seed", "epochs", "rate", "name", "deep", "odd", "epoch", "", "a b", "class"]), LINES
    )

    def body(pairs: list[tuple[str, str]]) -> None:
        try:
            wanted = read_settings([f"{name}={value}" for name, value in pairs])
            check_wanted(script, wanted)
            json.dumps(wanted, allow_nan=False).encode()
        except CourseError as error:
            assert "--set" in str(error) and "\x1b" not in str(error)

    try_all(cases, st.lists(st.tuples(names, values), max_size=2), body)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("epochs=abc", "`epochs` is a whole number"),
        ("epochs=1.5", "`epochs` is a whole number"),
        ("epochs=true", "`epochs` is a whole number"),
        ("rate=x", "`rate` is a number"),
        ("name=3", "`name` is a text"),
        ("deep=1", "`deep` is true or false"),
        ("epoch=1", "did you mean `epochs`?"),
    ],
)
def test_a_setting_of_another_kind_is_found_before_the_script_starts(tmp_path: Path, setting: str, what: str) -> None:
    script = tmp_path / "day04_toy.py"
    script.write_text(CHOICES + "raise SystemExit('started')\n")
    with pytest.raises(CourseError) as caught:
        check_wanted(script, read_settings([setting]))
    assert what in str(caught.value) and caught.value.line == 2
    check_wanted(script, read_settings(["epochs=3", "rate=1", "rate=0.5", "name=x", "deep=false", "odd=7"]))


def test_the_real_syllabus_survives() -> None:
    use_syllabus(load_syllabus())
