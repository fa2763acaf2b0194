"""Values that came out of JSON or YAML, checked against a dataclass and made into it. Standard library only."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.reading import CONTROL, PathIn, dotted

LARGEST = 10**300  # of whole numbers: beyond, they are no floats
NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class Wrong(ValueError):
    """A value that has not the shape that it should have; `path` leads to it from where the search began."""

    def __init__(self, what: str, path: PathIn = (), hint: str = "") -> None:
        super().__init__(what)
        self.what, self.path, self.hint = what, path, hint

    def below(self, *names: str | int) -> Wrong:
        return Wrong(self.what, (*names, *self.path), self.hint)


def in_file(error: Wrong, file: Path, line_of: Callable[[PathIn], int], whole: str) -> CourseError:
    """The mistake with its place in a file that was read; `whole` names all of it, "the syllabus"."""
    what = f"`{dotted(error.path)}` {error.what}" if error.path else f"{whole} {error.what}"
    return CourseError(what, file=file, line=line_of(error.path), hint=error.hint)


def build(kind: Any, value: Any) -> Any:
    """`value` as a `kind`: a dataclass, list, tuple, dict, Any or a simple type. Raises Wrong."""
    return _builder(kind)(value)


@functools.cache
def _builder(kind: Any) -> Callable[[Any], Any]:
    """What checks and makes a value of one kind; found once, because large files hold thousands of a kind."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = _builder(next(a for a in args if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin in (list, tuple):
        inner = _builder(args[0])
        return lambda value: origin(_each(inner, enumerate(_of(list, value))))
    if origin is dict:
        inner = _builder(args[1])
        return lambda value: dict(zip(map(_name, _of(dict, value)), _each(inner, value.items()), strict=True))
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    return plain if kind is Any else functools.partial(_simple, kind)


def _dataclass(kind: Any) -> Callable[[Any], Any]:
    makers = {name: _builder(hint) for name, hint in typing.get_type_hints(kind).items()}
    free = (dataclasses.MISSING, dataclasses.MISSING)
    needed = {f.name for f in dataclasses.fields(kind) if (f.default, f.default_factory) == free}
    check = getattr(kind, "check", None)

    def make(value: Any) -> Any:
        for name in _of(dict, value):
            if name not in makers:
                raise Wrong("is unknown here", (name,), did_you_mean(str(name), makers))
        for name in needed:
            if name not in value:
                raise Wrong("is missing", (name,))
        made = kind(**dict(zip(value, _each(lambda pair: makers[pair[0]](pair[1]), _named(value)), strict=True)))
        if check:
            check(made)
        return made

    return make


def _named(value: dict[str, Any]) -> Iterable[tuple[str, tuple[str, Any]]]:
    return ((name, (name, inner)) for name, inner in value.items())


def _each(inner: Callable[[Any], Any], items: Iterable[tuple[Any, Any]]) -> list[Any]:
    out = []
    for name, value in items:
        try:
            out.append(inner(value))
        except Wrong as error:
            raise error.below(name) from None
    return out


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise Wrong(f"is {shorted(value)}, not {'a list' if kind is list else 'a table of names and values'}")
    return value


def _name(name: Any) -> str:
    try:
        return _simple(str, name)
    except Wrong as error:
        raise error.below(str(name)) from None


def _simple(kind: type, value: Any) -> Any:
    """A text, number or truth value; whole numbers may stand where any number may."""
    good = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not good:
        raise Wrong(f"is {shorted(value)}, not {NAMES.get(kind, kind.__name__)}")
    return plain(value)


def plain(value: Any) -> Any:
    """Anything that JSON has, if every text can be written and every number is finite."""
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Wrong("holds half a character (a lone surrogate)") from None
    elif isinstance(value, dict):
        for name, inner in value.items():
            _name(name)
            _each(plain, [(name, inner)])
    elif isinstance(value, list | tuple):
        _each(plain, enumerate(value))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Wrong(f"is {value}, not a number that can be shown")
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise Wrong("is larger than any number that can be shown")
    elif value is not None:
        raise Wrong(f"is {shorted(value)}, which no record can hold", hint="put text in quotes")
    return value


def everywhere(check: Callable[[str], None], value: Any) -> None:
    """Call `check` with every text inside `value`; what it raises gets the path to the text."""
    if isinstance(value, str):
        check(value)
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        _each(functools.partial(everywhere, check), pairs)


def no_control_characters(text: str) -> None:
    if found := CONTROL.search(text):
        raise Wrong(f"holds the control character U+{ord(found[0]):04X}", hint="leave it out")


def shorted(value: Any) -> str:
    """A value in an error message."""
    if value is None:
        return "empty"
    text = repr(value) if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
