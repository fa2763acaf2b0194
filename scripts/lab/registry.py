"""The data sets and models of the course, as registry.toml describes them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REGISTRY = "registry.toml"  # beside this file


class NoSource(RuntimeError):
    """Nothing could provide an asset; the text lists what was tried and what to do."""


@dataclass(frozen=True)
class File:
    """One file as published. `sha256` may be the beginning of the digest, as torchvision's file names carry it."""

    name: str
    bytes: int
    sha256: str = ""
    md5: str = ""
    md5_unpacked: str = ""  # of the content, whether the file is packed (.gz) or not
    also: str = ""  # another name that it may have in the user's folder
    url: str = ""

    @property
    def pinned(self) -> bool:
        """Whether one certain content is wanted."""
        return bool(self.sha256 or self.md5 or self.md5_unpacked)


@dataclass(frozen=True)
class Form:
    """A set of files in which an asset can be had, read by the reader called `name`."""

    name: str
    about: str
    files: tuple[File, ...]
    label: str = ""  # behind the title in captions, where this is not the original
    wheel: str = ""  # the requirement whose wheel is the only file
    licence: str = ""  # of the wrapping, where it differs
    note: str = ""
    folders: tuple[str, ...] = ()  # inside the user's folder
    caches: tuple[str, ...] = ()  # of libraries

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)

    @property
    def downloads(self) -> bool:
        """Whether its own server gives it out."""
        return all(f.url for f in self.files)


@dataclass(frozen=True)
class Entry:
    """A data set or model: what it is, whose it is, and its forms in order of preference."""

    name: str
    title: str
    kind: str
    about: str
    parts: str
    licence: str
    home: str
    call: str
    forms: tuple[Form, ...]
    standin: str = ""


@cache
def entries() -> dict[str, Entry]:
    """name -> entry, in the order of the file."""
    text = Path(__file__).with_name(REGISTRY).read_text(encoding="utf-8")
    return {name: _entry(name, table) for name, table in tomllib.loads(text).items()}


def entry(name: str) -> Entry:
    """The entry of this name; NoSource lists the names where there is none."""
    try:
        return entries()[name]
    except KeyError:
        raise NoSource(f"there is no data set or model `{name}`\n  -> there are: {', '.join(entries())}") from None


def _entry(name: str, table: dict) -> Entry:
    return Entry(name=name, forms=tuple(_form(form) for form in table.pop("form")), **table)


def _form(table: dict) -> Form:
    base = table.pop("base", "")
    files = tuple(File(url=f"{base}{f['name']}" if base else "", **f) for f in table.pop("files"))
    lists = {key: tuple(table.pop(key, ())) for key in ("folders", "caches")}
    return Form(files=files, **lists, **table)


def size(count: int) -> str:
    """A number of bytes in words: 17052 is "17 kB", 98362432 is "98 MB"."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.2g} {unit}" if count < 10 * step else f"{count / step:.0f} {unit}"
    return f"{count} bytes"
