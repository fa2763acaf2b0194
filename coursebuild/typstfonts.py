"""The fonts as Typst gets them. A file of its own: figures need fonts too, and are not drawn again with a new Typst."""

from __future__ import annotations

from functools import cache

import typst

from coursebuild.assets import asset_folder


@cache
def typst_fonts() -> typst.Fonts:
    """The fonts for the Typst compiler: ours and no others."""
    folders = [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(f) for f in folders])
