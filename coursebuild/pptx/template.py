"""The slide master and its layouts, written by code: real placeholders, theme colours and fonts, no binary template."""

from __future__ import annotations

from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.oxml.ns import qn

from coursebuild.pptx.xml import element, emu, fill, place
from coursebuild.shown import FOOTER as FOOTER_LINE
from coursebuild.shown import ORIGIN as ORIGIN_LINE

LAYOUTS = ("Title", "Content", "Two columns", "Title only", "Animation")
KICKER, AUTHOR, FOOTER, NUMBER = 13, 14, 10, 11  # idx of the placeholders that python-pptx has no name for
BULLETS = ((23.0, 26, "■", 55, 7.3), (20.0, 50, "–", 100, 7.0), (18.0, 72, "–", 100, 4))
"""Per level: size, left margin (points), mark, its size (percent), space above (points)."""
BULLET_COLOURS = ("accent1", "tx2", "tx2")
HANG = (26, 22, 22)  # points between a bullet's mark and its text
NUMBER_MARGIN = 32.7  # points: numbers need more room than marks
LINE = 1.1  # line height of body text / that of the font
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_TITLE, _BODY = (60, 58, 840, 44), (60, 124, 840, 366)
_FOOTER, _NUMBER, _ORIGIN = (60, 508, FOOTER_LINE[1], 18), (850, 508, 50, 18), (468, 508, ORIGIN_LINE[1], 18)
_EMPTY = '<a:p><a:endParaRPr lang="en-US"/></a:p>'
_FIELD = (
    '<a:p><a:fld id="{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}" type="slidenum"><a:rPr lang="en-US"/>'
    '<a:t>‹#›</a:t></a:fld><a:endParaRPr lang="en-US"/></a:p>'
)


def new_presentation(theme: str, tokens: dict[str, str], fonts: dict[str, str]) -> Any:
    """An empty python-pptx presentation of 960 x 540 points in the course's look, with the five LAYOUTS."""
    presentation = Presentation()
    presentation.slide_width, presentation.slide_height = emu(960), emu(540)
    master = presentation.slide_master
    _write_theme(master, theme, tokens, fonts["text"])
    _write_master(master._element, dark=theme == "dark")
    _write_layouts(presentation)
    return presentation


def _write_theme(master: Any, theme: str, t: dict[str, str], font: str) -> None:
    """Put the course's colours and font into the theme part, so that "Design > Variants" works."""
    part = next(r.target_part for r in master.part.rels.values() if r.reltype.endswith("/theme"))
    root = etree.fromstring(part.blob)
    dark = theme == "dark"
    colours = {
        "dk1": t["bg"] if dark else t["text"],
        "lt1": t["text"] if dark else t["bg"],
        "dk2": t["surface"] if dark else t["muted"],
        "lt2": t["muted"] if dark else t["surface"],
        "accent1": t["accent"],
        "accent2": t["accent2"],
        "accent3": t["good"],
        "accent4": t["bad"],
        "accent5": t["kw"],
        "accent6": t["str"],
        "hlink": t["accent"],
        "folHlink": t["violet"],
    }
    for name, value in colours.items():
        slot = root.find(f".//{_DRAWING}clrScheme/{_DRAWING}{name}")
        slot[:] = []
        etree.SubElement(slot, f"{_DRAWING}srgbClr").set("val", value[1:])
    root.find(f".//{_DRAWING}clrScheme").set("name", f"Course {theme}")
    root.set("name", f"Course {theme}")
    for kind in ("majorFont", "minorFont"):
        root.find(f".//{_DRAWING}{kind}/{_DRAWING}latin").set("typeface", font)
    part._blob = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _write_master(master: Any, dark: bool) -> None:
    common = master.find(qn("p:cSld"))
    background = common.find(qn("p:bg"))
    if background is not None:
        common.remove(background)
    common.insert(0, element(f"<p:bg><p:bgPr>{fill('bg1')}<a:effectLst/></p:bgPr></p:bg>"))
    # A dark deck keeps dark colours in the slots for dark ones and swaps their use.
    first, second = ("dk", "lt") if dark else ("lt", "dk")
    for use, slot in (("bg1", f"{first}1"), ("tx1", f"{second}1"), ("bg2", f"{first}2"), ("tx2", f"{second}2")):
        master.find(qn("p:clrMap")).set(use, slot)
    tree = common.find(qn("p:spTree"))
    _clear(tree)
    small = f'<a:lvl1pPr algn="l"><a:defRPr sz="1100">{fill("tx2")}</a:defRPr></a:lvl1pPr>'
    right = small.replace('algn="l"', 'algn="r"')
    for shape in (
        _placeholder(2, "Title", "title", None, _TITLE, body='anchor="t"', prompt=_prompt("Title")),
        _placeholder(3, "Body", "body", 1, _BODY, prompt=_prompt("Text")),
        _placeholder(4, "Footer", "ftr", 3, _FOOTER, 'anchor="ctr"', small, _EMPTY),
        _placeholder(5, "Slide number", "sldNum", 4, _NUMBER, 'anchor="ctr"', right, _FIELD),
    ):
        tree.append(shape)
    styles = master.find(qn("p:txStyles"))
    styles[:] = list(_text_styles())


