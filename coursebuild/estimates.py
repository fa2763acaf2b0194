"""What a step is expected to need: what it took the last time, or before that a guess."""

from __future__ import annotations

from pathlib import Path

from coursebuild.flow import Step
from coursebuild.stamps import read_stamp

GB = 2**30
SECONDS = {"run": 60.0, "animate": 60.0, "narrate": 40.0, "film": 10.0}  # quick preset, 1080p, two cores
PEAK_BYTES = {"run": 2 * GB, "animate": 2 * GB, "narrate": GB, "film": GB}
OTHER_SECONDS, OTHER_PEAK_BYTES = 3.0, GB // 2


def seconds(step: Step, out: Path) -> float:
    """Wall-clock seconds."""
    return read_stamp(step, out).get("seconds") or SECONDS.get(step.kind, OTHER_SECONDS)


def peak_bytes(step: Step, out: Path) -> int:
    """The most resident memory of the step and its child processes together."""
    return read_stamp(step, out).get("peak_bytes") or PEAK_BYTES.get(step.kind, OTHER_PEAK_BYTES)


def ranks(steps: list[Step], before: dict[str, set[str]], took: dict[str, float]) -> dict[str, float]:
    """Seconds from the begin of each step to the end of the longest chain that waits for it.

    Starting the largest first is list scheduling by upward rank (Topcuoglu, Hariri and Wu, 2002: HEFT).
    `before`: the names of the steps that each step needs; `took`: expected seconds by name.
    """
    after: dict[str, list[str]] = {s.name: [] for s in steps}
    for name, needed in before.items():
        for maker in needed:
            after[maker].append(name)
    found: dict[str, float] = {}

    def rank(name: str) -> float:
        if name not in found:
            found[name] = took[name] + max((rank(n) for n in after[name]), default=0.0)
        return found[name]

    return {s.name: rank(s.name) for s in steps}
