"""What a step's code depends on: its own module and all that it imports, and the versions of the tools behind it.

The code of a Python file is what remains without comments and layout. An import counts wherever it stands (in a
function too), but for those that only a type checker reads. A module that is started as a process counts because its
name stands in the text ("coursebuild.script_runner"), and a data file because its name does ("lexicon.toml").
"""

from __future__ import annotations

import ast
import functools
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from coursebuild.digests import content, known
from coursebuild.files import ROOT, key_of, sha256

__all__ = ["closure", "code", "code_digest", "content", "imported_names", "source_key", "tools", "versions"]

PYTHON = platform.python_version()
PROCESS = re.compile(r"coursebuild(\.\w+)+")
DATA_FILE = re.compile(r"[\w-]+\.(toml|json|txt|csv|yaml|css|js|j2|typ|html)")
BENEATH = {  # distributions that decide what another one draws, and which are not imported by name
    "manim": ("manimpango", "pycairo", "scipy", "pillow", "mapbox_earcut", "isosurfaces", "skia-pathops"),
    "matplotlib": ("contourpy", "pillow"),
    "piper-tts": ("onnxruntime",),
}


# ------------------------------------------------------------------ what a file imports


def module_facts(path: Path | str) -> dict[str, Any]:
    """Of a Python file: `code` (digest without comments), `imports` and `data` (names in it). Kept by contents."""
    digest = content(path)
    if digest is None:
        return {"code": None, "imports": [], "data": []}
    return known.remembered(f"module 1 {PYTHON}", digest, lambda: _facts(Path(path), digest))


def _facts(path: Path, digest: str) -> dict[str, Any]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):  # the step that runs the file says where and what
        return {"code": digest, "imports": [], "data": []}
    names: set[str] = set()
    data: set[str] = set()
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names |= {base} | {f"{base}.{a.name}" if node.module else f"{base}{a.name}" for a in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value} if PROCESS.fullmatch(node.value) else set()
            data |= {node.value} if DATA_FILE.fullmatch(node.value) else set()
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
    names -= {"", "."}
    return {"code": sha256(ast.dump(tree))[:16], "imports": sorted(names), "data": sorted(data)}


def imported_names(path: Path) -> set[str]:
    """Dotted names that a Python file imports, at any depth (`from a import b` gives a and a.b)."""
    return set(module_facts(path)["imports"])


def code_digest(path: Path) -> str | None:
    """Digest of a Python file without its comments, of another file as it is; None where there is nothing."""
    return module_facts(path)["code"] if path.suffix == ".py" else content(path)


# ------------------------------------------------------------------ the files behind a file


def _find(base: str) -> str | None:
    """The file of a module, given its path without suffix."""
    for path in (f"{base}.py", f"{base}/__init__.py"):
        if os.path.isfile(path):  # noqa: PTH113
            return path
    return None


def _files_of(name: str, importer: str, folders: tuple[str, ...]) -> list[str] | None:
    """The project's files that an import of `name` executes, or None for what is no module of the project."""
    dots = len(name) - len(name.lstrip("."))
    if dots:
        folders = (functools.reduce(lambda folder, _: os.path.dirname(folder), range(dots), importer),)  # noqa: PTH120
    parts = name[dots:].split(".")
    for folder in folders:
        found = [p for i in range(len(parts)) if (p := _find("/".join([folder, *parts[: i + 1]])))]
        if found:  # a name that is no module is one inside the last that is
            return found
        if os.path.isdir(f"{folder}/{parts[0]}"):  # noqa: PTH112 (a package without __init__.py)
            return []
    return [] if dots else None


