"""What the day's experiment measured, as a scene reads it. Every name that is read is noted."""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np


class KitError(Exception):
    """A mistake that the author of a scene can mend; the message says how."""


class Record:
    """The record.json and arrays.npz of a run.

    `reads` lists the names that were asked for, so that the builder draws a scene again when one of these changes,
    and not when the script measures something else besides.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "record.json").exists():
            raise KitError(f"{folder} has no record.json: run the day's script first (build.py run N)")
        self._content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        self.reads: dict[str, set[str]] = {"metrics": set(), "arrays": set()}

    @classmethod
    def from_environment(cls) -> Record:
        """The record in the folder DL50_RECORD."""
        folder = os.environ.get("DL50_RECORD")
        if not folder:
            raise KitError(
                "a scene shows what a run measured, and DL50_RECORD names no run: run build.py run N first, "
                "then set DL50_RECORD to the folder of its record.json"
            )
        return cls(Path(folder))

    def metric(self, name: str) -> Any:
        """A number (or text, or list of these) of the run."""
        self._require("metrics", name)
        return self._content["metrics"][name]

    def array(self, name: str) -> np.ndarray:
        """An array of the run."""
        self._require("arrays", name)
        with np.load(self.folder / "arrays.npz", allow_pickle=False) as arrays:
            return arrays[name]

    def _require(self, kind: str, name: str) -> None:
        known = self._content[kind]
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "there are: " + (", ".join(sorted(known)[:12]) or "none")
            raise KitError(f"the run has no {kind.removesuffix('s')} {name!r}; {hint}")
        self.reads[kind].add(name)
