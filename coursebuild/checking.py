"""`build.py check`: everything that can be said of a lecture without rendering it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from coursebuild.blocks import walk
from coursebuild.course import Day, find_days, load_syllabus, misnamed, project_settings, select, syllabus_of
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.lint import Problem
from coursebuild.model import Deck, JsonDict, Record, Script
from coursebuild.overview import overview_file, read_overview
from coursebuild.reading import parse_python
from coursebuild.speech.sentences import split
from coursebuild.speech.spoken import spoken
from coursebuild.speech.written import written
from coursebuild.steps.lecture import read_lecture
from coursebuild.theme import check_contrast, fonts
from coursebuild.typeset import Preparer

BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.Match, ast.FunctionDef, ast.Lambda)
LOOPS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def last_record(day: Day, out: Path | None = None) -> Path:
    """The newest measurement of a day: of the last build (in `out`), else the committed one."""
    built = (out or day.root / "out") / f"day{day.number:02d}" / "record"
    for folder in (built, day.root / "records" / f"day{day.number:02d}"):
        if (folder / "record.json").exists():
            return folder / "record.json"
    hint = f"build.py run {day.number} --preset smoke makes one in seconds"
    raise CourseError(f"day {day.number} has no record to check the lecture against", hint=hint)


def problems_of(
    day: Day, syllabus: dict, measured: Path | None = None, out: Path | None = None
) -> list[Problem | CourseError]:
    """What is wrong with a day's lecture and its scenes, given a record.json (default: the newest, see last_record)."""
    found: list[Problem | CourseError] = []
    try:
        day.check()
        path = measured or last_record(day, out)
        record = Record.load(path)
        entry, course = syllabus_of(day.number, syllabus), project_settings()["course"]
        lecture = day.source("lecture")
        deck, script, problems = read_lecture(lecture, day.source("script"), record, entry, course)
        found += problems
        found += scene_problems(deck, script, lecture, day.source("animation"))
        found += unspeakable(script, lecture) if script.language == "en" else []
        found += Glyphs(deck, path, lecture).look(script)
    except CourseError as error:
        found += error.all
    return found


# ------------------------------------------------------------------ characters


class Glyphs(Preparer):
    """Walks a deck as the renderers do, collects the characters that no font has, and needs no pictures."""

    def __init__(self, deck: Deck, record: Path, lecture: Path) -> None:
        super().__init__(deck, record, None, "dark")
        self.lecture = lecture
        self.found: dict[str, Problem] = {}

    def look(self, script: Script) -> list[Problem]:
        """All missing characters of slides and narration (the handout prints it), in order of lines."""
        self.run()
        for beat in (b for slide in script.slides for b in slide.beats):
            try:
                pieces = split(beat.text)
            except CourseError:  # `unspeakable` tells
                continue
            for atom in (a for piece in pieces for a in piece.atoms):
                kind = "mono" if atom.kind == "code" else "text"
                if atom.kind == "math":
                    self.formula(atom.text, False, beat.line)
                else:
                    self.check_text(atom.text, fonts()[kind], beat.line)
        return sorted(self.found.values(), key=lambda p: p.line)

    def check_text(self, text: str, family: str, line: int) -> None:
        try:
            super().check_text(text, family, line)
        except CourseError as error:
            if error.line is None:  # the font itself is missing
                raise
            problem = Problem("error", str(self.lecture), error.line, error.what, error.hint)
            self.found.setdefault(str(problem), problem)

    def figure(self, block: JsonDict, line: int) -> JsonDict:
        self.spans(block.get("caption", []), line)
        return {}

    def poster(self, block: JsonDict, line: int) -> str:
        return ""


# ------------------------------------------------------------------ speech


def unspeakable(script: Script, lecture: Path) -> Iterator[CourseError]:
    """What no voice can say."""
    for beat in (b for slide in script.slides for b in slide.beats):
        try:
            pieces = split(beat.text)
            said = [spoken(piece.atoms) and written(piece.atoms) for piece in pieces]
            if not any(said) and not any(piece.pause for piece in pieces):
                raise CourseError("a blockquote has nothing that can be said", hint="write a sentence, or [pause 2]")
        except CourseError as error:
            yield CourseError(error.what, file=lecture, line=beat.line, hint=error.hint)


