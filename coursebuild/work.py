"""What happens on a worker: one step is executed, its products are verified and renamed into place."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import time
from pathlib import Path

from coursebuild.errors import CourseError
from coursebuild.flow import Step

THREAD_CAPS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def temporary(path: Path) -> Path:
    """The sibling under which a product is written: hidden, and with the suffix that tools look at."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def sweep(path: Path) -> None:
    """Remove what a process that was killed left behind under a product's temporary names."""
    for old in path.parent.glob(f".{path.stem}*.*.part{path.suffix}"):
        owner = old.name.removesuffix(f".part{path.suffix}").rpartition(".")[2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            remove(old)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def verify(step: Step, name: str, path: Path) -> None:
    """A product is there and not empty; CourseError otherwise (the step's own checks went before)."""
    there = any(path.iterdir()) if path.is_dir() else path.exists() and path.stat().st_size > 0
    if not there:
        raise CourseError(f"step {step.name} ended without its product `{name}` ({path.name})")


def put(source: Path, target: Path) -> None:
    """Rename a finished product into place. A folder replaces the old one as a whole."""
    if target.is_dir():
        old = temporary(target.with_name(target.name + "-old"))
        target.rename(old)
        source.rename(target)
        remove(old)
    else:
        source.replace(target)


def execute(step: Step, cache: Path, threads: int, verbose: bool = False) -> float:
    """Run one step here; returns its wall-clock seconds. Raises what the step raises, leaves nothing half-written."""
    for name in THREAD_CAPS:
        os.environ[name] = str(threads)
    os.environ.pop("DL50_VERBOSE", None)
    if verbose:
        os.environ["DL50_VERBOSE"] = "1"
    module, _, function = step.function.partition(":")
    begin = time.monotonic()
    parts = {name: temporary(path) for name, path in step.products.items()}
    try:
        for path in parts.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(path)
        if Path("/proc/self").exists():
            for path in step.products.values():
                sweep(path)
        getattr(importlib.import_module(module), function)(step.inputs, parts, step.params, cache)
        for name, path in parts.items():
            verify(step, name, path)
        for name, path in parts.items():
            put(path, step.products[name])
    finally:
        for path in parts.values():
            with contextlib.suppress(FileNotFoundError):
                remove(path)
    return time.monotonic() - begin
