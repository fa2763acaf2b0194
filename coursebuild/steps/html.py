"""The HTML slides: one file that works offline, with speaker view, notes, MathML, fonts, figures and clips inside."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
from fontTools import __version__ as fonttools_version
from lxml import etree
from markupsafe import Markup

from coursebuild import fonts, mathtex
from coursebuild import theme as themes
from coursebuild.assets import asset_folder
from coursebuild.cover import artwork
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, cached, key_of
from coursebuild.measure import fitting, source_size
from coursebuild.model import FPS, JsonDict, Slide
from coursebuild.shown import (
    CODE,
    CODE_ASPECT,
    FOOTER,
    ORIGIN,
    PARA_SCALE,
    Box,
    Sources,
    footer,
    letters,
    over_title,
    safe_link,
    walk,
)

TEMPLATES = ROOT / "templates"
ASCENT = 0.31  # of the size: Typst measures from the top of capitals to the baseline
MATHML = "{http://www.w3.org/1998/Math/MathML}"
ITALIC = [*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E]
"""What a browser draws for single letters in <mi>: mathematical italic letters (MathML Core, 4.2)."""
# Nothing from anywhere; our own scripts by their digest. The speaker view is about:blank and inherits the policy.
POLICY = (
    "default-src 'none'; img-src data:; media-src data: blob:; font-src data:; style-src 'unsafe-inline'; "
    "frame-src 'self' file: blob: about:; base-uri 'none'; form-action 'none'; script-src {digests}"
)


def html(inputs: dict[str, Path], products: dict[str, Path], params: dict, cache: Path) -> None:
    """Write `products["html"]` from the deck, what is said, the geometry, the clips and the record.

    `params["theme"]` is "dark" or "light". Raises CourseError where something that is shown is missing.
    """
    sources, name = Sources.load(inputs), params["theme"]
    reveal = asset_folder("reveal")
    scripts = _scripts(reveal)
    page = _environment(sources, name, cache).get_template("deck.html.j2")
    context = {
        "deck": sources.deck,
        "theme": name,
        "tokens": themes.tokens(name),
        "footer": footer(sources.deck),
        "footer_size": fitting(footer(sources.deck), *FOOTER),
        "origin_size": fitting(sources.deck.run_line, *ORIGIN),
        "artwork": _data_uri(artwork(sources.deck, name, "svg", cache), "image/svg+xml"),
        "policy": Markup(POLICY.format(digests=" ".join(map(_digest, [*scripts, _speaker_script(reveal)])))),
        "licence": Markup(_read(reveal / "LICENSE").strip().replace("--", "- -")),
        "version": _version(reveal),
        "reveal_css": Markup(_read(reveal / "dist" / "reveal.css")),
        "css": Markup(_read(TEMPLATES / "deck.css")),
        "scripts": [Markup(script) for script in scripts],
        "fonts_css": "",
    }
    # Once without fonts, to learn which characters they need.
    context["fonts_css"] = Markup(_font_faces(page.render(context), cache))
    products["html"].write_text(page.render(context), encoding="utf-8", newline="\n")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def _environment(sources: Sources, theme: str, cache: Path) -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters |= {
        "mathml": mathml,
        "link": safe_link,
        "letter": lambda number: letters(number + 1)[-1],
        "px": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "box": sources.box,
        "code_size": partial(_code_size, sources),
        "figure_uri": lambda block: _data_uri(sources.figure(block, theme, ".svg"), "image/svg+xml"),
        "source_size": lambda block: source_size(block["source"], sources.box(block)),
        "clip": partial(_clip, sources),
        "notes": sources.notes,
        "placed": lambda slide: [_placed(sources.box(block), block) for block in walk(slide.blocks)],
        "title_top": partial(_title_top, sources),
        "cover_size": sources.cover_size,
        "over_title": partial(over_title, sources.deck),
    }
    return environment


# ------------------------------------------------------------------ filters of the template


def mathml(tex: str, display: bool) -> Markup:
    """A formula as MathML, checked to hold no other markup, with its LaTeX as label."""
    root = etree.fromstring(mathtex.mathml(tex, display))
    for element in root.iter():
        attributes = {str(name).lower() for name in element.attrib}
        if not str(element.tag).startswith(MATHML) or any(a.startswith("on") or "href" in a for a in attributes):
            raise CourseError(f"the formula ${tex}$ gives markup that is no MathML", hint="write it differently")
    root.set("aria-label", mathtex.unicode(tex))
    if display:
        root.set("display", "block")
    return Markup(etree.tostring(root, encoding="unicode"))


def _placed(box: Box, block: JsonDict) -> JsonDict:
    """A block with the size of its text, and by how much a box of lines exceeds what Typst measured (points)."""
    size = box.size * (PARA_SCALE[block["style"]] if block["type"] == "para" else 1)
    return {**block, "text_size": size, "grow": ASCENT * size if block["type"] in ("bullets", "para") else 0}


def _code_size(sources: Sources, block: JsonDict) -> str:
    box = sources.box(block)
    longest = max([1, *(sum(len(text) for text, _ in row) for row in block["rows"])])
    return f"{min(CODE * box.k, (box.w - 40) / (longest * CODE_ASPECT)):.2f}"


def _title_top(sources: Sources, slide: Slide, prefix: str) -> float:
    """Top of the capitals of a title or subtitle, in points; the layout's own place where none is recorded."""
    box = sources.title_box(slide, prefix)
    if box:
        return box.y
    return {"title": {"t": 220.0, "st": 290.0}}.get(slide.kind, {}).get(prefix, 61.0)


