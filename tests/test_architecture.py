"""The borders between the parts, walked through the imports; and the size of files and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from coursebuild.files import ROOT
from coursebuild.keys import imported_names

FILES = sorted(
    p
    for folder in ("coursebuild", "scripts", "animations")
    for p in (ROOT / folder).rglob("*.py")
    if p.stem != "__init__"
)
MAX_FILE_LINES = 420
MAX_FUNCTION_LINES = 60


def imports(path: Path) -> set[str]:
    return imported_names(path)


def named(paths: list[Path]) -> list:
    return [pytest.param(p, id=str(p.relative_to(ROOT))) for p in paths]


def inside(folder: str) -> list[Path]:
    return [p for p in FILES if p.is_relative_to(ROOT / folder)]


@pytest.mark.parametrize("path", named(inside("scripts")))
def test_scripts_know_nothing_of_the_builder(path):
    assert not [n for n in imports(path) if n.split(".")[0] in ("coursebuild", "kit", "animations")]


@pytest.mark.parametrize("path", named(inside("animations")))
def test_scenes_know_the_kit_alone(path):
    assert not [n for n in imports(path) if n.split(".")[0] in ("coursebuild", "lab", "blocks", "scripts", "torch")]


@pytest.mark.parametrize("path", named(inside("coursebuild/steps")))
def test_steps_do_not_know_each_other(path):
    others = [n for n in imports(path) if n.startswith("coursebuild.steps.") and n != f"coursebuild.steps.{path.stem}"]
    assert not others
    engine = ("cli", "flow", "graph", "executors", "estimates", "work", "stamps")
    assert not {f"coursebuild.{name}" for name in engine} & imports(path)


def test_the_model_needs_the_standard_library_alone():
    below = {"errors": (), "files": (), "reading": ("errors",), "shapes": ("errors", "reading")}
    for name, allowed in (below | {"model": (*below,)}).items():
        own = {n.split(".")[1] for n in imports(ROOT / "coursebuild" / f"{name}.py") if n.startswith("coursebuild.")}
        assert own <= set(allowed), name


@pytest.mark.parametrize("path", named(FILES))
def test_files_and_functions_can_be_read(path):
    text = path.read_text(encoding="utf-8")
    is_lesson = path.parent == ROOT / "scripts"  # a lesson is as long as it is
    assert is_lesson or text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES or node.name == "plan_day", node.name
            assert not any(isinstance(x, ast.ExceptHandler) and x.type is None for x in ast.walk(node)), "bare except"