def closure(
    start: Path, folders: tuple[Path, ...], unused: tuple[str, ...] = ()
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The project's files that `start` imports, itself included, and the names of third-party top-level modules.

    Modules are looked for in `folders`, in this order. `unused` names modules that are not followed.
    """
    return known.once(("closure", start, folders, unused), lambda: _closure(start, folders, unused))


def _closure(
    start: Path, folders: tuple[Path, ...], unused: tuple[str, ...]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    places = tuple(map(str, folders))
    todo, files, foreign = [str(start)], set(), set()
    while todo:
        path = todo.pop()
        if path in files:
            continue
        files.add(path)
        for found, name in known.once(("direct", path, places), lambda path=path: _direct(path, places)):
            if any(name == u or name.startswith(f"{u}.") for u in unused):
                continue
            if found is None:
                foreign.add(name.partition(".")[0])
            else:
                todo += found
    return tuple(map(Path, sorted(files))), tuple(sorted(foreign - set(sys.stdlib_module_names)))


def _direct(path: str, places: tuple[str, ...]) -> list[tuple[list[str] | None, str]]:
    """What one file imports: (the project's files, or None; the name)."""
    if not path.endswith(".py"):
        return []
    facts, folder = module_facts(path), os.path.dirname(path)  # noqa: PTH120
    beside = [f"{folder}/{name}" for name in facts["data"] if os.path.isfile(f"{folder}/{name}")]  # noqa: PTH113
    return [(_files_of(name, path, places), name) for name in facts["imports"]] + [(beside, "")]


# ------------------------------------------------------------------ versions


def _installed() -> dict[str, Any]:
    """Which distributions there are: {"modules": {top-level name: [distribution]}, "versions": {name: version}}."""
    names = known.once("installed", _names_of_distributions)
    return known.remembered("installed 1", key_of(names), _read_distributions)


def _names_of_distributions() -> list[str]:
    """The metadata folders on the path; their names hold the versions."""
    found = []
    for place in sys.path:
        try:
            found += [(place, n) for n in sorted(os.listdir(place or ".")) if n.endswith(("-info",))]  # noqa: PTH208
        except OSError:
            continue  # no folder
    return found


def _read_distributions() -> dict[str, Any]:
    versions: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            versions.setdefault(_plain(name), distribution.version)  # the first on the path is the one that counts
    modules = {m: sorted({_plain(d) for d in ds}) for m, ds in metadata.packages_distributions().items()}
    return {"modules": modules, "versions": versions}


def _plain(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(modules: tuple[str, ...]) -> dict[str, str]:
    """Versions of the distributions that provide these modules, and of those that decide what they draw."""
    there = _installed()
    names = {d for m in modules for d in there["modules"].get(m, [])}
    names |= {_plain(below) for name in names for below in BENEATH.get(name, ())}
    return {name: there["versions"][name] for name in sorted(names) if name in there["versions"]}


# ------------------------------------------------------------------ the code of a step


def shown(path: Path, root: Path) -> str:
    """A path as an author knows it: from the course's folder, or from the builder's."""
    text = str(path)
    for folder in (root, ROOT):
        if text.startswith(f"{folder}{os.sep}"):
            return text[len(str(folder)) + 1 :]
    return path.name


def code(module: str, runs: Path | None, root: Path, unused: tuple[str, ...] = ()) -> dict[str, str | None]:
    """Digests of the project's files with which a step is executed, by name.

    `runs` is a file of the course that it executes; this itself is an input, and what it imports counts here.
    """
    files, _ = _behind(module, runs, unused)
    found: dict[str, str | None] = {}
    for path in files:
        name = shown(path, root)
        # a course elsewhere may have its own scripts/lab/plots.py beside the builder's
        found[f"{name} of the builder" if _hides(path, name, root) else name] = code_digest(path)
    return found


def _hides(path: Path, name: str, root: Path) -> bool:
    """Whether a file of the builder would take the name of one of the course."""
    return root != ROOT and path != root / name and (root / name).is_file()


def tools(module: str, runs: Path | None, unused: tuple[str, ...] = ()) -> dict[str, str]:
    """Versions of Python and of the distributions with which a step is executed."""
    return {"Python": PYTHON, **versions(_behind(module, runs, unused)[1])}


def _behind(module: str, runs: Path | None, unused: tuple[str, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    own = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    files, foreign = closure(own, (ROOT, ROOT / "scripts"), unused)
    if runs is not None:
        more, used = closure(runs, (runs.parent, ROOT / runs.parent.name))
        files = tuple(sorted({*files, *(f for f in more if f != runs)}))
        foreign = tuple(sorted({*foreign, *used}))
    return files, foreign


def source_key(module: str) -> str:
    """Key of a module's code, of all project modules behind it, and of their tools' versions."""
    return key_of(code(module, None, ROOT), tools(module, None))
