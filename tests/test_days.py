"""Every day: its three sources belong together, its notebook is the script's, its lecture has no errors."""

from __future__ import annotations

import ast
import json

import pytest

from coursebuild.checking import problems_of
from coursebuild.course import Day, find_days, load_syllabus, syllabus_of
from coursebuild.files import ROOT
from coursebuild.model import Record
from coursebuild.notebooks import write_all
from tests.smoke_runs import smoke_run
from tests.syllabus_names import missing, used_by, wanted_by

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


NOT_USED = {  # what the syllabus names and a script leaves out, and why
    (8, "cuda"): "`.to(device)` does the same with and without a GPU",
    (8, "root="): "lab.images.mnist passes it to torchvision's MNIST",
    (8, "MNIST"): "the same; the lecture shows the call",
}


@pytest.mark.parametrize("day", DAYS)
def test_the_script_uses_what_the_syllabus_names(day: Day):
    """All functions, keywords and attributes under tools and learnings stand in the script's syntax tree."""
    used = used_by(ast.parse(day.source("script").read_text()))
    entry = syllabus_of(day.number, load_syllabus())
    left = {}
    for line in entry["tools"] + entry["learnings"]:
        for code, wanted in wanted_by(line):
            if lost := {name for name in missing(wanted, used) if (day.number, name) not in NOT_USED}:
                left[code] = sorted(lost)
    assert not left, f"{day.source('script').name} lacks what the syllabus names: {left}"


def test_names_of_the_syllabus_are_found():
    line = "Use `nn.Conv2d(in_channels, padding='same')`, `.to(device)`, `stride=2`, `Q @ K.T / sqrt(d)`, `bias`"
    script = "import torch.nn as nn\nnn.Conv2d(3, 4, padding='valid', stride=2, bias=False)\nx.T @ y\nmath.sqrt(2)"
    wanted, used = dict(wanted_by(line)), used_by(ast.parse(script))
    lost = {code: missing(want, used) for code, want in wanted.items()}
    assert list(lost.values()) == [set(), {"to"}, set(), set(), set()]
    assert missing(dict(wanted_by("`padding='same'`"))["padding='same'"], used) == {"padding='same'"}
    assert missing(dict(wanted_by("`class A(nn.Module): def forward():`")).popitem()[1], used) == {"A", "forward"}


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS)
def test_a_smoke_run_fits_the_lecture(day: Day):
    """The lecture can be read with the numbers of any preset, and covers what the syllabus asks for."""
    folder = smoke_run(day.source("script")) / "record"
    record = Record.load(folder / "record.json")
    assert len(record.claims) >= 3 and record.figures and record.provenance["preset"] == "smoke"
    json.dumps(record.to_json(), allow_nan=False)
    found = problems_of(day, load_syllabus(), folder / "record.json")
    assert not [str(p) for p in found if not hasattr(p, "level") or p.level == "error" or "no slide covers" in p.what]
