"""Locks between processes, and between machines that share a folder. The system ends a lock with its process."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coursebuild.errors import machine_errors
from coursebuild.files import sweep

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # some network folders
NAME = ".lock"  # in out/; it stays there, empty while nobody builds


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def build_lock(out: Path, say: Callable[[str], None] = tell) -> Iterator[None]:
    """Hold the folder `out` for one build; a second one says whom it waits for, and waits.

    What a build was killed over is removed before the next one begins: the holder's name, which stands in the file as
    long as it builds, is then still there. Raises CourseError where `out` cannot be written.
    """
    wait = "; this one waits until it has ended (Ctrl-C gives up)"
    with machine_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        descriptor = hold(out / NAME, lambda who: say(who + wait))
    try:
        with machine_errors(out):
            if os.pread(descriptor, 1, 0):
                sweep(out)
            note(descriptor)
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while something that all share is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = hold(path, lambda text: None)
    try:
        yield
    finally:
        os.close(descriptor)


def hold(path: Path, wait: Callable[[str], None]) -> int:
    """Open and lock `path`; returns the descriptor, whose closing ends the lock. Calls `wait` once if it must wait."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # not inherited: it ends with this process
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in NO_LOCKS:  # better a build without a lock than none
                    return descriptor
                if error.errno != errno.EAGAIN:
                    raise
                wait(holder(descriptor, path))
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_there(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody removed the file (make clean): another one counts now


def is_there(descriptor: int, path: Path) -> bool:
    """Whether the file that was locked is still the one with this name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def note(descriptor: int) -> None:
    """Write down who holds the lock."""
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode(), 0)


def holder(descriptor: int, path: Path) -> str:
    """Who builds, in words."""
    try:
        found = json.loads(os.pread(descriptor, 1000, 0))
        where = "" if found["host"] == socket.gethostname() else f" on {found['host']}"
        return f"another build (process {found['pid']}{where}, since {found['since'][11:19]}) works in {path.parent}"
    except (ValueError, KeyError, TypeError):  # it has just begun
        return f"another build works in {path.parent}"
