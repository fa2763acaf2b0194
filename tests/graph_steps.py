"""Steps that take no time, for the tests of the engine. Each notes that it ran."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from coursebuild.errors import CourseError


def join(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Product: the inputs' texts and the parameter `mark`. `FAIL` in an input is an author's mistake."""
    text = "".join(p.read_text() for p in inputs.values() if p.is_file())
    with Path(params["log"]).open("a") as log:
        log.write(params["name"] + "\n")
    if "FAIL" in text:
        raise CourseError("fails on purpose", file="lectures/x.md", line=7, hint="mend it")
    if "DEFECT" in text:
        raise ZeroDivisionError("a defect")
    if "SLEEP" in text:
        time.sleep(600)
    if "SLOW" in text:
        time.sleep(2)
    if "DIE" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    for name, path in products.items():
        if "NOTHING" in text:
            return
        if name == "folder":
            path.mkdir()
            (path / "part.txt").write_text(text + params["mark"])
        else:
            path.write_text(text.upper() + params["mark"])
