"""run: execute a day's script in a fresh process and keep what it measured, with where it came from."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from coursebuild import runs
from coursebuild import theme as themes
from coursebuild.assets import cache_dir
from coursebuild.errors import CourseError, ended
from coursebuild.files import ROOT, read_json, scratch, sha256, usable_cores, write_json
from coursebuild.model import Figure, Record
from coursebuild.reading import parse_python
from coursebuild.reads import note
from coursebuild.wanted import check_wanted

MAX_THREADS = 4  # of a script: its results must not depend on how many steps a build runs side by side
LIMITS = {"smoke": 120, "quick": 300, "full": 1800}  # seconds, for scripts that state no LIMIT_SECONDS


def run(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Step: input script; product record (folder); params preset, settings, limit (seconds or None), again.

    What was measured before under the same conditions is taken from the cache, unless `again` is true.

    Raises CourseError, with the line in the script, if the script fails, takes longer than its limit, measures
    nothing, or leaves something that a record cannot keep. The log is kept in the record, or after a failure in the
    cache.
    """
    script, target = inputs["script"].resolve(), products["record"].resolve()
    target.mkdir(parents=True, exist_ok=True)
    check_wanted(script, params.get("settings") or {})
    note("theme", "/themes", "/fonts/text")
    given = fonts()
    key = runs.run_key(script, params, given)
    if not params.get("again") and runs.take(cache, key, target):
        return
    limit = params.get("limit") or limit_of(script, params.get("preset"))
    log = target / "stdout.log"
    try:
        with scratch("run") as folder:
            execute(script, target, params, given, limit, folder, log)
        hide_places([log, target / "result.json"], {folder: ".", script.parent.parent: "."})
        record = make_record(script, target)
        check_settings(record, params.get("settings") or {}, script)
    except CourseError as error:
        raise with_log(error, log, cache / "logs" / f"{script.stem}.log") from None
    record.save(target / "record.json")
    if runs.run_key(script, params, given) == key:  # else a source was saved meanwhile: nobody knows which one ran
        chosen = {**params, "preset": record.provenance["preset"]}
        runs.keep(cache, runs.run_key(script, chosen, given), target)


def execute(
    script: Path, target: Path, params: dict[str, Any], font_folders: list[str], limit: float, cwd: Path, log: Path
) -> None:
    """Run the script in a process of its own, in an empty folder; CourseError if it fails or takes too long."""
    theme = themes.everything()
    job = {
        "parent": os.getpid(),
        "script": str(script),
        "preset": params.get("preset"),
        "out": str(target),
        "dark": theme["themes"]["dark"],
        "light": theme["themes"]["light"],
        "font": theme["fonts"]["text"],
        "fonts": font_folders,
    }
    write_json(cwd / "job.json", job)
    python = [sys.executable, "-P", "-u", "-m", "coursebuild.script_runner", str(cwd / "job.json")]
    if os.environ.get("DL50_VERBOSE"):
        print("$", *python, file=sys.stderr, flush=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            python,
            env=environment(params),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its own children end with it
        )
        try:
            status = child.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            raise CourseError(
                f"the script took longer than its limit of {limit:g} seconds",
                file=script,
                line=line_of_limit(script),
                hint="make it smaller, choose a smaller preset, or raise LIMIT_SECONDS in its first cell",
            ) from None
        finally:
            _end(child)
    if (target / "error.json").exists():
        what, file, line, hint = read_json(target / "error.json")
        raise CourseError(what, file=shown_path(file), line=line, hint=hint)
    if status or not (target / "result.json").exists():
        how, hint = ended(status, "the script")
        nothing = "" if status else " and no results"
        raise CourseError(f"the script's process ended {how}{nothing}", file=shown_path(script), line=1, hint=hint)


def hide_places(files: list[Path], places: dict[Path, str]) -> None:
    """Take out of texts that are published where this machine keeps things; `places` and what they become."""
    home = Path(os.environ.get("HOME") or "/")
    known = {Path(tempfile.gettempdir()): "<tmp>", home: "~", Path(sys.prefix): "<python>", cache_dir(): "<cache>"}
    known |= {ROOT: "."} | places
    forms = [(path, name) for place, name in known.items() for path in (place, place.resolve())]
    names = {str(path): name for path, name in forms if len(path.parts) > 1}  # not the root of all
    for file in files:
        text = file.read_bytes()
        for place in sorted(names, key=len, reverse=True):
            pattern = rb"(?<![\w.-])" + re.escape(place.encode()) + rb"(?![\w-])"
            text = re.sub(pattern, names[place].encode(), text)
        file.write_bytes(text)


