"""Program listings as native text: one text box, token colours of the theme, marked lines behind it."""

from __future__ import annotations

from pptx.util import Pt

from coursebuild.model import JsonDict
from coursebuild.pptx.canvas import Canvas
from coursebuild.pptx.text import ROLES, Style
from coursebuild.pptx.xml import element
from coursebuild.shown import CODE, CODE_ASPECT, Box

LABEL = 23.4  # points from the top of the card to the line under its label
TOP = 9.0  # points from there to the first line
PAD = 18.0
PITCH = 1.5  # height of a line / size


def code_size(block: JsonDict, box: Box) -> float:
    """Size of the listing's text in points: the longest line fits its card."""
    longest = max((sum(len(text) for text, _ in row) for row in block["rows"]), default=1)
    return min(CODE * box.k, (box.w - 2 * PAD - 4) / (max(longest, 1) * CODE_ASPECT))


def code(canvas: Canvas, block: JsonDict) -> None:
    box = canvas.sources.box(block)
    size, mono = code_size(block, box), canvas.pen.mono
    pitch, top = PITCH * size, box.y + (LABEL if block["label"] else 0) + TOP
    shapes = canvas.card(box, "Code card")
    if block["label"]:
        label = canvas.text_box((box.x + PAD, box.y + 2, box.w - 2 * PAD, LABEL - 4), "Code label", "ctr")
        canvas.pen.run(label.text_frame.paragraphs[0], block["label"], Style(11.5, ROLES["com"], mono=mono))
        rule = canvas.rectangle((box.x, box.y + LABEL, box.w, 0.75), "Code rule", canvas.tokens["line"])
        shapes += [label, rule]
    for line in block["hl"]:
        y = top + (line - 1) * pitch
        shapes.append(canvas.rectangle((box.x, y, box.w, pitch), "Marked line", canvas.tokens["hl"]))
        shapes.append(canvas.rectangle((box.x, y, 4, pitch), "Marked line edge", ROLES["num"]))
    place = (box.x + PAD, top, box.w - PAD - 4, len(block["rows"]) * pitch)
    listing = canvas.text_box(place, f"Code: {block['label']}", wrap=False)
    for number, row in enumerate(block["rows"]):
        par = listing.text_frame.paragraphs[0] if number == 0 else listing.text_frame.add_paragraph()
        par.line_spacing = Pt(pitch)
        for text, role in row:
            canvas.pen.run(par, text, Style(size, ROLES[role], bold=role == "kw", mono=mono))
        if not row:
            par._p.append(element(f'<a:endParaRPr lang="en-US" sz="{round(size * 2) * 50}"/>'))
    canvas.appear([*shapes, listing], block["step"])
