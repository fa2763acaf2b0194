"""Numbers and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "-"
DECIMALS_BELOW = ((10, 2), (100, 1))  # a number below 10 gets two decimals ...


def number(value: float | None, unit: str = "") -> str:
    """A number with three digits that count; a dash for None."""
    if value is None:
        return NOTHING
    if value == float("inf"):
        return "not found"
    places = next((places for below, places in DECIMALS_BELOW if abs(value) < below), 0)
    return f"{value:,.{places}f}{unit}"


def mebibytes(size: float) -> str:
    return number(size / 2**20)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "/") for c in line) + " |" for line in lines) + "\n"
