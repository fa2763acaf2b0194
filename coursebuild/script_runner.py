"""Runs one script in a process of its own: `python -P -m coursebuild.script_runner job.json`.

The job names script, preset, settings, palettes, font folders and the folder for the results. Afterwards that folder
has result.json (metrics, claims, figures, settings, provenance, warnings), arrays.npz and figures/, or, if the author
made a mistake, error.json (a CourseError's fields). Runs on a bare GPU machine: it needs no more than the scripts do.
"""

from __future__ import annotations

import ast
import datetime
import json
import os
import platform
import re
import runpy
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl

from coursebuild import figures
from coursebuild.errors import CourseError, of_the_machine
from coursebuild.files import ROOT, die_with_parent, read_json, sha256, write_json

PACKAGES = ("torch", "torchvision", "transformers", "numpy", "matplotlib")


def main(job_file: Path) -> int:
    """Do the job; the exit status is 0 unless the script ended the process, or nothing could be written."""
    job = read_json(job_file)
    die_with_parent(job["parent"])
    out, script = Path(job["out"]), Path(job["script"])
    try:
        write_json(out / "result.json", run(job, script, out))
    except (CourseError, OSError, MemoryError) as error:
        told = error if isinstance(error, CourseError) else of_the_machine(error, out)
        if told is None:
            raise
        try:
            write_json(out / "error.json", [told.what, told.file, told.line, told.hint])
        except OSError:  # the disk is full for this too
            return os.EX_IOERR
    return 0


def run(job: dict[str, Any], script: Path, out: Path) -> dict[str, Any]:
    """Run the script and collect what it measured, drew and used."""
    sys.path[:0] = [str(script.parent)]
    sys.path.append(str(ROOT / "scripts"))  # for scripts from elsewhere, which share our lab
    _prepare_look(job)
    started = time.monotonic()
    names = execute(script)
    seconds = time.monotonic() - started
    source = script.read_text(encoding="utf-8")
    results = Results(script, source, names)
    settings = results.settings()
    metrics, claims = results.metrics(), results.claims()
    shapes = results.save_arrays(out / "arrays.npz")
    drawn, notes = figures.save_all(script, job["dark"], job["light"], out / "figures", standins)
    return {
        "metrics": metrics,
        "claims": claims,
        "arrays": shapes,
        "figures": drawn,
        "warnings": notes,
        "provenance": provenance(script, job, settings, seconds),
    }


def _prepare_look(job: dict[str, Any]) -> None:
    """matplotlib without a window, in the deck's colours and font; the script may call lab.plots.style() again."""
    os.environ["DL50_PALETTE"] = json.dumps(job["dark"])
    os.environ["DL50_PROGRESS"] = "no"  # what a script prints is kept: the same in every run
    mpl.rcdefaults()  # not what this machine's matplotlibrc says
    mpl.use("Agg")
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    from lab import plots
    from matplotlib import font_manager

    for folder in job["fonts"]:
        for file in sorted([*Path(folder).glob("*.ttf"), *Path(folder).glob("*.otf")]):
            font_manager.fontManager.addfont(str(file))
    plots.style()
    known = set(font_manager.get_font_names())
    mpl.rcParams["font.family"] = [f for f in (job["font"], "DejaVu Sans") if f in known]


def execute(script: Path) -> dict[str, Any]:
    """The script's global names after it ran; CourseError with the author's line if it fails."""
    try:
        return runpy.run_path(str(script), run_name="__main__")
    except SyntaxError as error:
        traceback.print_exc()
        raise CourseError(f"is not Python: {error.msg}", file=error.filename, line=error.lineno) from None
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise failure(error, script) from None


def failure(error: BaseException, script: Path) -> CourseError:
    """What went wrong, at the deepest line that the author wrote (lab, the libraries and this runner are skipped)."""
    folder = script.parent.resolve()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if folder in Path(frame.filename).parents and folder / "lab" not in Path(frame.filename).parents
    ]
    message = str(error) or "no message"
    line = frames[-1].lineno if frames else 1
    trail = " <- ".join(f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in reversed(frames[:-1]))
    hint = f"called from {trail}" if trail else ""
    file = frames[-1].filename if frames else script
    return CourseError(f"{type(error).__name__}: {message}", file=file, line=line, hint=hint)


# ------------------------------------------------------------------ what the script left


