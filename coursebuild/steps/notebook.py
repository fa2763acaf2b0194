"""notebook: a script as a Colab notebook that runs by itself in an empty folder. One way: scripts are the source.

The notebook gets a badge, asks for a GPU runtime, and has one folded cell that writes the files of lab/ and blocks/
which the script imports. It is stored without outputs, and the same script gives the same bytes.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursebuild.errors import CourseError
from coursebuild.files import atomic, scratch, sha256
from coursebuild.keys import closure
from coursebuild.reading import read_text

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
TIMEOUT = 900  # seconds for one cell, when a notebook is proven
SETUP = """\
#@title Files of the course: run once, no need to read {{display-mode: "form"}}
import pathlib
import sys

files = {{}}
{files}
for name, text in files.items():
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
if "" not in sys.path:
    sys.path.insert(0, "")"""


def notebook(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Step: input script; product notebook; params repository (its web address), branch, outputs.

    `outputs` is a preset: the notebook is then run with it, in an empty folder, and keeps what it printed and drew.
    """
    made = make_notebook(inputs["script"], params["repository"], params.get("branch", "main"))
    if params.get("outputs"):
        with scratch("notebook") as folder:
            made = execute(made, sys.executable, folder, params["outputs"])
    with atomic(products["notebook"]) as tmp:
        tmp.write_text(nbformat.writes(made) + "\n", encoding="utf-8")


def make_notebook(script: Path, repository: str, branch: str) -> nbformat.NotebookNode:
    """The notebook of a py:percent script; CourseError if it has no code cell."""
    cells = [
        cell for cell in jupytext.reads(read_text(script, code=True), fmt="py:percent").cells if cell.source.strip()
    ]
    first = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), None)
    if first is None:
        raise CourseError("has no code cell", file=script, line=1, hint="start cells with a line `# %%`")
    helpers = helper_files(script)
    if helpers:
        cells.insert(first, setup_cell(helpers))
    cells.insert(0, new_markdown_cell(badge(script.stem, repository, branch)))
    seen: dict[str, int] = {}
    for cell in cells:
        cell.metadata = nbformat.from_dict({"cellView": "form"} if cell.source.startswith("#@title") else {})
        cell.id = _stable_id(cell, seen)
    made = new_notebook(cells=cells)
    made.metadata = nbformat.from_dict(
        {
            "accelerator": "GPU",
            "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    nbformat.validate(made)
    return made


def badge(stem: str, repository: str, branch: str) -> str:
    """The Markdown of the badge that opens the committed notebook in Colab."""
    match = re.search(r"(?:github\.com[/:])?([\w.-]+/[\w.-]+?)(?:\.git)?/?$", repository)
    if not match:
        hint = "in pyproject.toml, [project.urls]: https://github.com/OWNER/NAME"
        raise CourseError(f"`{repository}` is no address of a GitHub repository", hint=hint)
    address = f"https://colab.research.google.com/github/{match[1]}/blob/{branch}/notebooks/{stem}.ipynb"
    return f"[![Open in Colab]({BADGE})]({address})"


def helper_files(script: Path) -> dict[str, str]:
    """Path from the script's folder -> text, of all files there that the script imports, and what these import."""
    folder = script.parent
    found = {}
    for path in closure(script, (folder,))[0]:
        if path == script:
            continue
        text = read_text(path, code=True)
        name = path.relative_to(folder).as_posix()
        if not _says(_assignment(name, text), text):
            hint = 'write strings of several lines with """, and end the file with a line feed'
            raise CourseError("cannot be put into a notebook: it contains '''", file=path, line=1, hint=hint)
        found[name] = text
    return dict(sorted(found.items()))


def _assignment(name: str, text: str) -> str:
    """The line of Python that puts a file's text into the cell, such that a person can read it."""
    return f"files[{name!r}] = r'''{text}'''"


def _says(code: str, text: str) -> bool:
    """Whether the code is one assignment of that text: nothing in the text ended the string or began another."""
    try:
        body = ast.parse(code).body
        return len(body) == 1 and isinstance(body[0], ast.Assign) and ast.literal_eval(body[0].value) == text
    except (SyntaxError, ValueError):
        return False


def setup_cell(helpers: dict[str, str]) -> nbformat.NotebookNode:
    """One cell, folded in Colab, that writes the helpers beside the notebook."""
    files = "\n".join(_assignment(name, text) for name, text in helpers.items())
    return new_code_cell(SETUP.format(files=files))


def _stable_id(cell: nbformat.NotebookNode, seen: dict[str, int]) -> str:
    """An id from the cell's text, so that a new cell does not rename the others."""
    digest = sha256(f"{cell.cell_type}\n{cell.source}")[:12]
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def execute(made: nbformat.NotebookNode, python: str, folder: Path, preset: str = "smoke") -> nbformat.NotebookNode:
    """Run all cells with another interpreter in `folder`, seeing nothing of this project; raises CellExecutionError.

    Returns the notebook with its outputs. The kernel's own files go to the folder too.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager
    from nbclient import NotebookClient

    hidden = ("PYTHONPATH", "MPLBACKEND")
    env = {k: v for k, v in os.environ.items() if k not in hidden and (not k.startswith("DL50_") or k == "DL50_CACHE")}
    env |= {"DL50_PRESET": preset, "IPYTHONDIR": str(folder / ".ipython")}
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = KernelManager()
    kernel._kernel_spec = KernelSpec(argv=argv, language="python", display_name="clean")  # no installed spec needed
    client = NotebookClient(made, timeout=TIMEOUT, km=kernel, resources={"metadata": {"path": str(folder)}})
    client.execute(env=env, cwd=str(folder))
    return made
