"""copy: a source that learners get as it is."""

from __future__ import annotations

import shutil
from pathlib import Path


def copy(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Step: input source, product copy."""
    shutil.copyfile(inputs["source"], products["copy"])
