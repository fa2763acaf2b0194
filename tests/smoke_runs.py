"""A smoke run of each day's script, made once for all the tests that look at it."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from coursebuild.steps.run import run


@functools.cache
def smoke_run(script: Path) -> Path:
    """A folder with the smoke `record/` of a script; it is removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix=f"dl50-{script.stem}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run({"script": script}, {"record": folder / "record"}, {"preset": "smoke"}, folder / "cache")
    return folder
