"""The file itself: sections of the presentation, and zip bytes that depend on nothing but the content."""

from __future__ import annotations

import datetime
import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

from lxml import etree
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.oxml.ns import qn

from coursebuild.pptx.xml import element

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold
PACKED = (".png", ".mp4", ".jpg", ".jpeg")  # compressed already
SECTIONS = "{521415D9-36F7-43E2-AB2F-B90AF26B5E84}"  # [MS-PPTX] 2.6.10
PROGRAM = "coursebuild"
UNKNOWN_DATE = datetime.datetime(1980, 1, 1)
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_APP = "http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"
_P14 = "http://schemas.microsoft.com/office/powerpoint/2010/main"


def set_properties(presentation: Any, title: str, author: str, language: str, comments: str, measured: str) -> None:
    """The document's properties. Its date is that of its numbers (`measured`, ISO): that of the build is nobody's."""
    core = presentation.core_properties
    core.title, core.author, core.language = title[:255], author[:255], language
    core.comments = comments[:255]
    core.last_modified_by, core.revision = core.author, 1
    try:
        when = datetime.datetime.fromisoformat(measured)
        core.created = core.modified = when.astimezone(datetime.UTC) if when.tzinfo else when
    except (ValueError, OverflowError):
        core.created = core.modified = UNKNOWN_DATE
    counts = {
        "Slides": len(presentation.slides),
        "Notes": sum(slide.has_notes_slide for slide in presentation.slides),
        "MMClips": sum(shape.shape_type == MSO_SHAPE_TYPE.MEDIA for s in presentation.slides for shape in s.shapes),
    }
    parts = "".join(f"<{name}>{count}</{name}>" for name, count in counts.items())
    program = f"<Application>{PROGRAM}</Application><PresentationFormat>Widescreen</PresentationFormat>"
    about = next(p for p in presentation.part.package.iter_parts() if p.partname == "/docProps/app.xml")
    about._blob = f'{_XML}<Properties xmlns="{_APP}">{program}{parts}</Properties>'.encode()


def add_sections(presentation: Any, names: list[str]) -> None:
    """Group the slides into sections; `names` holds the section of each slide, equal neighbours are one."""
    if len(set(names)) < 2:
        return
    root = presentation.part._element
    extension = element(f'<p:ext uri="{SECTIONS}"/>')
    sections = etree.SubElement(extension, f"{{{_P14}}}sectionLst", nsmap={"p14": _P14})
    slides = root.find(qn("p:sldIdLst"))
    last, ids = None, None
    for number, (name, slide) in enumerate(zip(names, slides, strict=True)):
        if name != last or ids is None:
            guid = "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"section {number} {name}")).upper() + "}"
            attributes = {"name": name or "Slides", "id": guid}
            section = etree.SubElement(sections, f"{{{_P14}}}section", attributes)
            ids, last = etree.SubElement(section, f"{{{_P14}}}sldIdLst"), name
        etree.SubElement(ids, f"{{{_P14}}}sldId", {"id": slide.get("id")})
    extensions = root.find(qn("p:extLst"))
    if extensions is None:
        extensions = element("<p:extLst/>")
        root.append(extensions)
    extensions.append(extension)


def save(presentation: Any, target: Path) -> None:
    """Write the presentation; the same content gives the same bytes."""
    for part in (presentation.part, presentation.part.package):  # left over from python-pptx's own template
        for rid in [r.rId for r in part._rels.values() if r.reltype.endswith(("/thumbnail", "/printerSettings"))]:
            part._rels.pop(rid)
    buffer = io.BytesIO()
    presentation.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(target, "w") as out:
        for item in source.infolist():
            entry = zipfile.ZipInfo(item.filename, EPOCH)
            stored = item.filename.lower().endswith(PACKED)
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            out.writestr(entry, source.read(item.filename), compresslevel=None if stored else 6)
