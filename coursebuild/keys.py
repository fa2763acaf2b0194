"""What a step's products depend on: contents, parameters, its own source with all that it imports, tool versions."""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from importlib import metadata
from pathlib import Path

from coursebuild.files import ROOT, key_of, sha256

_digests: dict[tuple[str, int, int], str] = {}


def content(path: Path) -> str | None:
    """Digest of a file or of a whole folder (names and contents); None where there is nothing."""
    if path.is_dir():
        tree = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        return key_of([(str(p.relative_to(path)), content(p)) for p in tree])
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    # a file is read once per process and state; the digest, not the time, is what is compared
    key = (str(path), status.st_mtime_ns, status.st_size)
    if key not in _digests:
        _digests[key] = sha256(path)
    return _digests[key]


def imported_names(path: Path) -> set[str]:
    """Dotted names that a Python file imports, at any depth (`from a import b` gives a and a.b)."""
    names: set[str] = set()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):  # the step that runs the file says where and what
        return names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return names


def _file_of(name: str, folders: tuple[Path, ...]) -> Path | None:
    for folder in folders:
        base = folder.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


@functools.cache
def closure(start: Path, folders: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The project's files that `start` imports, itself included, and the names of third-party top-level modules."""
    todo, files, foreign = [start], set(), set()
    while todo:
        path = todo.pop()
        if path in files:
            continue
        files.add(path)
        for name in imported_names(path):
            found = _file_of(name, folders)
            if found:
                todo.append(found)
            elif _file_of(name.rpartition(".")[0] or name, folders) is None:
                foreign.add(name.partition(".")[0])
    return tuple(sorted(files)), tuple(sorted(foreign - set(sys.stdlib_module_names)))


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def versions(modules: tuple[str, ...]) -> dict[str, str]:
    """Versions of the distributions that provide these modules."""
    names = {d for m in modules for d in _distributions().get(m, [])}
    return {name: metadata.version(name) for name in sorted(names)}


def source_key(module: str) -> str:
    """Key of a step's code: the text of its module and of all project modules behind it, and their tools' versions."""
    files, foreign = closure(ROOT.joinpath(*module.split(".")).with_suffix(".py"), (ROOT, ROOT / "scripts"))
    texts = [(str(f.relative_to(ROOT)), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]
    return key_of(texts, versions(foreign), sys.version_info[:2])
