"""The notebook of a script: what it contains, and that it runs where nothing of the project is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.steps.notebook import execute, helper_files, make_notebook, notebook

PARAMS = {"repository": "https://github.com/someone/fifty-days", "branch": "main"}
DAY4 = ROOT / "scripts" / "day04_backpropagation.py"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A script that imports one helper, which imports another; a third is imported by nobody."""
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "__init__.py").write_text("")
    (lab / "near.py").write_text('from lab.far import VALUE\n\nTEXT = r"a\\nb"\n')
    (lab / "far.py").write_text('"""Über."""\n\nVALUE = 41\n')
    (lab / "unused.py").write_text("raise RuntimeError\n")
    script = tmp_path / "day09_tiny.py"
    script.write_text(
        "# %% [markdown]\n# # Tiny\n\n# %%\nfrom lab import near\n\nprint(near.VALUE + 1, near.TEXT)\n\n"
        "# %%\n1 + 1\n\n# %%\n1 + 1\n"
    )
    return script


def test_it_is_a_valid_notebook_with_badge_gpu_and_no_outputs(course: Path, tmp_path: Path) -> None:
    notebook({"script": course}, {"notebook": tmp_path / "x.ipynb"}, PARAMS, tmp_path)
    read = nbformat.read(tmp_path / "x.ipynb", as_version=4)
    nbformat.validate(read)
    wanted = "https://colab.research.google.com/github/someone/fifty-days/blob/main/notebooks/day09_tiny.ipynb"
    assert wanted in read.cells[0].source
    assert read.metadata.accelerator == "GPU"
    assert all(not cell.get("outputs") for cell in read.cells)
    assert [c.cell_type for c in read.cells] == ["markdown", "markdown", "code", "code", "code", "code"]
    assert read.cells[2].metadata.cellView == "form"


def test_only_what_is_imported_is_embedded(course: Path) -> None:
    assert list(helper_files(course)) == ["lab/__init__.py", "lab/far.py", "lab/near.py"]


def test_same_bytes_again_and_ids_survive_a_new_cell(course: Path) -> None:
    first = make_notebook(course, **PARAMS)
    assert nbformat.writes(first) == nbformat.writes(make_notebook(course, **PARAMS))
    course.write_text(course.read_text().replace("# %%\n1 + 1", "# %%\n2 + 2\n\n# %%\n1 + 1", 1))
    second = make_notebook(course, **PARAMS)
    assert {c.id for c in first.cells} < {c.id for c in second.cells}
    assert len({c.id for c in second.cells}) == len(second.cells)


def test_mistakes_are_named(course: Path) -> None:
    with pytest.raises(CourseError, match="no address"):
        make_notebook(course, "nonsense", "main")
    (course.parent / "lab" / "far.py").write_text("VALUE = '''41'''\n")
    with pytest.raises(CourseError, match=r"far\.py"):
        helper_files(course.with_name("day09_tiny.py"))
    course.write_text("# %% [markdown]\n# only words\n")
    with pytest.raises(CourseError, match="no code cell"):
        make_notebook(course, **PARAMS)


def test_it_runs_in_an_empty_folder(course: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    done = execute(make_notebook(course, **PARAMS), sys.executable, empty)
    assert done.cells[3].outputs[0].text == "42 a\\nb\n"  # the raw string came through unchanged
    assert (empty / "lab" / "far.py").read_text(encoding="utf-8").startswith('"""Über."""')


@pytest.mark.slow
def test_day_4_runs_in_an_empty_folder_and_shows_its_figures(tmp_path: Path) -> None:
    done = execute(make_notebook(DAY4, **PARAMS), sys.executable, tmp_path)
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 5
    text = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert "CLAIM" in text
    assert "exercise 3: not solved yet" in text
    assert not [o for o in outputs if o.get("name") == "stderr"]


def test_colab_form_titles_survive(course: Path) -> None:
    """Black-box: the set-up cell is Python."""
    cell = make_notebook(course, **PARAMS).cells[2]
    subprocess.run(
        [sys.executable, "-c", "import ast, sys; ast.parse(sys.stdin.read())"], input=cell.source, text=True, check=True
    )
