"""The DrawingML that python-pptx has no method for. Lengths are points; texts never go through these templates."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from pptx.oxml import parse_xml
from pptx.oxml.ns import qn

NS = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
EMU_PER_POINT = 12700
DECORATIVE = "{C183D7F6-B498-43B3-948B-1728B52AA6E4}"  # [MS-ODRAWXML] 2.29: hidden from screen readers
SVG = "{96DAC541-7B7A-43D3-8B79-37D633B846F1}"  # [MS-ODRAWXML] 2.28: the vector form of a picture
IMAGE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"


def emu(points: float) -> int:
    """Points in the file's unit."""
    return round(points * EMU_PER_POINT)


def element(markup: str) -> Any:
    """An element of a template in which the prefixes a, p and r are declared."""
    return parse_xml(re.sub(r"(?<=<)([\w:]+)", rf"\1 {NS}", markup, count=1))


def fill(name: str) -> str:
    """A solid fill in a colour of the theme: bg1, tx1, accent1, ..."""
    return f'<a:solidFill><a:schemeClr val="{name}"/></a:solidFill>'


def place(x: float, y: float, w: float, h: float) -> str:
    """Position and size of a shape."""
    return f'<a:xfrm><a:off x="{emu(x)}" y="{emu(y)}"/><a:ext cx="{emu(w)}" cy="{emu(h)}"/></a:xfrm>'


def properties(shape: Any) -> Any:
    """The element with a shape's name and alt text."""
    return shape._element.xpath(".//p:cNvPr")[0]


def describe(shape: Any, name: str, alt: str = "") -> None:
    """Name a shape, for the selection pane, and give it the text that screen readers say."""
    properties(shape).set("name", name)
    if alt:
        properties(shape).set("descr", alt)


def decorate(shape: Any) -> None:
    """Mark a shape as decorative: screen readers pass it."""
    extension = element(f'<a:extLst><a:ext uri="{DECORATIVE}"/></a:extLst>')
    mark = "{http://schemas.microsoft.com/office/drawing/2017/decorative}decorative"
    etree.SubElement(extension[0], mark, {"val": "1"}, {"adec": mark[1 : mark.index("}")]})
    properties(shape).append(extension)


def is_decorative(shape: Any) -> bool:
    return any(e.get("uri") == DECORATIVE for e in properties(shape).iter(qn("a:ext")))


def unstyle(shape: Any) -> None:
    """Remove the default style of a shape, which brings shadows and outlines."""
    style = shape._element.find(qn("p:style"))
    if style is not None:
        shape._element.remove(style)


def add_vector(slide: Any, picture: Any, svg: bytes, name: str) -> None:
    """Give a picture its vector form; programs that cannot draw it keep the bitmap."""
    from pptx.opc.package import Part
    from pptx.opc.packuri import PackURI

    part = Part(PackURI(f"/ppt/media/{name}.svg"), "image/svg+xml", slide.part.package, svg)
    rid = slide.part.relate_to(part, IMAGE)
    extension = element(f'<a:extLst><a:ext uri="{SVG}"/></a:extLst>')
    space = "http://schemas.microsoft.com/office/drawing/2016/SVG/main"
    etree.SubElement(extension[0], f"{{{space}}}svgBlip", {qn("r:embed"): rid}, {"asvg": space})
    picture._element.find(".//" + qn("a:blip")).append(extension)
