"""docs/PERFORMANCE.md from docs/performance.json: tables and sentences follow the numbers, nothing is measured here."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tests.bench.sections import builds, floors, rivals, steps
from tests.bench.tables import NOTHING, number, table
from tests.bench.targets import JsonDict, Target, targets

HERE = Path(__file__).resolve().parent


def render(data: JsonDict, tunings: list[JsonDict]) -> str:
    """The whole page."""
    found = targets(data)
    parts = [
        "# How fast it is, measured\n",
        _head(data),
        "## Targets\n",
        _verdict(found),
        _targets(found),
        _short(found),
        "## Builds and edits\n",
        builds(data),
        "## Steps\n",
        steps(data),
        "## The same slides by others\n",
        rivals(data),
        "## Floors\n",
        floors(data),
        "## Tunings\n",
        _tunings(tunings),
        "## How it is measured\n",
        _method(data),
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def load_tunings(path: Path = HERE / "tunings.toml") -> list[JsonDict]:
    return tomllib.loads(path.read_text(encoding="utf-8")).get("tuning", []) if path.exists() else []


# ------------------------------------------------------------------ head and targets


def _head(data: JsonDict) -> str:
    m = data["machine"]
    memory = f", {m['memory_gib']} GiB" if m.get("memory_gib") else ""
    kind = " A quick run: few repetitions, a short piece of film." if data.get("quick") else ""
    before, after = data["load"]
    versions = ", ".join(f"{k} {v}" for k, v in data["versions"].items())
    rivals = ", ".join(f"{k} {v}" for k, v in data.get("rival_versions", {}).items())
    return (
        f"Written by `make bench` on {data['date']}; {data['minutes']:.0f} minutes.{kind}\n\n"
        f"- Machine: {m['processor']}, {m['cores']} cores{memory}, {m['system']}, Python {m['python']}. Load average"
        f" {before:g} at the start, {after:g} at the end.\n"
        f"- Versions: {versions}.\n"
        + (f"- Rivals: {rivals}; Manim is the one above.\n" if rivals else "")
        + "\nCPU seconds are user and system time of a whole command with all its processes. Values are medians of n"
        " runs; ratios are medians of the ratios of each round, in which all took turns.\n"
    )


def _verdict(found: list[Target]) -> str:
    met = sum(t.met is True for t in found)
    missed = [t for t in found if t.met is False]
    unknown = sum(t.met is None for t in found)
    text = f"{met} of {len(found)} targets are met"
    text += f", {len(missed)} {'is' if len(missed) == 1 else 'are'} not" if missed else ""
    return text + (f", {unknown} {'was' if unknown == 1 else 'were'} not measured.\n" if unknown else ".\n")


def _targets(found: list[Target]) -> str:
    def row(t: Target) -> list[str]:
        verdict = {True: "**MET**", False: "**NOT MET**", None: "not measured"}[t.met]
        said = t.note if t.met is not None else t.missing
        value = NOTHING if t.value is None else number(t.value, t.unit if t.value != float("inf") else "")
        return [t.name, t.goal, value, str(t.n or NOTHING), verdict, said]

    return table(("target", "goal", "measured", "n", "", ""), map(row, found))


def _short(found: list[Target]) -> str:
    """For each target that was missed, where its time goes."""
    out = []
    for t in found:
        if t.met is False:
            out.append(f"### Short of it: {t.name}\n")
            out.append(_profile(t.profile) if t.profile else f"{t.note or 'No profile was taken'}.\n")
            out += [f"{t.because}\n"] if t.because else []
    return "\n".join(out)


def _profile(rows: list[list[Any]]) -> str:
    first = rows[0]
    said = f"The largest part is `{first[0]}` with {first[2]:.0%}.\n"
    body = [[f"`{what}`", number(seconds), f"{share:.0%}"] for what, seconds, share in rows if share >= 0.01]
    return f"{said}\n{table(('where', 'CPU s', 'share'), body)}"


# ------------------------------------------------------------------ tunings and method


def _tunings(tunings: list[JsonDict]) -> str:
    if not tunings:
        return "None is noted.\n"
    rows = [
        [
            t["what"],
            number(t.get("ratio"), "×"),
            str(t.get("n", NOTHING)),
            "kept" if t["kept"] else "not kept",
            t.get("why", ""),
        ]
        for t in tunings
    ]
    said = "Paired measurements of single changes, before / after in CPU time (`tests/bench/tunings.toml`).\n\n"
    return said + table(("what", "before / after", "n", "", ""), rows)


def _method(data: JsonDict) -> str:
    skipped = [f"- {name}: {reason}\n" for name, reason in data.get("missing", {}).items()]
    return (
        "`make bench` measures anew, `make bench ARGS=--quick` in minutes, `make bench ARGS=--render` only writes this"
        " page from `docs/performance.json`. Builds and edits happen in a copy of the project; downloads are there"
        " before. Peak memory is the largest seen sum of the proportional memory (PSS) of all processes of a command,"
        " a step's that of its process and children. Sync: each sentence is found in the decoded sound by"
        " cross-correlation, each picture in the decoded video. PSNR is of settled slides against their PNG, in RGB.\n"
        + ("\nNot measured in this run:\n\n" + "".join(skipped) if skipped else "")
    )
