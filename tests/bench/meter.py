"""Runs a command and tells what it cost: CPU seconds (user and system), wall-clock seconds, peak memory.

The command gets a parent of its own (this file, run as a program), which waits for every process that the command
leaves behind, too: on Linux orphans come back to it. So nothing is counted twice and nothing is forgotten. What this
parent itself costs is not counted.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.25  # how often memory is looked at ...
SAMPLE_SHARE = 50  # ... or, where a look takes long, every so many times as long: it costs 2% of a core at most
PATIENCE = 20.0  # seconds for what a command leaves behind to end
PR_SET_CHILD_SUBREAPER = 36


class BenchError(RuntimeError):
    """Something could not be measured; the text says why, and is shown in the report."""


@dataclass(frozen=True)
class Usage:
    """What a command cost."""

    cpu: float  # seconds, user and system, all processes
    wall: float  # seconds
    peak: int  # bytes: the most proportional memory (PSS) of all its processes at a moment, or the largest one's alone


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
) -> Usage:
    """Run a command; its output goes to `log`. Raises BenchError if it fails, with the end of its output."""
    report = log.with_suffix(".usage.json")
    report.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-I", __file__, str(report), *map(str, argv)]
    with log.open("wb") as out:
        parent = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            status = parent.wait(timeout)
        except BaseException as error:  # Ctrl-C too: nothing is left running
            parent.terminate()
            parent.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise BenchError(f"{Path(argv[-1]).name} took more than {timeout:.0f} s") from None
            raise
    if status:
        last = " | ".join(log.read_text(errors="replace").strip().splitlines()[-4:])
        raise BenchError(f"it ended with status {status}: {last[-600:]}")
    return Usage(**json.loads(report.read_text()))


# ------------------------------------------------------------------ the parent


def descendants(pid: int) -> list[int]:
    """The processes below `pid` (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(x) for x in task.read_text().split()]
        except OSError:  # it has just ended
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def memory(pid: int) -> int:
    """Proportional memory of a process in bytes: pages that several processes share are divided among them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return 0


class Watch(threading.Thread):
    """Looks at the memory of everything below this process until `over` is set."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self) -> None:
        pause = SAMPLE_SECONDS
        while not self.over.wait(pause):
            begin = time.thread_time()
            self.peak = max(self.peak, sum(map(memory, descendants(os.getpid()))))
            pause = max(SAMPLE_SECONDS, SAMPLE_SHARE * (time.thread_time() - begin))


def wait_for_all(main: int) -> int:
    """Wait until no process is left; exit status of `main`. Those that stay are killed, and that is an error."""
    status, deadline = 0, float("inf")
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG if deadline < float("inf") else 0)
        except ChildProcessError:
            return status
        if pid == main:
            status, deadline = os.waitstatus_to_exitcode(raw), time.monotonic() + PATIENCE
        if pid == 0:
            if time.monotonic() > deadline:
                for left in descendants(os.getpid()):
                    os.kill(left, signal.SIGKILL)
                print("the command left processes behind that did not end", file=sys.stderr)
                return status or 70
            time.sleep(0.01)


def main(report: Path, argv: list[str]) -> int:
    """Run `argv`, write a Usage to `report`; the command's exit status."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    begin, watch = time.monotonic(), Watch()
    child = subprocess.Popen(argv)
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(p, signal.SIGKILL) for p in descendants(os.getpid())])
    watch.start()
    status = wait_for_all(child.pid)
    wall = time.monotonic() - begin
    watch.over.set()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest = spent.ru_maxrss * (1024 if sys.platform == "linux" else 1)
    report.write_text(json.dumps(asdict(Usage(spent.ru_utime + spent.ru_stime, wall, max(watch.peak, largest)))))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
