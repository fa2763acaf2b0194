"""Native tables, with rows as high as the lines that they hold."""

from __future__ import annotations

from typing import Any

from pptx.enum.dml import MSO_THEME_COLOR as COLOUR
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml.ns import qn

from coursebuild.measure import lines
from coursebuild.model import JsonDict
from coursebuild.pptx import fit
from coursebuild.pptx.canvas import Canvas
from coursebuild.pptx.text import Style
from coursebuild.pptx.xml import describe, element, emu
from coursebuild.shown import CAPITALS, LEADING

TEXT_SCALE = 0.80  # of a table's text; Typst sets 0.82: cells filled to the last point would wrap elsewhere
NO_STYLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"  # "No Style, No Grid"
PAD_X, PAD_Y = 13, 4  # points
INSET = 0.64  # above and below the text of a row, in the layout engine / size
ALIGN = {"left": PP_ALIGN.LEFT, "right": PP_ALIGN.RIGHT, "center": PP_ALIGN.CENTER}


def table(canvas: Canvas, block: JsonDict) -> None:
    box = canvas.sources.box(block)
    rows, columns = [block["head"], *block["rows"]], len(block["head"])
    frame = canvas.slide.shapes.add_table(len(rows), columns, emu(box.x), emu(box.y), emu(box.w), emu(box.h))
    describe(frame, "Table", block["alt"])
    grid = frame.table
    properties = grid._tbl.tblPr
    properties.set("bandRow", "0")
    properties.set("firstRow", "1")
    properties.find(qn("a:tableStyleId")).text = NO_STYLE
    widths = [box.w * share / sum(block["cols"]) for share in block["cols"]]
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = emu(width)
    size = box.size * TEXT_SCALE
    below = fit.room_below(canvas, block, box)
    size *= fit.factor(
        canvas, block, box, lambda f, wider: sum(row_heights(rows, widths, size * f, canvas, wider)), below
    )
    heights = row_heights(rows, widths, size, canvas)
    for row, height in zip(grid.rows, heights, strict=True):
        row.height = emu(height * box.h / sum(heights))
    for i, cells in enumerate(rows):
        for j, spans in enumerate(cells):
            _cell(canvas, grid.cell(i, j), spans, size, ALIGN[block["align"][j]], i)
    canvas.appear([frame], block["step"])


def row_heights(
    rows: list[list[list[JsonDict]]], widths: list[float], size: float, canvas: Canvas, wider: bool = False
) -> list[float]:
    """Heights in points as the layout engine makes them: lines of text, and the same padding for each row.

    With `wider`, in a font that is wider than ours.
    """
    counts = [
        max(
            lines(cell, size, (width - 2 * PAD_X - 1) / (fit.wideness(cell) if wider else 1))
            for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
    return [size * (CAPITALS + (count - 1) * (CAPITALS + LEADING) + 2 * INSET) for count in counts]


def _cell(canvas: Canvas, cell: Any, spans: list[JsonDict], size: float, align: Any, row: int) -> None:
    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    cell.margin_left = cell.margin_right = emu(PAD_X)
    cell.margin_top = cell.margin_bottom = emu(PAD_Y)
    par = cell.text_frame.paragraphs[0]
    par.alignment = align
    head = row == 0
    canvas.pen.spans(par, spans, Style(size, COLOUR.ACCENT_1 if head else COLOUR.TEXT_1, bold=head or None))
    if row % 2:
        cell.fill.solid()
        cell.fill.fore_color.theme_color = COLOUR.BACKGROUND_2
    else:
        cell.fill.background()
    if head:
        rule = '<a:lnB w="25400"><a:solidFill><a:schemeClr val="accent1"/></a:solidFill></a:lnB>'
        cell._tc.get_or_add_tcPr().insert(0, element(rule))
