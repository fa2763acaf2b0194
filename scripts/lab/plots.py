"""How the course's figures look: colours by meaning, quiet axes, words on the lines instead of a legend.

A script names colours ("accent", "muted"), never values, so that a figure can be drawn in the deck's dark and
light colours as well as in a notebook's.
"""

from __future__ import annotations

import json
import os
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FixedLocator

SIZE = (7.2, 4.0)  # inches; readable at the size of a slide
LIGHT = {  # what a notebook shows; the same values as the light theme of the deck
    "bg": "#FFFFFF",
    "surface": "#F2F5FA",
    "line": "#D3DBE7",
    "text": "#131A2A",
    "muted": "#566378",
    "accent": "#0A5BD3",
    "accent2": "#A84300",
    "good": "#0A7340",
    "bad": "#C2203C",
    "violet": "#7A2FC2",
}


def palette() -> dict[str, str]:
    """Colour names and values in use: those of DL50_PALETTE (JSON), else LIGHT."""
    return LIGHT | json.loads(os.environ.get("DL50_PALETTE") or "{}")


def colour(name: str) -> str:
    """The value of a colour, e.g. colour("accent")."""
    return palette()[name]


def style() -> None:
    """Set matplotlib's defaults. Call it once, before the first figure."""
    c = palette()
    cycle = [c[name] for name in ("accent", "accent2", "good", "violet", "bad")]
    mpl.rcParams.update(
        {
            "figure.figsize": SIZE,
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "figure.facecolor": c["bg"],
            "savefig.facecolor": c["bg"],
            "font.size": 13,
            "axes.titlesize": 13,
            "axes.labelsize": 13,
            "xtick.labelsize": 12,
            "ytick.labelsize": 12,
            "legend.fontsize": 12,
            "legend.frameon": False,
            "axes.facecolor": c["bg"],
            "axes.edgecolor": c["muted"],
            "axes.labelcolor": c["text"],
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=cycle),
            "axes.unicode_minus": True,
            "grid.color": c["line"],
            "grid.linewidth": 0.7,
            "text.color": c["text"],
            "xtick.color": c["muted"],
            "ytick.color": c["muted"],
            "xtick.labelcolor": c["text"],
            "ytick.labelcolor": c["text"],
            "xtick.minor.size": 0,
            "ytick.minor.size": 0,
            "lines.linewidth": 2.4,
            "lines.solid_capstyle": "round",
            "errorbar.capsize": 3,
            "image.cmap": "gray",
            "mathtext.default": "regular",  # powers of ten on an axis in the font of the words
        }
    )


def label(ax: Any, x: float, y: float, text: str, name: str, **how: Any) -> Any:
    """Write `text` in the colour `name` beside the point (x, y); `dx`, `dy` move it (points)."""
    dx, dy = how.pop("dx", 6), how.pop("dy", 0)
    defaults = {"va": "center", "ha": "left", "fontsize": 12.5, "color": colour(name)}
    return ax.annotate(text, (x, y), xytext=(dx, dy), textcoords="offset points", **defaults | how)


def end_labels(ax: Any, labels: list[tuple[float, float, str, str]], gap: float = 18.0, **how: Any) -> None:
    """Label several lines at their ends, (x, y, text, colour name) each, at least `gap` points apart.

    Call it when the limits and scales of the axes are set: positions are worked out from them.
    """
    ax.figure.canvas.draw()  # lays the figure out
    points = 72 / ax.figure.dpi
    ends = sorted((ax.transData.transform((x, y))[1] * points, x, y, text, name) for x, y, text, name in labels)
    heights = _apart([end[0] for end in ends], gap)
    for (natural, x, y, text, name), height in zip(ends, heights, strict=True):
        label(ax, x, y, text, name, dy=height - natural, **{"dx": 10} | how)
    if how.get("ha") == "right":
        _level_grid(ax, min(x for x, *_ in labels), ax.get_xlim()[1])
    else:
        _level_grid(ax, ax.get_xlim()[0], max(x for x, *_ in labels))


def _level_grid(ax: Any, left: float, right: float) -> None:
    """Draw the level gridlines from `left` to `right` only, so that they strike no label through.

    Figures are stored transparent: a coloured box behind a label would show on another background.
    """
    low, high = sorted(ax.get_ylim())
    ticks = ax.get_yticks()
    if not isinstance(ax.yaxis.get_major_locator(), FixedLocator):
        ax.yaxis.set_major_locator(FixedLocator(ticks))  # the lines drawn here stay at the ticks
    ax.grid(False, axis="y")
    inside = [tick for tick in ticks if low <= tick <= high]
    limits = ax.get_xlim(), ax.get_ylim()
    look = {"colors": mpl.rcParams["grid.color"], "linewidth": mpl.rcParams["grid.linewidth"]}
    ax.hlines(inside, left, right, zorder=0.5, **look)
    ax.set(xlim=limits[0], ylim=limits[1])


def _apart(heights: list[float], gap: float) -> list[float]:
    """Sorted heights, moved as little as needed so that neighbours are `gap` apart; groups keep their middle."""
    groups = [[h, h, 1] for h in heights]  # sum of natural heights, middle, count
    merged: list[list[float]] = []
    for group in groups:
        merged.append(group)
        while len(merged) > 1 and merged[-1][1] - merged[-2][1] < gap * (merged[-1][2] + merged[-2][2]) / 2:
            total, _, count = merged.pop()
            merged[-1][0] += total
            merged[-1][2] += count
            merged[-1][1] = merged[-1][0] / merged[-1][2]
    return [middle + gap * (i - (count - 1) / 2) for _, middle, count in merged for i in range(int(count))]


def runs(ax: Any, x: Any, values: Any, name: str, **how: Any) -> Any:
    """Every run (first axis: seeds) as a thin line, and their median as a thick one."""
    ax.plot(x, values.T, color=colour(name), linewidth=1, alpha=0.5)
    return ax.plot(x, np.median(values, axis=0), color=colour(name), **{"marker": "o", "linewidth": 3} | how)[0]


def power(value: float, digits: int = 0) -> str:
    """A number in words that fit a label: 6.03e-05 is "6 × 10⁻⁵"."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def duration(seconds: float) -> str:
    """Two digits and a unit: 0.000271 is "0.27 ms", 142 is "140 s"."""
    unit, size = ("s", 1.0) if seconds >= 0.1 else ("ms", 1e-3) if seconds >= 1e-5 else ("µs", 1e-6)
    return f"{float(f'{seconds / size:.2g}'):g} {unit}"
