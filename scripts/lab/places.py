"""What `build.py data` shows and does: where each data set and model would come from, without fetching it."""

from __future__ import annotations

import ast
import importlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab import download, sources
from lab.registry import Entry, File, Form, entries
from lab.wheels import cache_dir


@dataclass(frozen=True)
class Place:
    """One place where one form is looked for."""

    words: str
    form: Form
    usable: bool  # it is there, or would be downloaded

    @property
    def files(self) -> tuple[File, ...]:
        return self.form.files


def all_of(entry: Entry) -> list[Place]:
    """All places of an entry in the order in which they are looked at; servers are asked whether they answer."""
    ask_servers([entry])
    found = [Place(*_folder(entry, form)) for form in entry.forms]
    found += [Place(*_caches(entry, form)) for form in entry.forms]
    off = "the package index" + (" (downloads are switched off)" if download.offline() else "")
    found += [Place(f"{off}, {form.wheel}", form, not download.offline()) for form in entry.forms if form.wheel]
    for form in entry.forms:
        if not form.wheel and form.downloads:
            answers = download.online(form.files[0].url)
            host = sources.host(form)
            found.append(Place(host if answers else f"{host} (does not answer)", form, answers))
    return found


def first(entry: Entry) -> Place | None:
    """The first place that has it, or would give it."""
    return next((place for place in all_of(entry) if place.usable), None)


def ask_servers(wanted: list[Entry]) -> None:
    """Ask all servers at once whether they answer."""
    urls = {sources.host(f): f.files[0].url for e in wanted for f in e.forms if not f.wheel and f.downloads}
    download.ask_all(list(urls.values()))


def _folder(entry: Entry, form: Form) -> tuple[str, Form, bool]:
    folder = os.environ.get("DL50_DATA")
    if not folder:
        return "your folder (DL50_DATA is not set)", form, False
    there = any(_complete(place, form) for place in sources.user_folders(Path(folder), entry, form))
    return "your folder" + ("" if there else " (not in it)"), form, there


def _caches(entry: Entry, form: Form) -> tuple[str, Form, bool]:
    there = any(_complete(place, form) for place, _ in sources.cache_folders(entry, form))
    return "the cache" + ("" if there else " (not in it)"), form, there


def _complete(folder: Path, form: Form) -> bool:
    return all(sources.present(folder, file) for file in form.files)


def fetch(entry: Entry) -> str:
    """Make the registry's call once, which brings all of it into the cache; returns where it came from, or NoSource."""
    call = ast.parse(entry.call, mode="eval").body
    function = getattr(importlib.import_module(f"lab.{call.func.value.id}"), call.func.attr)
    named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    del sources.USED[:]
    function(*map(ast.literal_eval, call.args), **named)
    return sources.USED[-1]["source"]


def of_the_user(script: str) -> list[str]:
    """What the user's folder has of the data sets and models that a script with this text may load."""
    folder, found = os.environ.get("DL50_DATA"), []
    for entry in entries().values() if folder else ():
        function = entry.call.partition("(")[0].rpartition(".")[2]
        if re.search(rf"\b{function}\(", script):
            found += [f"{entry.name}: {form.files[0].name}" for form in entry.forms if _folder(entry, form)[2]]
    return found


def kept(entry: Entry) -> list[Path]:
    """What the course's own cache has of it: files, what was made of them, its wheels that no other entry uses."""
    cache = cache_dir()
    paths = [cache / "files" / entry.name, cache / "made" / entry.name]
    paths += [cache / "wheels" / form.files[0].name for form in entry.forms if form.wheel]
    paths += [cache / "MNIST"] if entry.name == "mnist" else []
    return [path for path in paths if path.exists()]