def _clip(sources: Sources, block: JsonDict) -> dict[str, Any]:
    """Addresses of a clip and its poster, and when its sections start (seconds; the last number is its end)."""
    clip, video, poster = sources.clip(block)
    ends = [*(s.start for s in clip.sections), clip.sections[-1].start + clip.sections[-1].frames]
    return {
        "video": _data_uri(video, "video/mp4"),
        "poster": _data_uri(poster, "image/png"),
        "starts": " ".join(f"{frame / FPS:.4f}" for frame in ends),
        "sections": len(clip.sections),
    }


def _data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


# ------------------------------------------------------------------ scripts and fonts


def _scripts(reveal: Path) -> list[str]:
    """reveal.js, its speaker view, and our start of both; none of them may end the script element."""
    files = (reveal / "dist" / "reveal.js", reveal / "plugin" / "notes" / "notes.js", TEMPLATES / "deck.js")
    return [re.sub(r"</(script)", r"<\\/\1", _read(file), flags=re.IGNORECASE) for file in files]


def _speaker_script(reveal: Path) -> str:
    """The script inside the speaker view, which notes.js writes into a window of its own."""
    page = _read(reveal / "plugin" / "notes" / "speaker-view.html")
    found = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    if len(found) != 1:
        raise CourseError("the speaker view of reveal.js has changed", hint="look at coursebuild/steps/html.py")
    return found[0]


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _version(reveal: Path) -> str:
    found = re.search(r"reveal\.js (\d[\w.]*)", _read(reveal / "dist" / "reveal.js")[:200])
    return found[1] if found else ""


def _font_faces(page: str, cache: Path) -> str:
    """@font-face rules with the characters of the page, as data URIs."""
    body = page[page.index("<body") : page.index("<script>")]
    shown = unescape(re.sub(r'src="data:[^"]*"|<[^>]*>', " ", body)) + unescape(
        " ".join(re.findall(r'"[^"<>]{1,80}"', body))
    )
    text = "".join(sorted(set(shown) | {chr(c) for c in range(32, 127)} | set("–✓·")))
    wanted = [("Inter", False), ("Inter", True), ("JetBrains Mono", False), ("STIX Two Math", False)]
    return "\n".join(_font_face(family, italic, text, cache) for family, italic in wanted)


def _font_face(family: str, italic: bool, text: str, cache: Path) -> str:
    if family == "STIX Two Math":
        text += "".join(chr(code) for code in ITALIC if unicodedata.normalize("NFKC", chr(code)) in text)
    if italic:
        text = "".join(c for c in text if ord(c) < 0x250)
    key = key_of(family, italic, text, fonts.fonts_key(), fonttools_version)
    path = cached(cache, "woff2", key, ".woff2", lambda p: p.write_bytes(fonts.woff2(family, text, italic)) and None)
    style, weight = "italic" if italic else "normal", "400" if family == "STIX Two Math" else "100 900"
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};font-style:{style};'
        f'src:url({_data_uri(path, "font/woff2")}) format("woff2")}}'
    )
