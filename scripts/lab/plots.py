"""How the course's figures look: colours by meaning, quiet axes, words on the lines instead of a legend.

A script names colours ("accent", "muted"), never values, so that a figure can be drawn in the deck's dark and
light colours as well as in a notebook's.
"""

from __future__ import annotations

import json
import os
from typing import Any

import matplotlib as mpl

SIZE = (7.2, 4.0)  # inches; readable at the size of a slide
LIGHT = {  # what a notebook shows; the same values as the light theme of the deck
    "bg": "#FFFFFF",
    "surface": "#F2F5FA",
    "line": "#D3DBE7",
    "text": "#131A2A",
    "muted": "#566378",
    "accent": "#0A5BD3",
    "accent2": "#A84300",
    "good": "#0B7A45",
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
        }
    )


def label(ax: Any, x: float, y: float, text: str, name: str, **how: Any) -> Any:
    """Write `text` in the colour `name` beside the point (x, y); `dx`, `dy` move it (points)."""
    dx, dy = how.pop("dx", 6), how.pop("dy", 0)
    defaults = {"va": "center", "ha": "left", "fontsize": 12.5, "color": colour(name)}
    return ax.annotate(text, (x, y), xytext=(dx, dy), textcoords="offset points", **defaults | how)


def band(ax: Any, x: Any, values: Any, name: str, **how: Any) -> Any:
    """A line through the mean over the first axis (seeds) of `values`, in a band of one standard deviation."""
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0]
    ax.fill_between(x, mean - sd, mean + sd, color=colour(name), alpha=0.22, linewidth=0)
    return ax.plot(x, mean, color=colour(name), **how)[0]
