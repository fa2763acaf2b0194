"""Files: hashes, atomic writes, what a killed process leaves, a content-addressed cache, and commands.

A file that is being written has a hidden name that says whose it is: `.name.OWNER-3.part.suffix`, OWNER being a
machine's mark and a process number. So a later build can tell what a dead process of this machine left behind from
what is being written now, here or on another machine that shares the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OWNER = re.compile(r"(?P<machine>[0-9a-f]{8})p(?P<pid>\d+)-")
PART = re.compile(rf"\..*\.{OWNER.pattern}\d+\.part(\..*)?")
SCRATCH = re.compile(rf"dl50-.*-{OWNER.pattern}.*")
FORSAKEN = 24 * 3600  # seconds after which another machine's unfinished file counts as left behind
_count = itertools.count()


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
    tmp = temporary(path)
    try:
        yield tmp
        tmp.replace(path)
    finally:
        tmp.unlink(missing_ok=True)


def put(source: Path, target: Path) -> None:
    """Rename a finished file or folder into place. A folder replaces the old one as a whole.

    A file is on the disk before it gets its name: what a person opens survives a power cut. (Folders and caches are for
    the builder, which compares contents before it uses them.)
    """
    if not target.is_dir():
        if source.is_file():
            with source.open("rb") as file:
                os.fsync(file.fileno())
        source.replace(target)
        return
    old = temporary(target)
    target.rename(old)
    try:
        source.rename(target)
    except OSError:
        old.rename(target)  # better the old one than none
        raise
    remove(old)


def remove(path: Path) -> None:
    """Remove a file or a whole folder; nothing there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# ------------------------------------------------------------------ what is being written, and what was left


@functools.cache
def machine() -> str:
    """Eight hex digits for the place where process numbers mean what they mean here: a machine, or a container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # not on Linux
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), str(Path("/proc/self/ns/pid").readlink())]
    return key_of(parts)[:8]


def temporary(path: Path) -> Path:
    """A hidden sibling to write to, never given twice, with the suffix that tools look at."""
    return path.with_name(f".{path.stem}.{machine()}p{os.getpid()}-{next(_count)}.part{path.suffix}")


def alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):  # not on Linux
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True


def left_behind(path: Path, owner: re.Match[str]) -> bool:
    """Whether nobody writes to `path` any more: its owner is dead, or of another machine and silent for a day."""
    if owner["machine"] == machine():
        return not alive(int(owner["pid"]))
    try:
        return abs(time.time() - path.stat().st_mtime) > FORSAKEN
    except OSError:
        return False


def sweep(out: Path) -> None:
    """Remove what processes that were killed left below `out`, and their folders in the system's temporary one."""
    for folder, names, files in os.walk(out):
        for name in (*names, *files):
            owner = PART.fullmatch(name)
            if owner and left_behind(Path(folder, name), owner):
                _remove_stubborn(Path(folder, name))
        names[:] = [n for n in names if not PART.fullmatch(n)]
    with os.scandir(tempfile.gettempdir()) as there:
        left = [(Path(e.path), owner) for e in there if (owner := SCRATCH.fullmatch(e.name))]
    for path, owner in left:
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_uid == os.getuid() and left_behind(path, owner):
                _remove_stubborn(path)


def _remove_stubborn(path: Path) -> None:
    """Remove; a child of the dead process may be writing its last bytes into the folder just now."""
    for _ in range(20):
        with contextlib.suppress(OSError):
            return remove(path)
        time.sleep(0.05)


# ------------------------------------------------------------------ JSON, and the cache


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, one key a line, so that a change of one value is a change of one line."""
    with atomic(path) as tmp:
        tmp.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def entry(cache: Path, kind: str, key: str, suffix: str) -> Path:
    """Where `cached` keeps the file of `kind` for `key`."""
    return cache / kind / key[:2] / f"{key}{suffix}"


def digest_of(path: Path) -> str:
    """Digest of a file, or of the names and contents of a folder's files."""
    if not path.is_dir():
        return sha256(path)
    return key_of([(str(p.relative_to(path)), sha256(p)) for p in sorted(path.rglob("*")) if p.is_file()])


def keep_digest(path: Path, digest: str = "") -> None:
    """Write the digest of a file or folder beside it, for `is_whole`."""
    with atomic(path.with_name(path.name + ".sha256")) as tmp:
        tmp.write_text(digest or digest_of(path))


def is_whole(path: Path) -> bool:
    """Whether a file or folder is there and has the digest that stands beside it."""
    try:
        return path.with_name(path.name + ".sha256").read_bytes() == digest_of(path).encode()
    except FileNotFoundError:
        return False


def cached(cache: Path, kind: str, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of `kind` for `key`; `make(path)` writes it if it is not there yet.

    The name is the key, so an entry is never out of date; it is renamed into place whole, so it is never half
    written; its digest stands beside it, so a damaged entry is made again.
    """
    path = entry(cache, kind, key, suffix)
    if is_whole(path):
        return path
    with atomic(path) as tmp:
        make(tmp)
        digest = sha256(tmp)
    keep_digest(path, digest)
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


def die_with_parent(parent: int) -> None:
    """This process is killed when its parent ends (Linux), so that no orphan goes on computing and writing.

    `parent` is its number: one that has ended already, before we could ask for this, is not our parent any more.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"dl50-{prefix}-{machine()}p{os.getpid()}-") as name:
        yield Path(name)
