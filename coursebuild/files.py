"""Files: hashes, atomic writes, a content-addressed cache, and commands that are shown with --verbose."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def sha256(data: bytes | str | Path) -> str:
    """Hex digest of bytes, of a text, or of a file's contents."""
    if isinstance(data, Path):
        with data.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def key_of(*parts: Any) -> str:
    """A cache key: the digest of JSON-able parts."""
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary sibling (same suffix) and rename it over `path` only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield tmp
        with tmp.open("rb") as f:
            os.fsync(f.fileno())
        tmp.replace(path)
    finally:
        tmp.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, one key a line, so that a change of one value is a change of one line."""
    with atomic(path) as tmp:
        tmp.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def cached(cache: Path, kind: str, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of `kind` for `key`; `make(path)` writes it if it is not there yet.

    The name is the key, so an entry is never out of date; it is renamed into place whole, so it is never half
    written; its digest stands beside it, so a damaged entry is made again.
    """
    path = cache / kind / key[:2] / f"{key}{suffix}"
    mark = path.with_name(path.name + ".sha256")
    if path.exists() and mark.exists() and mark.read_text() == sha256(path):
        return path
    with atomic(path) as tmp:
        make(tmp)
    with atomic(mark) as tmp:
        tmp.write_text(sha256(path))
    return path


def link_or_copy(source: Path, target: Path) -> None:
    """Put `source`'s contents at `target` (hard link where the file system allows it)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def run_command(
    argv: Sequence[str | Path],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    log: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return it finished (never raises for its exit code); output goes to `log` too."""
    if os.environ.get("DL50_VERBOSE"):
        print("$", *argv, file=sys.stderr, flush=True)
    done = subprocess.run(
        [str(a) for a in argv],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout, encoding="utf-8")
    return done


def die_with_parent() -> None:
    """Linux: this process is killed when its parent ends, so that no orphan goes on computing and writing."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"dl50-{prefix}-") as name:
        yield Path(name)
