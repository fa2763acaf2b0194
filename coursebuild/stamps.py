"""What each step was built from, kept beside its products: `explain` reads it, a build with nothing to do ends here.

A stamp is written after a step's products are in place. It never makes a step count as done on its own: the products'
contents must still be what the stamp says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coursebuild import keys
from coursebuild.digests import content, known
from coursebuild.files import key_of, read_json, write_json
from coursebuild.flow import Step, makers
from coursebuild.parts import SHORT, values
from coursebuild.reads import THERE

if TYPE_CHECKING:
    from coursebuild.work import Done

DIGEST = re.compile(r"(sha256:)?[0-9a-f]{16,64}")
FORM = 2  # of the stamps: older ones do not count


def stamp_path(step: Step, out: Path) -> Path:
    return out / ".stamps" / f"{step.name}.json"


def fingerprint(step: Step, root: Path) -> dict[str, Any]:
    """All that counts for a step, by name, as it is now."""
    module = step.function.partition(":")[0]
    inputs = {label(name, path, root): content(path) for name, path in step.inputs.items()}
    inputs |= {keys.shown(path, root): content(path) for path in step.watch}
    behind = (module, step.runs, step.unused)
    return {
        "form": FORM,
        "inputs": inputs,
        "params": step.params,
        "code": known.once(("code", behind, root), lambda: keys.code(module, step.runs, root, step.unused)),
        "tools": known.once(("tools", behind), lambda: keys.tools(*behind)),
        "products": {name: content(path) for name, path in step.products.items()},
    }


def label(name: str, path: Path, root: Path) -> str:
    """What an input is called in a stamp and in `explain`."""
    return f"{name} ({keys.shown(path, root)})"


def write_stamp(step: Step, out: Path, before: dict[str, Any], done: Done) -> None:
    """Keep what a step was built from (`before`: its fingerprint when it began) and what its products are now."""
    products = {name: done.products.get(name) or content(path) for name, path in step.products.items()}
    parts = {}
    for name, noted in done.reads.items():
        found = [text for text in before["inputs"] if text.startswith(f"{name} (")]
        # where the input is no longer what the step began with, its parts cannot be told: it counts as a whole
        if name in step.inputs and found and before["inputs"][found[0]] == content(step.inputs[name]):
            parts[found[0]] = values(step.inputs[name], sorted(noted))
    stamp = json.loads(json.dumps({**before, "parts": parts, "products": products, **needed(done)}))
    write_json(stamp_path(step, out), {"digest": key_of(stamp), **stamp})


def needed(done: Done) -> dict[str, Any]:
    """What a step took, for the estimates of the next build."""
    took = {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
    return {k: round(v, 2) for k, v in took.items()} | {"peak_bytes": done.peak_bytes}


def read_stamp(step: Step, out: Path) -> dict[str, Any]:
    try:
        value = read_json(stamp_path(step, out))
    except (FileNotFoundError, ValueError):
        return {}
    whole = isinstance(value, dict) and value.pop("digest", None) == key_of(value)
    return value if whole else {}  # a damaged stamp is none


def settle(steps: list[Step]) -> None:
    """Read the products once more at the end of a build, now that they are old enough for their digests to be kept."""
    with known.snapshot():
        for step in steps:
            for path in step.products.values():
                content(path)
    known.save()


# ------------------------------------------------------------------ why


def reasons(step: Step, root: Path, out: Path) -> list[str]:
    """Why a step must run, in words; empty if it is up to date."""
    old = read_stamp(step, out)
    if not old:
        return ["never built"]
    if old.get("form") != FORM:
        return ["built by another version of the builder"]
    with known.snapshot():
        return list(dict.fromkeys(_differences(step, root, old, fingerprint(step, root))))


def _differences(step: Step, root: Path, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is missing" for name, digest in new["products"].items() if digest is None)
    paths = {label(name, path, root): path for name, path in step.inputs.items()}
    for name in old["inputs"] | new["inputs"]:
        yield from _input(name, paths.get(name), old, new)
    if key_of(old["params"]) != key_of(new["params"]):  # by their text: 3.0 is not 3, and true is not 1
        yield from _changes("", old["params"], json.loads(json.dumps(new["params"])))
    for group in ("tools", "code"):
        if old[group] != new[group]:
            yield from _table(group, old[group], new[group])
    for name, digest in new["products"].items():
        if digest is not None and old["products"].get(name) != digest:
            yield f"product {name} was changed by hand"


def _input(name: str, path: Path | None, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, now = old["inputs"].get(name), new["inputs"].get(name)
    if before == now:
        return
    parts = old["parts"].get(name)
    if name not in new["inputs"]:
        yield f"{name} is no longer used"
    elif name not in old["inputs"]:
        yield f"{name} is new"
    elif parts is None or path is None:
        yield f"{name} is missing" if now is None else f"{name} changed"
    else:
        found = values(path, list(parts))
        for part, value in parts.items():
            if key_of(value) != key_of(found[part]):
                yield f"{name} is missing" if now is None else _part(name, part, value, found[part])


KINDS = {"metrics": "metric", "claims": "claim", "arrays": "array", "figures": "figure", "themes": "theme"}


def _part(name: str, part: str, before: Any, now: Any) -> str:
    """A part of an input that changed, with the values where they are short."""
    if part.startswith("#") or part == THERE:
        return f"{name} changed"
    first, *rest = part.removeprefix(THERE).removeprefix("/").replace("~1", "/").replace("~0", "~").split("/")
    what = " ".join([KINDS.get(first, first), *rest[:1]]) if first in KINDS else " ".join([first, *rest])
    if first == "claims" and isinstance(now, bool):
        return f"{what}: {'held' if now else 'did not hold'} this time"
    return (
        f"{what} of {name.partition(' (')[0]} {_arrow(before, now)}"
        if first not in KINDS
        else (f"{what} {_arrow(before, now)}")
    )


def _arrow(before: Any, now: Any) -> str:
    """ "0.91 -> 0.92", or "changed" where the values are long."""
    texts = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in (before, now)]
    unreadable = isinstance(before, dict) or any(len(t) > SHORT or DIGEST.fullmatch(t) for t in texts)
    return "changed" if unreadable else " -> ".join(texts)


def _changes(name: str, before: Any, now: Any) -> Iterator[str]:
    """The entries of a parameter that are not what they were."""
    if key_of(before) == key_of(now):
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            yield from _changes(f"{name} {key}".strip(), before.get(key), now.get(key))
    elif isinstance(before, list | dict) or isinstance(now, list | dict):
        yield f"{name} changed"
    else:
        yield f"{name} {_arrow(before, now)}"


def _table(group: str, before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for name in sorted(before | now):
        if before.get(name) == now.get(name):
            continue
        if group == "tools" and name in before and name in now:
            yield f"{name} {before[name]} -> {now[name]}"
        else:
            yield f"{name} " + (
                "changed" if name in before and name in now else "is new" if name in now else "is no longer used"
            )


def will_run(steps: list[Step], root: Path, out: Path) -> dict[str, list[str]]:
    """For each step the reasons to run it; "if ..." where only a step before it gives something else; [] if current."""
    found: dict[str, list[str]] = {}
    makers_of = makers(steps)
    with known.snapshot():
        for step in steps:
            found[step.name] = reasons(step, root, out)
            before = sorted(name for name in makers_of[step.name] if found.get(name))
            if not found[step.name] and before:
                found[step.name] = [f"if {', '.join(before)} gives something else"]
    known.save()
    return found


# ------------------------------------------------------------------ the options of the last build


def keep_options(days: set[int], options: Any, out: Path) -> None:
    """Keep how these days were built last."""
    kept = _kept_options(out)
    value = asdict(options) if is_dataclass(options) else dict(options)
    value.pop("out", None)
    new = kept | {str(day): value for day in sorted(days)}
    if new != kept:
        write_json(out / ".stamps" / "options.json", new)


def last_options(day: int, out: Path) -> dict[str, Any] | None:
    """How a day was built the last time (the fields of flow.Options but `out`), or None."""
    return _kept_options(out).get(str(day))


def _kept_options(out: Path) -> dict[str, Any]:
    try:
        value = read_json(out / ".stamps" / "options.json")
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
