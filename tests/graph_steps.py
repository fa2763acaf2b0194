"""Steps that take no time, for the tests of the engine. Each notes that it ran."""

from __future__ import annotations

import json
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
    once = Path(params["log"]).with_name("died")
    if "DIE" in text and not ("ONCE" in text and once.exists()):
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "WORKER" in text:
        from distributed import get_worker

        text = str(get_worker().name)
    for name, path in products.items():
        if "NOTHING" in text:
            return
        if name == "folder":
            path.mkdir()
            (path / "part.txt").write_text(text + params["mark"])
        else:
            path.write_text(text.upper() + params["mark"])


def tell(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Product: the process, when it began and ended, and what it sees of its share. Holds `megabytes` meanwhile."""
    begin = time.time()
    held = b"x" * int(params.get("megabytes", 0) * 2**20)
    meeting = products["y"].parent / "begun"
    meeting.mkdir(exist_ok=True)
    (meeting / params["name"]).touch()
    while params.get("meet") and not any((meeting / n).exists() for n in params["meet"]) and time.time() < begin + 60:
        time.sleep(0.02)  # until one of the others runs too
    time.sleep(params.get("seconds", 0.0))
    seen = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
    told = {"pid": os.getpid(), "begin": begin, "end": time.time(), "held": len(held), **seen}
    products["y"].write_text(json.dumps(told))
