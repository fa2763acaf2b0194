"""What the pages of the site share: theme as CSS, rich text as HTML, inline pictures, Jinja that escapes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import PIL
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from coursebuild import fonts, mathtex, theme
from coursebuild.files import ROOT, cached, key_of, sha256
from coursebuild.links import web_address
from coursebuild.model import FPS

TEMPLATES = ROOT / "templates" / "site"
SITE_TOKENS = ("bg", "surface", "line", "text", "muted", "accent", "accent2", "good", "bad", "violet", "fn", "hl")
FONTS_GO_HERE = "/* fonts */\n"
ASCII = "".join(map(chr, range(0x20, 0x7F)))
# A browser draws <mi>x</mi> as the italic letter of the mathematical alphabets, so the font must have these.
MATH_ITALIC = "".join(map(chr, (0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C))))
WEBP = {"quality": 82, "method": 6}

_MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
_CODE = re.compile(r"<code>(.*?)</code>", re.DOTALL)
_INLINE = re.compile(
    r"\\(?P<escaped>[$`*\\])"
    r"|`(?P<code>[^`]+)`"
    r"|\$(?P<math>[^\s$](?:[^$]*[^\s$\\])?)\$(?!\d)"  # as in Pandoc: "$5 and $6" is money, not a formula
    r"|\*\*(?P<bold>[^\s*](?:.*?[^\s*])?)\*\*"
    r"|(?<![\w*])\*(?P<italic>[^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"
)


def environment() -> Environment:
    """Jinja for the site's templates: everything is escaped, and a missing name is an error."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"rich": rich, "safe_url": web_address, "urlpath": urlpath}
    env.globals |= {
        "css": Markup(FONTS_GO_HERE) + site_css(),
        "script": lambda name: Markup((TEMPLATES / name).read_text("utf-8")),
    }
    return env


def render(template: str, cache: Path, **context: Any) -> str:
    """A page of the site, with the fonts for the characters that it has."""
    html = environment().get_template(template).render(**context)
    return html.replace(FONTS_GO_HERE, font_faces(html, cache), 1)


def font_faces(html: str, cache: Path) -> str:
    """The course's fonts inside the page, cut to its characters: as on the slides, and nothing is fetched."""
    text, used = unescape(html), "".join(set(unescape(" ".join(_MATH.findall(html)))))
    family = theme.fonts()
    wanted = [
        (family["text"], ASCII + text, "100 900"),
        (family["mono"], ASCII + "…−×" + "".join(_CODE.findall(text)), "100 800"),
    ]
    if used:
        wanted.append((family["math"], ASCII + MATH_ITALIC + used, "400"))
    return "".join(_font_face(name, "".join(sorted(set(chars))), weight, cache) for name, chars, weight in wanted)


def _font_face(family: str, chars: str, weight: str, cache: Path) -> str:
    def make(target: Path) -> None:
        target.write_bytes(fonts.woff2(family, chars))

    key = key_of("woff2", family, chars, fonts.fonts_key())
    uri = data_uri(cached(cache, "woff2", key, ".woff2", make).read_bytes(), "font/woff2")
    return f'@font-face{{font-family:"{family}";font-weight:{weight};src:url({uri}) format("woff2")}}\n'


def site_css() -> Markup:
    """The theme's colours as custom properties, then the style sheet. Dark unless the reader prefers light."""
    dark, light = (
        ";".join(f"--{name}:{theme.tokens(which)[name]}" for name in SITE_TOKENS) for which in ("dark", "light")
    )
    family = theme.fonts()
    rules = [
        f':root{{--text-font:"{family["text"]}";--mono-font:"{family["mono"]}";--math-font:"{family["math"]}"}}',
        f":root{{color-scheme:dark;{dark}}}",
        f"@media(prefers-color-scheme:light){{:root:not([data-theme=dark]){{color-scheme:light;{light}}}}}",
        f":root[data-theme=light]{{color-scheme:light;{light}}}",
        (TEMPLATES / "site.css").read_text("utf-8"),
    ]
    return Markup("\n".join(rules))


def rich(text: str) -> Markup:
    """Inline Markdown (`code`, **bold**, *italic*, $math$) as HTML; all else is escaped."""
    out, at = Markup(), 0
    for match in _INLINE.finditer(text):
        out += escape(text[at : match.start()]) + _inline(match)
        at = match.end()
    return out + escape(text[at:])


def _inline(match: re.Match[str]) -> Markup:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "math":
        try:
            return Markup(mathtex.mathml(value, False))
        except mathtex.MathError:  # two prices in a sentence of a script are no formula
            return escape(match[0])
    if kind == "code":
        return Markup("<code>{}</code>").format(value)
    if kind == "bold":
        return Markup("<b>{}</b>").format(rich(value))
    if kind == "italic":
        return Markup("<i>{}</i>").format(rich(value))
    return escape(value)


def spans(rich_text: Iterable[dict[str, Any]]) -> Markup:
    """The spans of a deck (see docs/ARCHITECTURE.md) as HTML, without their links."""
    out = Markup()
    for span in rich_text:
        if span["k"] == "math":
            out += Markup(mathtex.mathml(span["tex"], False))
        elif span["k"] == "code":
            out += Markup("<code>{}</code>").format(span["t"])
        else:
            html = escape(span["t"])
            html = Markup("<b>{}</b>").format(html) if span.get("b") else html
            out += Markup("<i>{}</i>").format(html) if span.get("i") else html
    return out


def urlpath(name: str) -> str:
    """A relative file name as part of an address."""
    return quote(name, safe="/.-_~#=")


def data_uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def picture_uri(png: Path, width: int, cache: Path) -> str:
    """A picture as a `data:` address: WebP, at most `width` pixels wide, remembered in `cache`."""

    def make(target: Path) -> None:
        with Image.open(png) as image:
            height = max(1, round(image.height * width / image.width))
            small = image.convert("RGB")
            if image.width > width:
                small = small.resize((width, height), Image.Resampling.LANCZOS)
            small.save(target, "WEBP", **WEBP)

    key = key_of("picture", sha256(png), width, WEBP, PIL.__version__)
    return data_uri(cached(cache, "picture", key, ".webp", make).read_bytes(), "image/webp")


def clock(frames: int) -> str:
    """Frames of the film as m:ss (or h:mm:ss), rounded down as players do."""
    seconds = frames // FPS
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
