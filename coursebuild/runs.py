"""Experiments that were run before: what they measured, kept in the cache under all that it depends on.

So going from one preset to another and back runs nothing twice, and a build takes over what `build.py run` has just
measured. Standard library only. The machine is no part of the key: which one it was, GPU or not, stands in the record.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from coursebuild import keys
from coursebuild import theme as themes
from coursebuild.digests import known
from coursebuild.files import atomic, entry, is_whole, key_of, sha256

NO_PART = ("limit", "again", "tools")  # parameters that change nothing that is measured, or are counted here already


def run_key(script: Path, params: dict[str, Any], fonts: list[str]) -> str:
    """Digest of script, lab, runner, tools, theme, fonts (their folders' names tell) and all that `params` ask for."""
    module, theme = "coursebuild.steps.run", themes.everything()
    with known.snapshot():
        code = keys.code(module, script, script.parent.parent)
        tools = keys.tools(module, script)
    look = [theme["themes"], theme["fonts"]["text"], [Path(folder).name for folder in fonts]]
    given = {name: value for name, value in params.items() if name not in NO_PART and value}
    return key_of(sha256(script), code, tools, look, given)


def take(cache: Path, key: str, folder: Path) -> bool:
    """Put a kept record into `folder`; whether there was a whole one."""
    kept = entry(cache, "run", key, ".zip")
    if not is_whole(kept):
        return False
    with zipfile.ZipFile(kept) as archive:
        archive.extractall(folder)
    return True


def keep(cache: Path, key: str, folder: Path) -> None:
    """Keep a record; it replaces an older one of the same key."""
    kept = entry(cache, "run", key, ".zip")
    with atomic(kept) as tmp:
        with zipfile.ZipFile(tmp, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.writestr(zipfile.ZipInfo(file.relative_to(folder).as_posix()), file.read_bytes())
        digest = sha256(tmp)
    with atomic(kept.with_name(kept.name + ".sha256")) as tmp:
        tmp.write_text(digest)
