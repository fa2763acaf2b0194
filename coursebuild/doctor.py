"""`build.py doctor`: what this machine has, what is missing, and what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.flow import Step

FREE_GB = 4  # a build of one day with caches, rounded up
LEAST_FREE = 100_000_000  # bytes without which no build begins
Finding = tuple[bool, str, str, bool]  # (fine, what, what to do, needed for a build)
PROGRAMS = {
    "chromium": ("tests of HTML, page and video", "apt-get install chromium"),
    "soffice": ("tests of the PPTX", "apt-get install libreoffice-impress"),
    "ffprobe": ("tests of the video", "apt-get install ffmpeg"),
    "pdftotext": ("tests of the PDFs", "apt-get install poppler-utils"),
    "espeak-ng": ("the voice espeak", "apt-get install espeak-ng"),
}


def packages() -> Iterator[Finding]:
    yield sys.version_info[:2] >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer", True
    for name in (
        "torch",
        "torchvision",
        "transformers",
        "matplotlib",
        "av",
        "manim",
        "typst",
        "piper",
        "psutil",
        "pptx",
    ):
        yield importlib.util.find_spec(name) is not None, f"package {name}", "make setup", True


def torch_device() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    yield True, f"GPU: {name or 'none (everything works on the CPU; presets are quick)'}", "", False


def assets() -> Iterator[Finding]:
    from coursebuild.assets import ASSETS, asset_folder, cache_dir

    yield True, f"cache of downloads: {cache_dir()}", "", False
    for name, asset in ASSETS.items():
        try:
            asset_folder(name)
        except CourseError as error:
            yield False, asset.what, str(error), True
        else:
            yield True, f"{asset.what} ({asset.licence})", "", True


def machine() -> Iterator[Finding]:
    free = shutil.disk_usage(ROOT).free / 1e9
    yield free > FREE_GB, f"{free:.0f} GB of disk free", f"free {FREE_GB} GB", True
    out = ROOT / "out"
    writable = os.access(out if out.exists() else ROOT, os.W_OK)
    yield writable, f"{Path(os.path.relpath(out))} can be written", "check its owner, or use --out", True
    data = os.environ.get("DL50_DATA")
    yield (
        True,
        f"DL50_DATA: {data or 'not set (data come from caches, the package index or their own servers)'}",
        "",
        False,
    )
    for program, (use, fix) in PROGRAMS.items():
        yield shutil.which(program) is not None, f"program {program}, for {use}", fix, False


def require(steps: list[Step], out: Path) -> None:
    """What can be known before a build begins: its voice is there, and room for what it writes. Else CourseError."""
    from coursebuild.voices import voice_named

    for name in {s.params["voice"] for s in steps if s.kind == "narrate"}:
        voice_named(name).identity()
    free = shutil.disk_usage(out).free
    if free < LEAST_FREE:
        hint = f"free some space, or choose another folder with --out (a day takes up to {FREE_GB} GB with its caches)"
        raise CourseError(f"only {free / 1e6:.0f} MB of disk are free", file=out, hint=hint)


def examine() -> int:
    """Print the findings; returns 1 if something that a build needs is missing."""
    bad = 0
    for group in (packages, torch_device, assets, machine):
        for fine, what, fix, needed in group():
            mark = "ok  " if fine else "MISS" if needed else "none"
            click.echo(f"{mark}  {what}" + ("" if fine else f"\n        -> {fix}"))
            bad += needed and not fine
    click.echo("ready to build" if not bad else f"{bad} things are missing: make setup")
    return 1 if bad else 0
