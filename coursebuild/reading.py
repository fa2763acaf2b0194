"""Files that people write or hand in: text and JSON. A mistake in them is a CourseError with its line."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError

MAX_BYTES = 20_000_000  # of a file that is read as a whole
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")  # tab and line feed may be
DEEPEST = 60  # lists and tables inside each other
PathIn = tuple[str | int, ...]  # where a value stands: ("slides", 3, "title")


def read_text(path: Path, *, code: bool = False) -> str:
    """A UTF-8 file with line feeds as line ends, without a byte order mark.

    Control characters are refused, but for a program (`code`), where only NUL is.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CourseError("is missing", file=path) from None
    except (IsADirectoryError, NotADirectoryError):
        raise CourseError("is no file", file=path) from None
    if len(data) > MAX_BYTES:
        raise CourseError(f"has {len(data):,} bytes, at most {MAX_BYTES:,} are read", file=path, line=1)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CourseError("is not UTF-8", file=path, line=line, hint="save it as UTF-8") from None
    bad = re.search("\0", text) if code else CONTROL.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        hint = "an editor that shows invisible characters finds it"
        raise CourseError(f"holds the control character U+{ord(bad[0]):04X}", file=path, line=line, hint=hint)
    return text


def parse_python(path: Path) -> ast.Module:
    """The syntax tree of a program; CourseError with the line where it is none."""
    try:
        return ast.parse(read_text(path, code=True))
    except SyntaxError as error:
        raise CourseError(f"not valid Python: {error.msg}", file=path, line=error.lineno or 1) from None
    except (RecursionError, MemoryError, ValueError):
        raise CourseError("not valid Python: nested too deeply", file=path, line=1) from None


def dotted(path: PathIn) -> str:
    """("slides", 3, "title") -> slides[3].title; a name with other characters stands in quotes and brackets."""
    parts = (
        f".{name}" if isinstance(name, str) and re.fullmatch(r"\w+", name) else f"[{json.dumps(name)}]" for name in path
    )
    return "".join(parts).removeprefix(".")


def too_deep(value: Any) -> bool:
    """Whether lists and tables are nested deeper than anything of ours is."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner = (x.values() if isinstance(x, dict) else x for x in level if isinstance(x, dict | list))
        level, depth = [y for x in inner for y in x], depth + 1
    return depth > DEEPEST


# ------------------------------------------------------------------ JSON


def read_json(path: Path) -> Any:
    """A JSON file as RFC 8259 has it (no NaN), not nested deeper than DEEPEST."""
    text = read_text(path, code=True)
    damaged = "a damaged file of a build is made again when it is deleted"

    def refuse(name: str) -> None:
        raise CourseError(f"not valid JSON: {name} is no number", file=path, line=_line_of(name, text))

    try:
        value = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise CourseError(f"not valid JSON: {error.msg}", file=path, line=error.lineno, hint=damaged) from None
    except RecursionError:
        raise CourseError("not valid JSON: nested too deeply", file=path, line=1, hint=damaged) from None
    except ValueError:  # more digits than Python converts
        line = _line_of(r"\d{4300}", text)
        raise CourseError("not valid JSON: a number with thousands of digits", file=path, line=line) from None
    if too_deep(value):
        raise CourseError("not valid JSON: nested too deeply", file=path, line=1, hint=damaged)
    return value


def _line_of(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return text.count("\n", 0, found.start()) + 1 if found else 1
