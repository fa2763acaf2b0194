"""`python -m coursebuild.notebooks`: write notebooks/ from the scripts. Colab opens them from the repository."""

from __future__ import annotations

import sys
from pathlib import Path

from coursebuild.course import find_days, project_settings
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, scratch
from coursebuild.steps.notebook import notebook


def write_all(target: Path) -> list[Path]:
    """Write every day's notebook into a folder; returns those whose content changed."""
    project = project_settings()
    params = {"repository": project["repository"], "branch": project["branch"]}
    changed = []
    with scratch("notebooks") as tmp:
        for day in find_days(ROOT).values():
            fresh = tmp / f"{day.stem}.ipynb"
            notebook({"script": day.source("script")}, {"notebook": fresh}, params, tmp)
            kept = target / fresh.name
            if not kept.exists() or kept.read_bytes() != fresh.read_bytes():
                changed.append(kept)
                kept.write_bytes(fresh.read_bytes())
    return changed


if __name__ == "__main__":
    try:
        for path in write_all(ROOT / "notebooks"):
            print(f"written: {path.name}")
    except CourseError as error:
        sys.exit(str(error))
