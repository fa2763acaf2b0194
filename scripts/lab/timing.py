"""How long something takes: repeated, warmed up, in turns, and with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call, one number per round; calls that were timed together share the rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def low(self) -> float:
        """A quarter of the rounds were faster."""
        return sorted(self.rounds)[(len(self.rounds) - 1) // 4]

    @property
    def high(self) -> float:
        """A quarter of the rounds were slower."""
        return sorted(self.rounds)[-1 - (len(self.rounds) - 1) // 4]

    def scaled(self, factor: float) -> Timing:
        """The time of `factor` times as much of the same work."""
        return Timing(tuple(seconds * factor for seconds in self.rounds))

    def __add__(self, other: Timing) -> Timing:
        """The time of one after the other, round by round."""
        return Timing(tuple(a + b for a, b in zip(self.rounds, other.rounds, strict=True)))

    def ratio(self, other: Timing) -> Timing:
        """How many times as long as `other`, round by round: what slowed a whole round cancels out."""
        return Timing(tuple(a / b for a, b in zip(self.rounds, other.rounds, strict=True)))


def measure(calls: dict[str, Callable[[], object]], rounds: int, at_least: float = 0.002) -> dict[str, Timing]:
    """Time the calls in turns; in each round a call loops for `at_least` seconds, so that the clock can see it."""
    loops = {}
    for name, call in calls.items():
        call()  # warm up
        loops[name] = max(1, round(at_least / max(_seconds(call, 1), 1e-7)))
    table = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            table[name].append(_seconds(call, loops[name]) / loops[name])
    return {name: Timing(tuple(seconds)) for name, seconds in table.items()}


def _seconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - start
