"""Steps for the tests of crashes: every file is written in two halves, and at each change of a file death may come.

`die_before(n)` ends the process right before its n-th change of the file system: Python announces each of them (PEP
578), so that between them they are all the states in which a kill can leave a folder, without luck and without waiting.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from coursebuild.files import cached, key_of, link_or_copy
from coursebuild.flow import Step
from coursebuild.work import Done, execute

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "os.symlink", "tests.half"}


def write(path: Path, text: str) -> None:
    """Write in two halves; what stands between them is on disk."""
    half = len(text) // 2
    with path.open("w") as file:
        file.write(text[:half])
        file.flush()
        sys.audit("tests.half", str(path))
        file.write(text[half:])


def join(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Every product holds the texts of the inputs, one of them by way of the cache; `folder` holds two files."""
    with Path(params["log"]).open("a") as log:
        log.write(params["name"] + "\n")
    text = " ".join(p.read_text() for p in inputs.values())
    kept = cached(cache, "kind", key_of(text), ".txt", lambda path: write(path, text))
    for name, path in products.items():
        said = f"{params['name']}.{name} of {text}"
        if name == "folder":
            path.mkdir()
            write(path / "said.txt", said)
            link_or_copy(kept, path / "kept.txt")
        else:
            write(path, said)


def fault(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """What goes wrong is named by the text of the input."""
    path = products["y"]
    what = inputs["x"].read_text()
    if what == "full":
        path.symlink_to("/dev/full")
        path.write_text("there is no room for this")
    elif what == "picky":
        raise Picky("two", "arguments")
    elif what == "memory":
        raise MemoryError
    path.write_text(what)


class Picky(Exception):
    """An error that cannot be made again from what it keeps, as some libraries have them."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} {why}")


def steps(root: Path) -> list[Step]:
    """a has three products, b a folder made from them; c needs both."""
    out, log = root / "out", str(root / "log")

    def step(name: str, inputs: list[Path], products: dict[str, Path]) -> Step:
        named = {f"in{i}": p for i, p in enumerate(inputs)}
        return Step(f"day01-{name}", 1, "tests.crash_steps:join", named, products, {"log": log, "name": name})

    return [
        step("a", [root / "source.txt"], {k: out / f"{k}.txt" for k in "xyz"}),
        step("b", [out / "x.txt", out / "z.txt"], {"folder": out / "folder", "extra": out / "extra.txt"}),
        step("c", [out / "folder" / "said.txt", out / "y.txt"], {"end": out / "end.txt"}),
    ]


class Here:
    """An executor that runs steps in this process."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def lane(self, step: Step) -> str:
        return "here"

    def room(self, step: Step, peak_bytes: int) -> bool:
        return True

    def submit(self, step: Step, peak_bytes: int) -> Future[Done]:
        future: Future[Done] = Future()
        try:
            future.set_result(execute(step, self.cache, 1))
        except Exception as error:
            future.set_exception(error)
        return future

    def result(self, step: Step, future: Future[Done]) -> Done:
        return future.result()

    def kill(self) -> None:
        """Nothing goes on by itself."""

    def close(self) -> None:
        """There is no worker."""


def die_before(number: int, folder: Path) -> None:
    """From now on, kill this process (its group stays) before the `number`-th change of a file below `folder`."""
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if not changes(event, arguments, str(folder)):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def changes(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    """Whether an audit event announces the change of a file below a folder."""
    if event == "open":
        path, _, flags = arguments
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        return isinstance(path, str) and path.startswith(folder) and bool((flags or 0) & writes)
    return event in CHANGES and any(isinstance(a, str | Path) and str(a).startswith(folder) for a in arguments)
