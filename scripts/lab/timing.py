"""How long something takes: repeated, warmed up, and with its spread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median of the repeats, and the quarters around it."""

    median: float
    low: float  # a quarter of the repeats were faster
    high: float  # a quarter were slower
    repeats: int

    def scaled(self, factor: float) -> Timing:
        """The time of `factor` times as much of the same work."""
        return Timing(self.median * factor, self.low * factor, self.high * factor, self.repeats)


def measure(call: Callable[[], object], repeats: int, at_least: float = 0.002) -> Timing:
    """Time `call`; each repeat loops until it has run for `at_least` seconds, so that the clock can see it."""
    call()
    start = time.perf_counter()
    call()
    loops = max(1, round(at_least / max(time.perf_counter() - start, 1e-7)))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(loops):
            call()
        seconds.append((time.perf_counter() - start) / loops)
    seconds.sort()
    quarter = (len(seconds) - 1) // 4
    return Timing(seconds[len(seconds) // 2], seconds[quarter], seconds[-1 - quarter], repeats)