class Results:
    """The names that a script left behind, checked: each mistake is an error that names the line."""

    def __init__(self, script: Path, source: str, names: dict[str, Any]) -> None:
        self.script, self.source, self.names = script, source, names

    def metrics(self) -> dict[str, Any]:
        found = self._table("metrics")
        if not found:
            raise CourseError(
                "the script measured nothing: `metrics` is missing or empty",
                file=self.script,
                line=1,
                hint='fill a dictionary: metrics["test_accuracy"] = accuracy',
            )
        return {name: self._plain(name, value) for name, value in found.items()}

    def claims(self) -> dict[str, bool]:
        import numpy as np

        claims = {}
        for sentence, held in self._table("claims").items():
            if not isinstance(held, bool | np.bool_):
                kind = type(held).__name__
                raise self._mistake(
                    sentence,
                    f"the claim `{sentence}` is neither true nor false, but {kind}",
                    "end it with a comparison",
                )
            claims[sentence] = bool(held)
        return claims

    def save_arrays(self, file: Path) -> dict[str, list[int]]:
        """Write the arrays (an empty file too, so that readers need not ask); returns their shapes."""
        import numpy as np

        arrays = {}
        for name, value in self._table("arrays").items():
            value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
            arrays[name] = np.asarray(value)
            if arrays[name].dtype.kind not in "biuf":
                raise self._mistake(name, f"the array `{name}` holds {arrays[name].dtype}, not numbers", "")
            if not np.isfinite(arrays[name]).all():
                raise self._mistake(name, f"the array `{name}` holds a NaN or an infinity", "")
        np.savez_compressed(file, **arrays)
        return {name: list(array.shape) for name, array in arrays.items()}

    def settings(self) -> dict[str, Any]:
        """The names in capitals of the first code cell; a table of settings counts with its own names."""
        settings: dict[str, Any] = {}
        for name in capitals_of_first_cell(self.source):
            value = self.names.get(name)
            if isinstance(value, SimpleNamespace):
                settings |= vars(value)
            elif name != "LIMIT_SECONDS":
                settings[name] = value
        return {k: v if _is_json(v) else re.sub(" at 0x[0-9a-f]+", "", repr(v)) for k, v in settings.items()}

    def _table(self, name: str) -> dict[str, Any]:
        table = self.names.get(name, {})
        if not isinstance(table, dict):
            raise CourseError(f"`{name}` must be a dictionary, not {type(table).__name__}", file=self.script, line=1)
        for key in table:
            if not isinstance(key, str):
                raise CourseError(f"`{name}` has the key {key!r}, which is no text", file=self.script, line=1)
        return table

    def _plain(self, name: str, value: Any) -> Any:
        """The metric as JSON has it: NumPy's numbers become Python's."""
        import numpy as np

        if isinstance(value, list | tuple):
            return [self._plain(name, v) for v in value]
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not np.isfinite(value):
            raise self._mistake(name, f"the metric `{name}` is {value}", "find out where it stops being a number")
        if not isinstance(value, bool | int | float | str):
            kind = f"{type(value).__module__}.{type(value).__name__}"
            hint = "use .item() or float(...) for one number, .tolist() for several, `arrays` for many"
            raise self._mistake(name, f"the metric `{name}` is a {kind}; a record keeps numbers and text", hint)
        return value

    def _mistake(self, name: str, what: str, hint: str) -> CourseError:
        lines = self.source.splitlines()
        near = (
            n for n, text in enumerate(lines, 1) if f'"{name}"' in text or re.search(rf"\b{re.escape(name)}=", text)
        )
        return CourseError(what, file=self.script, line=next(near, 1), hint=hint)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def first_code_cell(source: str) -> tuple[int, int]:
    """First and last line of the first code cell; of the whole script if it has no cells."""
    marks = [n for n, text in enumerate(source.splitlines(), 1) if re.match(r"# %%( |$)", text)]
    code = [n for n in marks if "[markdown]" not in source.splitlines()[n - 1]]
    if not code:
        return 1, len(source.splitlines())
    return code[0], next((n for n in marks if n > code[0]), len(source.splitlines()) + 1)


def capitals_of_first_cell(source: str) -> dict[str, ast.expr]:
    """NAME -> value of the assignments to names in capitals in the first code cell."""
    first, last = first_code_cell(source)
    found: dict[str, ast.expr] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and first <= node.lineno < last:
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            found |= {name: node.value for name in names if name.isupper()}
    return found


# ------------------------------------------------------------------ provenance


def provenance(script: Path, job: dict[str, Any], settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Where the numbers come from. Only `seconds` and `time` must differ in a second run of the same day."""
    now = datetime.datetime.now(datetime.UTC)
    inside = script.is_relative_to(ROOT)
    return {
        "script": script.relative_to(ROOT).as_posix() if inside else script.name,
        "script_sha256": sha256(script),
        "preset": settings.get("preset", job["preset"]),
        "settings": settings,
        "seed": settings.get("seed", settings.get("SEED")),
        "device": device_name(),
        "python": platform.python_version(),
        "packages": {name: sys.modules[name].__version__ for name in PACKAGES if name in sys.modules},
        "data": used_data(),
        "seconds": round(seconds, 2),
        "date": now.date().isoformat(),
        "time": now.time().isoformat(timespec="seconds"),
    }


def used_data() -> list[dict[str, Any]]:
    """Data sets and models that the script loaded through lab."""
    shared = sys.modules.get("lab.sources")
    return list(shared.USED) if shared else []


def standins(figure: int) -> str:
    """What stood in for data that could not be had when this figure was drawn, or nothing."""
    shared = sys.modules.get("lab.sources")
    return "; ".join(label for label, before in shared.STANDINS.items() if figure not in before) if shared else ""


def device_name() -> str:
    """The GPU if the script computed on one, else the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.get_device_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor_name()}, {cores} {'core' if cores == 1 else 'cores'}"


def processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if model:
            return model[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
