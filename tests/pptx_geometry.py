"""What only a renderer can tell of a PPTX: LibreOffice draws it, pdftotext says where each word came to stand.

Its own reading of the file (python-pptx alone), so that it does not share the builder's mistakes.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pptx import Presentation

EMU = 12700
Place = tuple[float, float, float, float]  # left, top, right, bottom in points
WORD = re.compile(r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>')


def to_pdf(pptx: Path, folder: Path, fonts: Path) -> Path:
    """Convert with LibreOffice, which sees the fonts of the folder `fonts` and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "fonts.conf"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{fonts}</dir><cachedir>{folder}/fontcache</cachedir>"
        '<include ignore_missing="yes">/etc/fonts/conf.d</include></fontconfig>'
    )
    argv = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "pdf"]
    environment = {**os.environ, "FONTCONFIG_FILE": str(config), "SAL_USE_VCLPLUGIN": "svp"}
    argv += ["--outdir", str(folder), str(pptx)]
    subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=240)
    return folder / f"{pptx.stem}.pdf"


def words(pdf: Path) -> list[list[tuple[str, Place]]]:
    """The words of each page with their places."""
    done = subprocess.run(["pdftotext", "-bbox", str(pdf), "-"], capture_output=True, text=True, check=True)
    pages = re.split(r"<page ", done.stdout)[1:]
    return [
        [(html.unescape(f[5]), tuple(float(v) for v in f.groups()[:4])) for f in WORD.finditer(page)] for page in pages
    ]


def text_of(shape: Any) -> str:
    if shape.has_text_frame:
        return shape.text_frame.text
    if getattr(shape, "has_table", False) and shape.has_table:
        return "\n".join(cell.text_frame.text for row in shape.table.rows for cell in row.cells)
    return ""


def bare(text: str) -> str:
    """Letters and digits only: renderers join and split what stands between them."""
    return re.sub(r"\W", "", text).lower()


def overflow(presentation: Any, pdf: Path, slack: float = 3.0) -> list[str]:
    """A line for each word that lies outside of every shape that contains its text (by more than `slack` points)."""
    out = []
    for number, (slide, found) in enumerate(zip(presentation.slides, words(pdf), strict=True), 1):
        owners = []
        for shape in slide.shapes:
            if shape.width is not None and text_of(shape).strip():
                x, y = shape.left / EMU, shape.top / EMU
                owners.append((bare(text_of(shape)), (x, y, x + shape.width / EMU, y + shape.height / EMU), shape.name))
        for word, (x0, y0, x1, y1) in found:
            key = bare(word)
            mine = [(place, name) for text, place, name in owners if key in text]
            if len(key) < 2 or not mine or (key.isdigit() and y0 > 500):  # the last: numbers of slides
                continue
            margin = (y1 - y0) * 0.2  # pdftotext's boxes span ascent and descent: judge the middle
            inside = any(
                p[0] - slack <= x0
                and x1 <= p[2] + slack
                and p[1] - slack <= y0 + margin
                and y1 - margin <= p[3] + slack
                for p, _ in mine
            )
            if not inside:
                names = ", ".join(f"{name!r} {tuple(round(v) for v in p)}" for p, name in mine)
                out.append(f"slide {number}: {word!r} at {x0:.0f},{y0:.0f},{x1:.0f},{y1:.0f} is outside of {names}")
    return out


if __name__ == "__main__":
    deck = Path(sys.argv[1])
    print("\n".join(overflow(Presentation(str(deck)), to_pdf(deck, Path(sys.argv[2]), Path(sys.argv[3])))))
