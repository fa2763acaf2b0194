"""Fonts: complete, small, the same every time. The oracle is FreeType (through Pillow)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from PIL import ImageFont

from coursebuild import fonts, theme
from coursebuild.errors import CourseError

SENTENCE = "Explain why one backward pass gives the gradient: δ⁽ˡ⁾ → 0.25 ✓"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fonts.font_dir(tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_the_folder_has_every_style_under_its_name(folder: Path) -> None:
    found = {p.name: ImageFont.truetype(str(p), 20).getname() for p in folder.iterdir()}
    assert found == {
        "Inter-Regular.ttf": ("Inter", "Regular"),
        "Inter-Bold.ttf": ("Inter", "Bold"),
        "Inter-Italic.ttf": ("Inter", "Italic"),
        "Inter-BoldItalic.ttf": ("Inter", "Bold Italic"),
        "JetBrainsMono-Regular.ttf": ("JetBrains Mono", "Regular"),
        "JetBrainsMono-Bold.ttf": ("JetBrains Mono", "Bold"),
        "STIXTwoMath-Regular.ttf": ("STIX Two Math", "Regular"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("name", "weight"), [("Regular", 400), ("Bold", 700)])
def test_static_widths_are_those_of_the_variable_font(folder: Path, name: str, weight: int) -> None:
    variable = ImageFont.truetype(str(fonts.source("Inter")), 1000)
    variable.set_variation_by_axes([fonts.OPTICAL_SIZE, weight])
    static = ImageFont.truetype(str(folder / f"Inter-{name}.ttf"), 1000)
    assert static.getlength(SENTENCE) == pytest.approx(variable.getlength(SENTENCE), rel=0.002)


@pytest.mark.slow
def test_the_folder_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_write_static", lambda *_: pytest.fail("made again"))
    assert fonts.font_dir(folder.parents[1]) == folder


def test_missing_glyphs() -> None:
    assert fonts.missing_glyphs("plain text\n\tδ → ✓", "Inter") == set()
    assert fonts.missing_glyphs("∇ 中 🙂", "Inter") == {"∇", "中", "🙂"}
    assert fonts.missing_glyphs("∇ ℒ\ufe00 ∑ 𝐖", "STIX Two Math") == set()
    with pytest.raises(CourseError, match="JetBrains Mono"):
        fonts.missing_glyphs("x", "JetBrains Mon")


@pytest.mark.parametrize(
    ("family", "text", "axes"),
    [
        ("Inter", "abc δ", {"opsz", "wght"}),
        ("JetBrains Mono", "a->b", {"wght"}),
        ("STIX Two Math", "∑√(x)", set()),
    ],
)
def test_woff2(family: str, text: str, axes: set[str]) -> None:
    data = fonts.woff2(family, text)
    assert data[:4] == b"wOF2" and len(data) < 40_000
    assert data == fonts.woff2(family, "".join(reversed(text)))
    font = TTFont(io.BytesIO(data))
    assert {ord(c) for c in text} <= set(font.getBestCmap())
    assert ({a.axisTag for a in font["fvar"].axes} if "fvar" in font else set()) == axes
    assert family != "STIX Two Math" or "MATH" in font


# ------------------------------------------------------------------ theme


@pytest.mark.parametrize("name", theme.themes())
def test_every_text_colour_can_be_read(name: str) -> None:
    assert theme.check_contrast(name) == []


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#FFFFFF", "#767676") == pytest.approx(4.54, abs=0.005)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


def test_a_weak_colour_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = {**theme.tokens("light"), "muted": "#999999"}
    monkeypatch.setattr(theme, "tokens", lambda _: weak)
    assert any("muted #999999 on bg" in line for line in theme.check_contrast("light"))


def test_an_unknown_theme_is_an_error() -> None:
    with pytest.raises(CourseError, match="did you mean `dark`"):
        theme.tokens("drak")