def _text_styles() -> Any:
    """Sizes, bullets and spacing of titles, body text by level, and other text."""

    def fonts(role: str) -> str:
        return "".join(f'<a:{s} typeface="+{role}-{k}"/>' for s, k in (("latin", "lt"), ("ea", "ea"), ("cs", "cs")))

    levels = ""
    for i, ((size, margin, mark, percent, above), hang) in enumerate(zip(BULLETS, HANG, strict=True), 1):
        levels += (
            f'<a:lvl{i}pPr marL="{emu(margin)}" indent="{emu(-hang)}" algn="l" rtl="0">'
            f'<a:lnSpc><a:spcPct val="{round(LINE * 100_000)}"/></a:lnSpc>'
            f'<a:spcBef><a:spcPts val="{round(above * 100)}"/></a:spcBef><a:buClr>'
            f'<a:schemeClr val="{BULLET_COLOURS[i - 1]}"/></a:buClr>'
            f'<a:buSzPct val="{percent * 1000}"/><a:buFont typeface="Arial"/><a:buChar char="{mark}"/>'
            f'<a:defRPr sz="{round(size * 100)}" kern="1200">{fill("tx1")}{fonts("mn")}</a:defRPr></a:lvl{i}pPr>'
        )
    title = (
        '<a:lvl1pPr algn="l" rtl="0"><a:lnSpc><a:spcPct val="88000"/></a:lnSpc>'
        '<a:spcBef><a:spcPct val="0"/></a:spcBef><a:buNone/>'
        f'<a:defRPr sz="3200" b="1" kern="1200" spc="-40">{fill("tx1")}{fonts("mj")}</a:defRPr></a:lvl1pPr>'
    )
    other = f'<a:lvl1pPr><a:defRPr sz="1800">{fill("tx1")}{fonts("mn")}</a:defRPr></a:lvl1pPr>'
    return element(
        f"<p:txStyles><p:titleStyle>{title}</p:titleStyle><p:bodyStyle>{levels}</p:bodyStyle>"
        f"<p:otherStyle>{other}</p:otherStyle></p:txStyles>"
    )


def _write_layouts(presentation: Any) -> None:
    """Reuse five of python-pptx's layouts, with our placeholders."""
    layouts = list(presentation.slide_layouts)
    for layout in layouts[len(LAYOUTS) :]:
        presentation.slide_layouts.remove(layout)
    kinds = {"Title": "title", "Content": "obj", "Two columns": "twoObj"}
    for layout, name in zip(layouts, LAYOUTS, strict=False):
        layout._element.set("type", kinds.get(name, "titleOnly"))
        common = layout._element.find(qn("p:cSld"))
        common.set("name", name)
        tree = common.find(qn("p:spTree"))
        _clear(tree)
        for shape in _title_layout() if name == "Title" else _layout(name):
            tree.append(shape)


