"""Saves a script's figures in the deck's dark and light colours. Needs matplotlib only.

A figure is drawn once, in dark. The light version is the same figure with every colour of the dark palette replaced
by the light one of that name; what is drawn through a colour map (images, heat maps) stays as it is.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib import colors, patheffects
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text

from coursebuild.errors import CourseError
from coursebuild.files import sha256
from coursebuild.model import FIGURE_NAME

LABEL_LETTERS = 12.5  # of the label, for each inch of the figure
PNG_DPI = 288  # four pixels a point: sharp where a figure fills a 1920 pixel slide
PROPERTIES = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor", "gapcolor")


def save_all(
    script: Path, dark: dict[str, str], light: dict[str, str], folder: Path, label: Callable[[int], str] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Save every labelled figure that is open; returns them as the record has them, and warnings.

    `label` says, for a figure's number, what is written below it: what stood in for data that could not be had.
    """
    lines, saved, notes = figure_lines(script.read_text(encoding="utf-8")), {}, []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        name = figure.get_label()
        if not name:
            notes.append(f'figure {number} has no label and is not kept: label it with plt.figure("name")')
            continue
        if not FIGURE_NAME.fullmatch(name):
            what, hint = f"the figure label `{name}` cannot name a file", "use small letters, digits and _"
            raise CourseError(what, file=script, line=lines.get(name, 1), hint=hint)
        if label and (words := label(number)):
            letters = max(20, round(LABEL_LETTERS * figure.get_figwidth()))
            below = "\n".join([figure.get_supxlabel(), *textwrap.wrap(words, letters)]).strip()
            figure.supxlabel(below, fontsize=9, color=dark["muted"])
        files = save(figure, name, folder, dark, light)
        left = left_over(folder / f"{name}.light.svg", dark, light)
        if left:
            notes.append(f"figure {name}: the light version still has the dark colours {', '.join(left)}")
        width, height = (float(72 * inches) for inches in figure.get_size_inches())
        digests = {file.name: sha256(file) for file in files}
        saved[name] = {"width": width, "height": height, "line": lines.get(name, 1), "sha256": digests}
    return saved, notes


def figure_lines(source: str) -> dict[str, int]:
    """Label -> line, of plt.figure("label") and of any call with num="label"."""
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        labels = [k.value for k in node.keywords if k.arg == "num"]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "figure":
            labels += node.args[:1]
        for label in labels:
            if isinstance(label, ast.Constant) and isinstance(label.value, str):
                lines.setdefault(label.value, node.lineno)
    return lines


def save(figure: Drawing, name: str, folder: Path, dark: dict[str, str], light: dict[str, str]) -> list[Path]:
    """Write <name>.dark.svg, .dark.png, .light.svg and .light.png; the same figure gives the same bytes."""
    files = _write(figure, folder, f"{name}.dark")
    recolour(figure, {dark[key].lower(): light[key].lower() for key in dark})
    return files + _write(figure, folder, f"{name}.light")


def _write(figure: Drawing, folder: Path, stem: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    svg, png = folder / f"{stem}.svg", folder / f"{stem}.png"
    with mpl.rc_context({"svg.hashsalt": stem, "svg.fonttype": "path"}):  # ids that do not change; text as shapes
        figure.savefig(svg, transparent=True, metadata={"Date": None})
        figure.savefig(png, transparent=True, dpi=PNG_DPI)
    return [svg, png]


def recolour(figure: Drawing, mapping: dict[str, str]) -> None:
    """Replace colours ("#rrggbb" -> "#rrggbb") in everything that the figure shows; opacity stays."""
    figure.canvas.draw()  # axes make their ticks when they are first drawn
    for artist in _artists(figure):
        if getattr(artist, "get_array", lambda: None)() is not None:
            continue  # coloured by a colour map
        for name in PROPERTIES:
            get, put = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            if get and put:
                _replace(get(), put, mapping)
        for effect in artist.get_path_effects() or ():
            if isinstance(effect, patheffects.AbstractPathEffect):
                _replace_in_effect(effect, mapping)


def _artists(figure: Drawing) -> Iterator[Any]:
    """All artists, with the boxes and arrows of texts, which matplotlib does not count as children."""
    for artist in figure.findobj():
        yield artist
        if isinstance(artist, Text) and artist.get_bbox_patch() is not None:
            yield artist.get_bbox_patch()
        if getattr(artist, "arrow_patch", None) is not None:
            yield artist.arrow_patch


def _replace(value: Any, put: Any, mapping: dict[str, str]) -> None:
    """Hand the new value to `put` if one of the colours in `value` (one, or an array of them) is in the mapping."""
    if value is None or (isinstance(value, str) and not colors.is_color_like(value)):
        return  # "auto", "face", "none"
    rgba = colors.to_rgba_array(value)
    found = [mapping.get(colors.to_hex(c)) for c in rgba]
    if not any(found):
        return
    new = [colors.to_rgba(to, alpha=c[3]) if to else tuple(c) for c, to in zip(rgba, found, strict=True)]
    single = colors.is_color_like(value)
    put(new[0] if single else new)


def _replace_in_effect(effect: Any, mapping: dict[str, str]) -> None:
    gc = getattr(effect, "_gc", {})  # withStroke and Stroke keep their colour nowhere else
    for key in ("foreground",):
        if key in gc and colors.is_color_like(gc[key]):
            gc[key] = mapping.get(colors.to_hex(gc[key]), gc[key])


def left_over(svg: Path, dark: dict[str, str], light: dict[str, str]) -> list[str]:
    """Names of dark colours that a light SVG still shows (to be empty)."""
    text = svg.read_text(encoding="utf-8").lower()
    shared = {value.lower() for value in light.values()}
    return sorted(key for key, value in dark.items() if value.lower() in text and value.lower() not in shared)
