"""What each step was built from, kept beside its products: `explain` reads it, a build with nothing to do ends here.

A stamp is written after a step's products are in place. It never makes a step count as done on its own: the products'
contents must still be what the stamp says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coursebuild.files import key_of, read_json, write_json
from coursebuild.flow import Step, maker_of
from coursebuild.keys import content, source_key
from coursebuild.work import Done


def stamp_path(step: Step, out: Path) -> Path:
    return out / ".stamps" / f"{step.name}.json"


def params_key(step: Step) -> dict[str, str]:
    return {name: key_of(value) for name, value in step.params.items()}


def fingerprint(step: Step, root: Path) -> dict[str, Any]:
    """All that counts for a step, by name, as it is now."""

    def shown(path: Path) -> str:
        return str(path.relative_to(root)) if path.is_relative_to(root) else path.name

    files = {f"{name} ({shown(path)})": content(path) for name, path in step.inputs.items()}
    files |= {shown(path): content(path) for path in step.watch}
    return {
        "inputs": files,
        "params": params_key(step),
        "code": source_key(step.function.partition(":")[0]),
        "products": {name: content(path) for name, path in step.products.items()},
    }


def write_stamp(step: Step, out: Path, before: dict[str, Any], done: Done) -> None:
    """Keep what a step was built from (`before`: its fingerprint when it began) and what its products are now."""
    products = {name: content(path) for name, path in step.products.items()}
    write_json(stamp_path(step, out), {**before, "products": products, **needed(done)})


def needed(done: Done) -> dict[str, Any]:
    """What a step took, for the estimates of the next build."""
    took = {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
    return {k: round(v, 2) for k, v in took.items()} | {"peak_bytes": done.peak_bytes}


def read_stamp(step: Step, out: Path) -> dict[str, Any]:
    try:
        value = read_json(stamp_path(step, out))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def reasons(step: Step, root: Path, out: Path) -> list[str]:
    """Why a step must run, in words; empty if it is up to date."""
    old, new = read_stamp(step, out), fingerprint(step, root)
    missing = [n for n, state in new["products"].items() if state is None]
    if not old:
        return ["never built"]
    found = [f"{n} is missing" for n in missing]
    for group, verb in (("inputs", "changed"), ("params", "has another value")):
        before = old.get(group, {})
        for name, state in new[group].items():
            if name not in before:
                found.append(f"{name} is new")
            elif before[name] != state:
                found.append(f"{name} {verb}" if state is not None else f"{name} is missing")
        found += [f"{name} is gone" for name in before if name not in new[group]]
    if old.get("code") != new["code"]:
        found.append("the builder's own code or a tool's version changed")
    for name, state in new["products"].items():
        if state is not None and old.get("products", {}).get(name) != state:
            found.append(f"product {name} was changed by hand")
    return found


def will_run(steps: list[Step], root: Path, out: Path) -> dict[str, list[str]]:
    """For each step the reasons to run it; "if ..." where only a step before it gives something else; [] if current."""
    found: dict[str, list[str]] = {}
    for step in steps:
        found[step.name] = reasons(step, root, out)
        makers = {m.name for p in step.inputs.values() if (m := maker_of(p, steps))}
        before = sorted(name for name in makers if found.get(name))
        if not found[step.name] and before:
            found[step.name] = [f"if {', '.join(before)} gives something else"]
    return found
