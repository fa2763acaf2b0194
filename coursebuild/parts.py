"""What the parts of a file hold that a step has read (`coursebuild/reads.py` says what a part is)."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from coursebuild.digests import content, known
from coursebuild.errors import CourseError
from coursebuild.files import key_of, sha256
from coursebuild.keys import code_digest
from coursebuild.reads import CODE, DEFINITION, SIZE, THERE, WITHOUT_LINES

SHORT = 80  # characters of JSON; a longer value is kept as its digest


def values(path: Path, parts: list[str]) -> dict[str, Any]:
    """What these parts of a file hold: short values as they are, others as digests; None for what is not there."""
    return {part: _short(_value(path, part)) for part in parts}


def _short(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value if len(text) <= SHORT else f"sha256:{sha256(text)}"


def _value(path: Path, part: str) -> Any:
    if part == THERE:
        return path.exists()
    if part == SIZE:
        return path.stat().st_size if path.exists() else None
    if part == CODE:
        return code_digest(path)
    if part.startswith(DEFINITION):
        return _definition(path, part.removeprefix(DEFINITION))
    if part.startswith("/arrays/"):
        return _array(path, part)
    table = _json(path)
    if part == WITHOUT_LINES:
        return known.once(("unlined", path), lambda: key_of(_unlined(table)))
    value, there = _at(table, part.removeprefix(THERE))
    return there if part.startswith(THERE) else value


def _definition(script: Path, name: str) -> str | None:
    from coursebuild.elements import function_source  # imports much, and is rarely needed

    try:
        return function_source(script, name)
    except (CourseError, OSError):
        return None


def _json(path: Path) -> Any:
    def read() -> Any:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    return known.once(("json", path, content(path)), read)


def _at(value: Any, part: str) -> tuple[Any, bool]:
    """(what a JSON pointer leads to, whether it leads anywhere)."""
    for step in part.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None, False
    return value, True


def _unlined(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _unlined(v) for k, v in value.items() if k != "line"}
    return [_unlined(v) for v in value] if isinstance(value, list) else value


def _array(record: Path, part: str) -> str | None:
    """Digest of an array, which lies in arrays.npz beside the record."""
    name = part.split("/")[2].replace("~1", "/").replace("~0", "~")
    try:
        with zipfile.ZipFile(record.with_name("arrays.npz")) as arrays:
            return sha256(arrays.read(f"{name}.npy"))
    except (OSError, KeyError, zipfile.BadZipFile):
        return None
