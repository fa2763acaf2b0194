"""Which parts of its inputs a step really used: only a change of these makes it run again.

A step notes what it reads (`note`, or a record that notes by itself, `noted`); the worker collects it, and the stamp
keeps the parts with their values. This is exact because a step is a function: with the same values it takes the same
way and asks for the same parts. An input of which nothing was noted counts as a whole;
`coursebuild/parts.py` looks up what they hold.

A part is a JSON pointer (RFC 6901) into the file, after a `?` if only its being there counted; or "?" alone (the file
is there), "#size" (bytes), "#code" (Python without comments), "#def NAME" (the text of that function or class),
"#without-lines" (JSON without the entries `line`, which serve messages only).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from coursebuild.model import Figure, Record

THERE, SIZE, CODE, DEFINITION, WITHOUT_LINES = "?", "#size", "#code", "#def ", "#without-lines"

_notes: ContextVar[dict[str, set[str]] | None] = ContextVar("notes", default=None)


@contextmanager
def noting() -> Iterator[dict[str, set[str]]]:
    """Collects what is noted inside, by the name of the input."""
    found: dict[str, set[str]] = {}
    token = _notes.set(found)
    try:
        yield found
    finally:
        _notes.reset(token)


def note(name: str, *parts: str) -> None:
    """The running step has used these parts of its input `name`."""
    notes = _notes.get()
    if notes is not None:
        notes.setdefault(name, set()).update(parts)


def pointer(*names: str) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


# ------------------------------------------------------------------ a record that notes by itself


class Noted(Mapping[str, Any]):
    """A table of the record: each name that is asked for is noted, and the whole table where it is walked through."""

    def __init__(self, values: Mapping[str, Any], name: str, inside: Callable[[str, Any], Any] | None = None) -> None:
        self._values, self._name, self._inside = values, name, inside

    def __getitem__(self, key: str) -> Any:
        if key not in self._values or not self._inside:
            note("record", pointer(self._name, key))
            return self._values[key]
        return self._inside(key, self._values[key])

    def __contains__(self, key: object) -> bool:
        note("record", THERE + pointer(self._name, str(key)))
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        note("record", pointer(self._name))
        return iter(self._values)

    def __len__(self) -> int:
        note("record", pointer(self._name))
        return len(self._values)


class _NotedFigure:
    """A figure of the record, whose entries are noted one by one."""

    def __init__(self, name: str, figure: Figure) -> None:
        self._name, self._figure = name, figure

    def __getattr__(self, entry: str) -> Any:
        note("record", pointer("figures", self._name, entry))
        return getattr(self._figure, entry)


def noted(record: Record) -> Record:
    """The same record, which notes what is read from it. Of a figure's file, `figure_file` tells."""
    if _notes.get() is None:
        return record
    note("record", "/day", "/slug")
    tables = {n: Noted(getattr(record, n), n) for n in ("metrics", "claims", "provenance")}
    return dataclasses.replace(record, figures=Noted(record.figures, "figures", _NotedFigure), **tables)


def figure_file(name: str, file: str) -> None:
    """The step has used this file of a figure (the record has its digest)."""
    note("record", pointer("figures", name, "sha256", file))
