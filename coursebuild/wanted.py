"""`--set name=value`, checked against the script's own settings before it starts. Nothing is executed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.reading import parse_python
from coursebuild.shapes import shorted

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}


def check_wanted(script: Path, wanted: dict[str, Any]) -> None:
    """CourseError for a setting that the script does not have, or whose value is of another kind than the script's.

    What the script computes has no kind that can be known here; the run itself says whether it had an effect.
    """
    if not wanted:
        return
    try:
        tree = parse_python(script)
    except CourseError:
        return  # the run itself says so, with the line
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "settings.choose"]
    if not calls or any(k.arg is None for call in calls for k in call.keywords):
        return
    known = {str(k.arg): k.value for call in calls for k in call.keywords}
    for name, value in wanted.items():
        if name not in known:
            what, hint = f"--set {name}: the script has no such setting", did_you_mean(name, known)
            raise CourseError(what, file=script, line=calls[0].lineno, hint=hint)
        kind = _kind(known[name])
        if kind and not _fits(value, kind):
            what = f"--set {name}={shorted(value)}: `{name}` is {KINDS[kind]}"
            raise CourseError(what, file=script, line=known[name].lineno)


def _kind(node: ast.expr) -> type | None:
    """The type of a setting: of its values for the presets, where all of them are literals of one kind."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    kinds = set(map(type, value if isinstance(value, tuple) else (value,)))
    kinds = {float} if kinds == {int, float} else kinds
    return kinds.pop() if len(kinds) == 1 and kinds <= set(KINDS) else None


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
