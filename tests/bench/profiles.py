"""Where a program's time goes, from cProfile's numbers, without a path of this machine in them."""

from __future__ import annotations

import pstats
from pathlib import Path
from typing import Any

SHOWN = 10  # functions


def hot_spots(profile: Path) -> list[list[Any]]:
    """The functions with the most time of their own: [name, seconds, share of all], largest first."""
    stats = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    own: dict[str, float] = {}
    for (file, _, function), (_, _, seconds, _, _) in stats.items():
        own[named(file, function)] = own.get(named(file, function), 0.0) + seconds
    whole = sum(own.values()) or 1.0
    first = sorted(own.items(), key=lambda item: -item[1])[:SHOWN]
    return [[name, round(seconds, 3), round(seconds / whole, 3)] for name, seconds in first]


def named(file: str, function: str) -> str:
    """A function's module and name: `codec.to_yuv`; built-in ones as they are."""
    if file.startswith(("~", "<")):
        return function.strip("<>").removeprefix("built-in method ").removeprefix("method ")
    path = Path(file)
    return f"{path.parent.name if path.stem == '__init__' else path.stem}.{function}"
