"""A day's teaching script as its tests see it: functions without the run, exercises, the code that slides show."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from coursebuild.files import ROOT
from coursebuild.model import Record
from tests.smoke_runs import smoke_run

EXERCISES = "# ## Exercises"


class Lesson:
    """The script `scripts/<stem>.py`."""

    def __init__(self, stem: str) -> None:
        self.script = ROOT / "scripts" / f"{stem}.py"
        self.source = self.script.read_text(encoding="utf-8")
        self.tree = ast.parse(self.source)

    def names(self, known: Mapping[str, Any], tables: Sequence[str] = ()) -> dict[str, Any]:
        """The functions and classes, and the assignments to `tables`, without running the lesson.

        `known` are the imports and settings that they use.
        """
        kept: list[ast.stmt] = []
        for node in self.tree.body:
            is_table = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in tables
            if is_table or isinstance(node, ast.FunctionDef | ast.ClassDef):
                kept.append(node)
        found = dict(known)
        exec(compile(ast.Module(kept, []), str(self.script), "exec"), found)
        return found

    def exercises(self, world: Mapping[str, Any], answers: Mapping[str, str]) -> str:
        """What the exercise cells print, in a `world` of names, when each starter (key) is replaced by its answer."""
        part = self.source[self.source.index(EXERCISES) :]
        for starter, answer in answers.items():
            assert part.count(starter) == 1, f"{self.script.name}: not exactly one {starter!r} among the exercises"
            part = part.replace(starter, answer)
        printed: list[str] = []
        torch.manual_seed(0)
        exec(part, {**world, "print": lambda *words: printed.append(" ".join(map(str, words)))})
        return "\n".join(printed)

    def fits(self, name: str, lines: int = 14, columns: int = 76) -> None:
        """Assert that a function or class fits a slide, which leaves its docstring out."""
        node = next(n for n in self.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name)
        code = self.source.splitlines()[node.lineno - 1 : node.end_lineno]
        if ast.get_docstring(node) is not None:
            doc, above = node.body[0], node.lineno
            del code[doc.lineno - above : (doc.end_lineno or doc.lineno) - above + 1]
        assert len(code) <= lines
        assert max(map(len, code)) <= columns

    def measured(self) -> tuple[Record, dict[str, np.ndarray]]:
        """Record and arrays of the smoke run that all tests share."""
        folder = smoke_run(self.script) / "record"
        with np.load(folder / "arrays.npz") as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Record.load(folder / "record.json"), arrays
