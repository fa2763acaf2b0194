"""recorded: take the committed results of a GPU run instead of running the script again."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import typst

from coursebuild.errors import CourseError
from coursebuild.files import sha256
from coursebuild.model import Record

PNG_PPI = 288  # as the run step saves them: four pixels a point


def recorded(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Step: inputs script, kept (records/dayNN); product record (folder). Refuses results of another script."""
    script, kept, target = inputs["script"], inputs["kept"], products["record"]
    record = Record.load(kept / "record.json")
    if record.provenance.get("script_sha256") != sha256(script):
        again = f"build.py run {record.day} --preset full --record, or build without --from-records"
        raise CourseError("has changed since its results were recorded", file=script, line=1, hint=again)
    shutil.copytree(kept, target)
    figures = {}
    for name, figure in record.figures.items():
        digests = {}
        for svg in sorted((target / "figures").glob(f"{name}.*.svg")):
            png = svg.with_suffix(".png")
            png.write_bytes(rasterised(svg))
            digests |= {svg.name: sha256(svg), png.name: sha256(png)}
        figures[name] = dataclasses.replace(figure, sha256=digests)
    provenance = {**record.provenance, "recorded": True}
    dataclasses.replace(record, figures=figures, provenance=provenance).save(target / "record.json")


def rasterised(svg: Path) -> bytes:
    """PNG of an SVG, transparent; figures keep their text as paths, so no font is needed."""
    page = "#set page(width: auto, height: auto, margin: 0pt, fill: none)\n"
    return typst.compile((page + f'#image("{svg.name}")').encode(), root=str(svg.parent), format="png", ppi=PNG_PPI)