def environment(params: dict[str, Any]) -> dict[str, str]:
    """What the script's process sees: nothing of an outer DL50_*, so that a record depends on the parameters only."""
    keep = ("DL50_CACHE", "DL50_DATA", "DL50_OFFLINE")
    env = {k: v for k, v in os.environ.items() if not k.startswith("DL50_") or k in keep}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"}
    env["OPENBLAS_NUM_THREADS"] = "1"  # NumPy's matrices are small here: more threads only make timings jump
    env |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(min(MAX_THREADS, usable_cores())))  # not of --jobs
    if params.get("preset"):
        env["DL50_PRESET"] = params["preset"]
    if params.get("settings"):
        env["DL50_SET"] = json.dumps(params["settings"])
    return env


def _end(child: subprocess.Popen) -> None:
    """Kill what is left of the process and its children (nothing, if it ended by itself)."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def fonts() -> list[str]:
    """Folders with the deck's fonts, or none where they cannot be had: figures then use matplotlib's own font."""
    given = os.environ.get("DL50_FONTS")
    if given:
        return given.split(os.pathsep)
    try:
        from coursebuild.fonts import font_dir

        return [str(font_dir())]
    except ImportError as error:  # a bare GPU machine lacks fontTools
        print(f"figures are drawn in DejaVu Sans: {str(error).splitlines()[0]}", file=sys.stderr)
        return []


def limit_of(script: Path, preset: str | None) -> float:
    """Seconds that the script may take: LIMIT_SECONDS of its first cell (a number, or one per preset)."""
    value = _limit_node(script)
    if value is None:
        return LIMITS.get(preset or "full", LIMITS["full"])
    try:
        limit = ast.literal_eval(value)
        return float(limit if not isinstance(limit, dict) else limit[preset] if preset else max(limit.values()))
    except (ValueError, TypeError, KeyError):
        raise CourseError(
            f"LIMIT_SECONDS has no number of seconds for the preset {preset}",
            file=shown_path(script),
            line=value.lineno,
            hint='write it like LIMIT_SECONDS = {"smoke": 60, "quick": 120, "full": 600}',
        ) from None


def _limit_node(script: Path) -> ast.expr | None:
    try:
        body = parse_python(script).body
    except CourseError:
        return None  # the run itself says so, with the line
    assigns = [node for node in body if isinstance(node, ast.Assign)]
    named = (n.value for n in assigns for t in n.targets if isinstance(t, ast.Name) and t.id == "LIMIT_SECONDS")
    return next(named, None)


def line_of_limit(script: Path) -> int:
    node = _limit_node(script)
    return node.lineno if node is not None else 1


def shown_path(path: str | Path) -> str:
    """A path as an author knows it: from the project's root."""
    path = Path(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def make_record(script: Path, target: Path) -> Record:
    """The Record out of what the process left; the intermediate file goes."""
    result = read_json(target / "result.json")
    for warning in result.pop("warnings"):
        print(f"{script.name}: {warning}", file=sys.stderr)
    digits, _, slug = script.stem.partition("_")
    day = int(digits.removeprefix("day")) if digits.removeprefix("day").isdigit() else 0
    figures = {name: Figure.from_json(figure) for name, figure in result.pop("figures").items()}
    record = Record(day=day, slug=slug, figures=figures, arrays_sha256=sha256(target / "arrays.npz"), **result)
    (target / "result.json").unlink()
    return record


def check_settings(record: Record, wanted: dict[str, Any], script: Path) -> None:
    """A setting that was asked for is one that the run used."""
    used = record.provenance["settings"]
    for name, value in wanted.items():
        if used.get(name) != value:
            hint = "the script's first cell must take its settings from lab.settings.choose(...)"
            raise CourseError(f"the setting {name}={value!r} had no effect", file=shown_path(script), line=1, hint=hint)


def with_log(error: CourseError, log: Path, kept: Path) -> CourseError:
    """Keep the whole log where it survives the failed step, and say where."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, kept)
    except OSError:  # there is none, or the disk is full: the error itself says more
        return error
    where = f"the whole log: {shown_path(kept)}"
    return CourseError(
        error.what, file=error.file, line=error.line, hint=f"{error.hint}; {where}" if error.hint else where
    )
