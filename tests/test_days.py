"""Every day: its three sources belong together, its notebook is the script's, its lecture has no errors."""

from __future__ import annotations

import ast
import json

import pytest

from coursebuild.checking import problems_of
from coursebuild.course import Day, find_days, load_syllabus
from coursebuild.files import ROOT
from coursebuild.model import Record
from coursebuild.notebooks import write_all
from coursebuild.running import run_day

DAYS = [pytest.param(d, id=d.stem) for d in find_days().values()]


@pytest.mark.parametrize("day", DAYS)
def test_partners(day: Day):
    day.check()
    names = {n.name for n in ast.parse(day.source("animation").read_text()).body if isinstance(n, ast.ClassDef)}
    assert any(f'animation("{name}"' in day.source("lecture").read_text() for name in names)


def test_notebooks_are_those_of_the_scripts(tmp_path):
    write_all(tmp_path)
    fresh = {p.name: p.read_bytes() for p in tmp_path.glob("*.ipynb")}
    kept = {p.name: p.read_bytes() for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert fresh == kept, "run: make notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS)
def test_a_smoke_run_fits_the_lecture(day: Day, tmp_path):
    """The lecture can be read with the numbers of any preset, and covers what the syllabus asks for."""
    folder = run_day(day, tmp_path, "smoke", {})
    record = Record.load(folder / "record.json")
    assert len(record.claims) >= 3 and record.figures and record.provenance["preset"] == "smoke"
    json.dumps(record.to_json(), allow_nan=False)
    found = problems_of(day, load_syllabus(), folder / "record.json")
    assert not [str(p) for p in found if not hasattr(p, "level") or p.level == "error" or "no slide covers" in p.what]
