"""Inline Markdown as spans: text with its style, code, formulas, links. And the line of the lecture for every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markdown_it.tree import SyntaxTreeNode

from coursebuild.elements import BLOCK_MARK
from coursebuild.errors import CourseError
from coursebuild.links import web_address
from coursebuild.mathtex import mathml
from coursebuild.model import JsonDict
from coursebuild.template import Rendered


class Spans:
    """What every part of a lecture needs: the spans of a text, and errors that name the line."""

    def __init__(self, rendered: Rendered, lecture: Path) -> None:
        self.rendered, self.lecture = rendered, lecture

    def line(self, node: SyntaxTreeNode) -> int:
        """The line of the lecture's source where a node begins."""
        while node.map is None and node.parent is not None:
            node = node.parent
        start = node.map[0] if node.map else 0
        return self.rendered.lines[min(start, len(self.rendered.lines) - 1)]

    def error(self, node: SyntaxTreeNode, what: str, hint: str = "") -> CourseError:
        return CourseError(what, file=self.lecture, line=self.line(node), hint=hint)

    def check_math(self, node: SyntaxTreeNode, tex: str, display: bool) -> None:
        try:
            mathml(tex, display)
        except CourseError as error:
            raise self.error(node, f"unknown LaTeX: {error.what}", error.hint) from None

    def inline(self, node: SyntaxTreeNode, at: SyntaxTreeNode | None = None, **style: Any) -> list[JsonDict]:
        """The spans of an inline node."""
        spans: list[JsonDict] = []
        for child in node.children:
            spans += self.span(child, at or node, style)
        merged: list[JsonDict] = []
        for span in spans:
            same = merged and span["k"] == "text" and {**merged[-1], "t": ""} == {**span, "t": ""}
            if same:
                merged[-1]["t"] += span["t"]
            else:
                merged.append(span)
        return merged

    def span(self, node: SyntaxTreeNode, at: SyntaxTreeNode, style: JsonDict) -> list[JsonDict]:
        kind = node.type
        if BLOCK_MARK[0] in node.content:
            raise self.error(at, "a figure, animation or code is not alone", "leave an empty line above and below")
        if kind == "text":
            return [{"k": "text", "t": node.content, **style}] if node.content else []
        if kind in ("softbreak", "hardbreak"):
            return [{"k": "text", "t": " ", **style}]
        if kind == "code_inline":
            return [{"k": "code", "t": node.content}]
        if kind == "math_inline":
            self.check_math(at, node.content, False)
            return [{"k": "math", "tex": node.content}]
        if kind in ("strong", "em"):
            return self.inline(node, at, **style, **{"b" if kind == "strong" else "i": True})
        if kind == "link":
            href = str(node.attrs.get("href", ""))
            if not web_address(href):
                raise self.error(at, f"`{href}` is no web address", "links begin with https://")
            return self.inline(node, at, **style, href=href)
        hint = "figures come from the run: {{ figure(...) }}" if kind == "image" else ""
        raise self.error(at, f"{kind.replace('_', ' ')} is not supported", hint)