def _title_layout() -> list[Any]:
    big = '<a:lvl1pPr algn="l"><a:defRPr sz="5800" spc="-150"/></a:lvl1pPr>'
    return [
        _placeholder(2, "Title", "ctrTitle", None, (60, 203, 450, 66), 'anchor="t"', big, _prompt("Lecture title")),
        _placeholder(3, "Subtitle", "subTitle", 1, (60, 277, 410, 80), "", _plain(2300, "tx2"), _prompt("Subtitle")),
        _placeholder(4, "Course", "body", KICKER, (60, 172, 450, 20), "", _kicker(1400), _prompt("Course")),
        _placeholder(5, "Origin", "body", AUTHOR, (60, 494, 480, 20), "", _plain(1200, "tx2"), _prompt("Origin")),
    ]


def _layout(name: str) -> list[Any]:
    shapes = [
        _placeholder(2, "Title", "title", None, None, prompt=_prompt("Title")),
        _placeholder(3, "Section", "body", KICKER, (60, 37, 600, 18), "", _kicker(1200), _prompt("Section")),
    ]
    if name == "Content":
        shapes.append(_placeholder(4, "Body", None, 1, _BODY, prompt=_prompt("Text")))
    if name == "Two columns":
        shapes.append(_placeholder(4, "Left", None, 1, (60, 124, 401, 366), prompt=_prompt("Left")))
        shapes.append(_placeholder(5, "Right", None, 2, (499, 124, 401, 366), prompt=_prompt("Right")))
    if name == "Animation":
        return shapes[:1]
    origin = _plain(1000, "tx2").replace("<a:lvl1pPr", '<a:lvl1pPr algn="r"')
    shapes.append(_placeholder(7, "Origin", "body", AUTHOR, _ORIGIN, 'anchor="ctr"', origin, _prompt("Origin")))
    shapes.append(_placeholder(8, "Footer", "ftr", FOOTER, None, prompt=_EMPTY))
    shapes.append(_placeholder(9, "Slide number", "sldNum", NUMBER, None, prompt=_FIELD))
    return shapes


def _placeholder(
    number: int,
    name: str,
    kind: str | None,
    index: int | None,
    box: tuple[float, float, float, float] | None,
    body: str = "",
    style: str = "",
    prompt: str = "",
) -> Any:
    """A placeholder; without a box it has the master's place."""
    attributes = (f'type="{kind}" ' if kind else "") + (f'idx="{index}"' if index else "")
    where = f"<p:spPr>{place(*box)}</p:spPr>" if box else "<p:spPr/>"
    return element(
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
        f"<p:nvPr><p:ph {attributes}/></p:nvPr></p:nvSpPr>{where}"
        f'<p:txBody><a:bodyPr lIns="0" tIns="0" rIns="0" bIns="0" {body}><a:normAutofit/></a:bodyPr>'
        f"<a:lstStyle>{style}</a:lstStyle>{prompt}</p:txBody></p:sp>"
    )


def _prompt(text: str) -> str:
    return f'<a:p><a:r><a:rPr lang="en-US"/><a:t>{text}</a:t></a:r></a:p>'


def _kicker(size: int) -> str:
    return (
        '<a:lvl1pPr marL="0" indent="0"><a:spcBef><a:spcPts val="0"/></a:spcBef><a:buNone/>'
        f'<a:defRPr sz="{size}" b="1" cap="all" spc="170">{fill("accent1")}</a:defRPr></a:lvl1pPr>'
    )


def _plain(size: int, colour: str) -> str:
    return (
        '<a:lvl1pPr marL="0" indent="0"><a:spcBef><a:spcPts val="0"/></a:spcBef><a:buNone/>'
        f'<a:defRPr sz="{size}">{fill(colour)}</a:defRPr></a:lvl1pPr>'
    )


def _clear(tree: Any) -> None:
    for shape in tree.findall(qn("p:sp")) + tree.findall(qn("p:pic")):
        tree.remove(shape)