# ------------------------------------------------------------------ scenes


def scene_problems(deck: Deck, spoken: Script, lecture: Path, animation: Path) -> Iterator[Problem]:
    """Animations whose scene does not exist or has another number of beats than its slide; nothing is imported."""
    tree = parse_python(animation)
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    imported = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    lines = {s.id: b["line"] for s in deck.slides for b in walk(s.blocks) if b["type"] == "animation"}
    for slide in (s for s in spoken.slides if s.scene):
        where = ("error", str(lecture), lines[slide.id])
        if slide.scene in classes:
            beats = beats_of(slide.scene, classes)
            if beats is not None and beats != len(slide.beats):
                what = f"`{slide.scene}` has {beats} beats in {animation.name}, its slide has {len(slide.beats)}"
                yield Problem(*where, what, "one `with self.beat(...)` for each paragraph of the blockquotes")
        elif slide.scene not in imported:
            what = f"{animation.name} has no scene `{slide.scene}`"
            yield Problem(*where, what, did_you_mean(slide.scene, classes))


class _Uncountable(Exception):
    """How often a scene calls `self.beat` depends on more than its text."""


def beats_of(scene: str, classes: dict[str, ast.ClassDef]) -> int | None:
    """How many beats a scene has, in `construct` and the methods that it calls; None where only a run can tell."""
    methods = _methods(classes[scene], classes, ())

    def count(node: ast.AST, callers: tuple[str, ...]) -> int:
        beats = sum(count(child, callers) for child in ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            on, name = node.func.value, node.func.attr
            if isinstance(on, ast.Call) and isinstance(on.func, ast.Name) and on.func.id == "super":
                raise _Uncountable
            if isinstance(on, ast.Name) and on.id == "self" and name == "beat":
                beats += 1
            elif isinstance(on, ast.Name) and on.id == "self" and name in methods:
                beats += body(name, callers)
        if beats and isinstance(node, BRANCHES + LOOPS):
            raise _Uncountable
        return beats

    def body(name: str, callers: tuple[str, ...]) -> int:
        if name in callers:
            raise _Uncountable
        return sum(count(statement, (*callers, name)) for statement in methods[name].body)

    try:
        return body("construct", ()) if "construct" in methods else None
    except _Uncountable:
        return None


def _methods(
    scene: ast.ClassDef, classes: dict[str, ast.ClassDef], below: tuple[str, ...]
) -> dict[str, ast.FunctionDef]:
    """The methods of a class and of its bases in the same file, the nearest first."""
    found: dict[str, ast.FunctionDef] = {}
    for base in reversed(scene.bases):
        if isinstance(base, ast.Name) and base.id in classes and base.id not in below:
            found |= _methods(classes[base.id], classes, (*below, scene.name))
    return found | {n.name: n for n in scene.body if isinstance(n, ast.FunctionDef)}


def overview_problems(numbers: set[int], syllabus: dict, root: Path) -> list[CourseError]:
    """What is wrong with the overviews of the weeks that these days belong to."""
    found: list[CourseError] = []
    for week in syllabus["weeks"]:
        days, path = range(week["first"], week["last"] + 1), overview_file(root, week["week"])
        if numbers & set(days) and path.exists():
            try:
                read_overview(path, days)
            except CourseError as error:
                found += error.all
    return found


def check_days(days: str, root: Path, out: Path | None = None) -> int:
    """Print all problems, given the records of the builds in `out`; returns 1 if one of them is an error."""
    syllabus = load_syllabus(root)
    found: list[Problem | CourseError] = []
    for theme in ("dark", "light"):
        found += [CourseError(f"theme {theme}: {line}") for line in check_contrast(theme)]
    found += misnamed(root)
    chosen = select(days, find_days(root), syllabus)
    for day in chosen:
        found += problems_of(day, syllabus, out=out)
    found += overview_problems({d.number for d in chosen}, syllabus, root)
    for problem in found:
        click.echo(str(problem))
    errors = sum(isinstance(p, CourseError) or p.level == "error" for p in found)
    click.echo(f"{errors} errors, {len(found) - errors} warnings")
    return 1 if errors else 0
