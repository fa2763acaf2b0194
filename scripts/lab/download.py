"""Files from the web: whether a server answers, how far a download is, and files that arrive whole or not at all."""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lab.registry import NoSource, size

try:
    import fcntl
except ImportError:  # Windows: two downloads at once then cost time, but each file still arrives whole
    fcntl = None

PROBE_SECONDS = 4.0  # for the first look at a server; a network that drops packets costs that much
NEXT_SECONDS = 1.5  # for others, once one did not answer
STALL_SECONDS = 20.0  # without a byte during a download
CHUNK = 1 << 20
HUB = "https://huggingface.co"
AGENT = {"User-Agent": "fifty-days-of-deep-learning"}
_answers: dict[str, bool] = {}  # host -> whether it answered: asked once in a process


# ------------------------------------------------------------------ is there a network


def offline() -> bool:
    """Whether the user said that nothing may be downloaded (DL50_OFFLINE=1, or Hugging Face's own variable)."""
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes") for name in ("DL50_OFFLINE", "HF_HUB_OFFLINE"))


def online(url: str) -> bool:
    """Whether the server of `url` answers; asked once for each server and process, and for seconds at most."""
    url = _mirrored(url)
    host = urlsplit(url).netloc
    if offline():
        return False
    if host not in _answers:
        limit = PROBE_SECONDS if all(_answers.values()) else min(NEXT_SECONDS, PROBE_SECONDS)
        _answers[host] = _within(limit, lambda: _responds(url, limit))
    return _answers[host]


def ask_all(urls: list[str]) -> None:
    """Ask several servers at once, so that all together cost no more than one."""
    threads = [threading.Thread(target=online, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PROBE_SECONDS + 1)


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """The answer, or False: looking up a name has no time limit of its own."""
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds + 0.5)
    return bool(answer and answer[0])


def _responds(url: str, seconds: float) -> bool:
    """Whether any answer comes (proxies are honoured)."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD", headers=AGENT), timeout=seconds).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False
    return True


def _mirrored(url: str) -> str:
    """HF_ENDPOINT names another server with Hugging Face's files."""
    mirror = os.environ.get("HF_ENDPOINT")
    return mirror.rstrip("/") + url[len(HUB) :] if mirror and url.startswith(f"{HUB}/") else url


# ------------------------------------------------------------------ progress


class Progress:
    """A bar on a terminal; elsewhere (a notebook, a log) a plain line at the start and at the end. Silent in CI."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.begin = self.drawn = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.silent = bool(os.environ.get("CI")) or os.environ.get("DL50_PROGRESS", "").lower() in ("0", "no")
        if not self.terminal:
            self._say(f"downloading {what} ({size(total)}) ...\n")

    def at(self, done: int) -> None:
        """`done` bytes are there."""
        self.done = done
        now = time.monotonic()
        if self.terminal and now - self.drawn > 0.1:
            self.drawn = now
            share = min(1.0, done / self.total) if self.total else 0
            bar = "#" * round(30 * share)
            rate = done / max(now - self.begin, 0.1)
            self._say(f"\r{self.what} [{bar:30s}] {share:4.0%} of {size(self.total)}, {size(int(rate))}/s \033[K")

    def end(self, arrived: bool) -> None:
        seconds = time.monotonic() - self.begin
        outcome = f"{size(self.done)} in {seconds:.1f} s" if arrived else "stopped"
        self._say(f"\r{self.what}: {outcome}\033[K\n" if self.terminal else f"{self.what}: {outcome}\n")

    def _say(self, text: str) -> None:
        if not self.silent:
            print(text, end="", file=sys.stderr, flush=True)


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    shown = Progress(what, total)
    arrived = False
    try:
        yield shown
        arrived = True
    finally:
        shown.end(arrived)


# ------------------------------------------------------------------ files


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Only one process at a time makes `target`; the system ends the lock with its process."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with target.with_name(f".{target.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process fetches {target.name}; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # some network folders know no locks; the file still arrives whole
        yield


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A name to write under; the file (or folder) gets its own name only when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield part
        try:
            part.replace(target)
        except OSError:
            if not (part.is_dir() and target.is_dir()):  # else another process has put the same folder there meanwhile
                raise
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)


def fetch(url: str, target: Path, problem: Callable[[Path], str], total: int) -> None:
    """Download to `target` unless it is there and sound; raises NoSource. `problem` says what is wrong with a file."""
    url = _mirrored(url)
    host = urlsplit(url).netloc
    with locked(target):
        if target.exists() and not problem(target):
            return
        if not online(url):
            raise NoSource("downloads are switched off" if offline() else f"{host} does not answer")
        try:
            with whole(target) as part:
                _stream(url, part, target.name, total)
                wrong = problem(part)
                if wrong:
                    raise NoSource(f"what {host} sent {wrong}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoSource(f"{host}: {error}") from None


def _stream(url: str, part: Path, what: str, total: int) -> None:
    request = urllib.request.Request(url, headers=AGENT)
    with urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer, part.open("wb") as file:
        promised = int(answer.headers.get("Content-Length") or 0)
        with progress(what, promised or total) as shown:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                shown.at(file.tell())
            if promised and file.tell() != promised:
                raise OSError(f"the connection ended after {size(file.tell())} of {size(promised)}")
