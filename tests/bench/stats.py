"""The arithmetic of the measurements: medians, paired ratios, and rounds in which the rivals take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from statistics import median
from typing import TypeVar

from tests.bench.meter import BenchError

__all__ = ["alternated", "by_round", "median", "paired_ratio", "rounds_within"]

T = TypeVar("T")  # Python 3.11 has no shorter way


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    """Median of the ratios of each round: what both have in common in a round (the load of the machine) cancels.

    None where there is no complete pair.
    """
    ratios = [a / b for a, b in zip(above, below, strict=False) if b > 0]
    return median(ratios) if ratios else None


def by_round(values: Sequence[float], rounds: int) -> list[float]:
    """One value a round, where something was measured several times in each: the median of these."""
    each, rest = divmod(len(values), rounds) if rounds else (0, 1)
    return list(values) if rest or each < 2 else [median(values[i : i + each]) for i in range(0, len(values), each)]


def rounds_within(most: int, seconds: float, once: Callable[[int], None]) -> int:
    """Call once(0), once(1), ... at most `most` times, and no more when the next would not fit into `seconds`.

    There is always a first time. Returns how many there were.
    """
    begin = time.monotonic()
    for number in range(most):
        started = time.monotonic()
        once(number)
        now = time.monotonic()
        if now - begin + (now - started) > seconds:
            return number + 1
    return most


def alternated(
    ways: Mapping[str, Callable[[], T]], most: int, seconds: float, once: Set[str] = frozenset()
) -> tuple[dict[str, list[T]], dict[str, str]]:
    """Do all `ways` in turn, in rounds, every other round backwards, so that a slow drift hits all alike.

    Those in `once` take part in the first round alone. A way that cannot be gone (BenchError) is left out from then
    on. Returns what each gave, a list per way, and why
    ways were left out.
    """
    found: dict[str, list[T]] = {name: [] for name in ways}
    failed: dict[str, str] = {}

    def all_of_them(number: int) -> None:
        names = [name for name in ways if name not in failed and (number == 0 or name not in once)]
        for name in names if number % 2 == 0 else names[::-1]:
            try:
                found[name].append(ways[name]())
            except BenchError as error:
                failed[name] = str(error)

    rounds_within(most, seconds, all_of_them)
    return found, failed
