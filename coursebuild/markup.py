"""From a rendered lecture (Markdown) to slides and beats.

`# Part` names the part that the next slides belong to, `## Title` starts a slide, a blockquote is a beat: what the
lecturer says while what stands above it is on screen. docs/LECTURES.md is the author's guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments.util import ClassNotFound

from coursebuild.blocks import last_step, plain, token_rows, walk
from coursebuild.elements import BLOCK_MARK
from coursebuild.errors import CourseError, did_you_mean, raise_all
from coursebuild.model import Beat, JsonDict, Slide, SpokenSlide
from coursebuild.spans import Spans
from coursebuild.template import Rendered

TONES = {"key": "accent", "note": "accent2", "good": "good", "warn": "bad"}
TASK = re.compile(r"\[([ xX])\]\s+")
COVERS = re.compile(r"<!--\s*covers:\s*([OCK]\d+(?:[\s,]+[OCK]\d+)*)\s*-->")
WIDTH = re.compile(r"\d{1,3}(?:\.\d+)?", re.ASCII)  # of a column, relative to the others
BOX = re.compile(r"^:::+[ \t]*(\w*)", re.MULTILINE)
DISPLAY = re.compile(r"(?<!\\)\$\$")
CODE_SPAN = re.compile(r"`[^`]*`")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
MATH_SIZE = 26  # points
MAX_COLUMN_WEIGHT, MIN_COLUMN_WEIGHT = 44, 7  # characters: how unequal a table's columns may become


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table").disable("lheading")  # --- is no heading
    parser.use(dollarmath_plugin, allow_labels=True, allow_space=False, double_inline=False)
    for name in ("columns", *TONES):
        parser.use(container_plugin, name=name)
    return parser


@dataclass
class _Open:
    """The slide that is being read."""

    id: str
    n: int
    title: list[JsonDict]
    line: int
    kicker: str
    blocks: list[JsonDict] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)
    serial: int = 0
    broken: bool = False  # a part of it could not be read

    @property
    def step(self) -> int:
        return len(self.beats)


class Reader(Spans):
    """Reads one lecture. `slides` and `spoken` are filled by `read`."""

    def __init__(self, rendered: Rendered, lecture: Path) -> None:
        super().__init__(rendered, lecture)
        self.slides: list[Slide] = []
        self.spoken: list[SpokenSlide] = []
        self.mistakes: list[CourseError] = [*rendered.mistakes]
        self.ends: set[int] = set()  # rows that close a box, columns or code
        self.kicker = ""

    # ------------------------------------------------------------------ slides

    def read(self, title: str, subtitle: str, kicker: str) -> None:
        """Read the whole lecture; what stands before the first `##` belongs to the title slide.

        Raises all that is wrong at once: after a mistake the next part of the slide is read.
        """
        with self.collected():
            tree = SyntaxTreeNode(_parser().parse(self.rendered.text))
            self.read_slides(tree, title, subtitle, kicker)
        raise_all(sorted(self.mistakes, key=lambda e: e.line or 0))

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep what is raised inside, and go on behind it."""
        try:
            yield
        except CourseError as error:
            self.mistakes.append(error)

    def read_slides(self, tree: SyntaxTreeNode, title: str, subtitle: str, kicker: str) -> None:
        slide = _Open("s01", 1, [{"k": "text", "t": title}], self.rendered.lines[0], kicker)
        for node in tree.children:
            if node.type == "heading" and node.tag in ("h1", "h2"):
                spans: list[JsonDict] = [{"k": "text", "t": "1"}]  # where the title itself is the mistake
                with self.collected():
                    spans = self.inline(node.children[0])
                if node.tag == "h1":
                    self.kicker = plain(spans)
                    continue
                self.close(slide, subtitle)
                number = slide.n + 1
                slide = _Open(f"s{number:02d}", number, spans, self.line(node), self.kicker)
            else:
                known = len(self.mistakes)
                with self.collected():
                    self.add(slide, slide.blocks, node, f"{slide.id}b")
                slide.broken |= len(self.mistakes) > known
        self.close(slide, subtitle)

    def close(self, slide: _Open, subtitle: str) -> None:
        """Check a slide that is complete and keep it."""
        if slide.broken:  # what follows from its mistakes would only hide them
            return
        with self.collected():
            self.check(slide)
        title, blocks = plain(slide.title), walk(slide.blocks)
        scene = next((b["scene"] for b in blocks if b["type"] == "animation"), None)
        shown = 0 if scene else max([0, *map(last_step, blocks)])
        self.slides.append(
            Slide(
                id=slide.id,
                n=slide.n,
                kind="title" if slide.n == 1 else "animation" if scene else "content",
                title=slide.title,
                title_text=title,
                line=slide.line,
                kicker=slide.kicker,
                subtitle=[{"k": "text", "t": subtitle}] if slide.n == 1 and subtitle else [],
                blocks=slide.blocks,
                steps=shown,
                covers=slide.covers,
            )
        )
        # an animation is one picture; the sections of its clip follow the beats
        beats = [replace(b, step=min(b.step, shown), section=i if scene else None) for i, b in enumerate(slide.beats)]
        self.spoken.append(SpokenSlide(slide.id, title, beats, scene))

    def check(self, slide: _Open) -> None:
        """Raise the first thing that is wrong with a slide that is complete."""

        def mistake(what: str, hint: str, line: int = slide.line) -> CourseError:
            return CourseError(what, file=self.lecture, line=line, hint=hint)

        title = plain(slide.title)
        if not title:
            raise mistake("a slide has no title", "write it after ##")
        if not slide.beats:
            raise mistake(f"nothing is said on slide `{title}`", "add a blockquote: > What you say.")
        if slide.n == 1 and slide.blocks:
            hint = "begin a slide above it: ## Title"
            raise mistake("the title slide holds only what is said", hint, slide.blocks[0]["line"])
        for block in walk(slide.blocks):
            if last_step(block) >= len(slide.beats):
                what = f"nothing is said after the last {block['type']} of slide `{title}`"
                raise mistake(what, "add a blockquote below it", block["line"])
        for block in walk(slide.blocks):
            if block["type"] == "animation" and (len(slide.blocks) > 1 or block["step"]):
                hint = "an animation fills its slide: move what stands beside it to a slide of its own"
                raise mistake(f"the animation of slide `{title}` is not alone", hint, block["line"])

    # ------------------------------------------------------------------ blocks

    def add(self, slide: _Open, into: list[JsonDict], node: SyntaxTreeNode, prefix: str) -> None:
        """Turn one node into a block of `into`, or into beats of the slide."""
        if node.type == "blockquote":
            self.beats(slide, node)
            return
        if node.type == "html_block":
            self.comment(slide, node)
            return
        made = self.block(slide, node, f"{prefix}{slide.serial}")
        for block in made:
            slide.serial += 1
            last = into[-1] if into else None
            if last and block["type"] == last["type"] == "bullets" and last["ordered"] == block["ordered"]:
                last["items"] += block["items"]  # a list that is interrupted by speech stays one list
            else:
                into.append(block)

    def beats(self, slide: _Open, node: SyntaxTreeNode) -> None:
        for child in node.children:
            if child.type != "paragraph":
                raise self.error(child, "a blockquote holds what is said: plain sentences", "no lists or code in it")
            text = re.sub(r"[ \t\n]+", " ", child.children[0].content).strip()  # keeps non-breaking spaces
            if DISPLAY.search(CODE_SPAN.sub("", text)):
                raise self.error(child, "$$ stands in what is said", "write formulas in sentences as $...$")
            if BLOCK_MARK[0] in text:
                raise self.error(child, "a figure or code stands inside a blockquote", "put it on a line of its own")
            self.inline(child.children[0])  # raises for unknown LaTeX or HTML
            slide.beats.append(Beat(f"{slide.id}v{slide.step}", slide.step, text, self.line(child)))

    def comment(self, slide: _Open, node: SyntaxTreeNode) -> None:
        text = node.content
        if COMMENT.sub("", text).strip():
            raise self.error(node, "HTML is not supported", "write Markdown; comments are <!-- ... -->")
        for found in COVERS.findall(text):
            slide.covers += re.split(r"[\s,]+", found)
        if "covers:" in text and not COVERS.search(text):
            raise self.error(node, "unreadable covers comment", "write <!-- covers: O1 C2 K3 -->")

    def block(self, slide: _Open, node: SyntaxTreeNode, bid: str) -> list[JsonDict]:
        """The block or blocks of one node."""
        base = {"id": bid, "step": slide.step, "line": self.line(node)}
        kind = node.type
        if kind in ("bullet_list", "ordered_list"):
            return [self.listing(slide, node, base)]
        if kind == "paragraph":
            return [self.paragraph(node, base)]
        if kind == "heading" and node.tag == "h3":
            return [{"type": "para", **base, "style": "head", "spans": self.inline(node.children[0])}]
        if kind in ("math_block", "math_block_label"):
            return [self.display(node, base)]
        if kind == "fence":
            self.closed(node, node.markup[:3], node.map[1] - 1)
            language = node.info.strip().split(" ")[0] or "text"
            return [self.code(node, base, node.content, language, language, [])]
        if kind == "table":
            return [self.table(node, base)]
        if kind.startswith("container_"):
            return [self.container(slide, node, base, kind.removeprefix("container_"))]
        hint = "slides begin with ##, headings on a slide with ###" if kind == "heading" else ""
        raise self.error(node, f"{kind.replace('_', ' ')} is not supported on a slide", hint)

    def listing(self, slide: _Open, node: SyntaxTreeNode, base: JsonDict) -> JsonDict:
        ordered = node.type == "ordered_list"
        items = [item for child in node.children for item in self.item(child, base["step"], 0)]
        marks = [TASK.match(i["spans"][0]["t"]) if i["spans"] and i["spans"][0]["k"] == "text" else None for i in items]
        if not any(marks):
            return {"type": "bullets", **base, "ordered": ordered, "items": items}
        if not all(marks):
            raise self.error(node, "a quiz mixes answers with and without a box", "begin each with [ ] or [x]")
        answers = []
        for item, mark in zip(items, marks, strict=True):
            first = {**item["spans"][0], "t": item["spans"][0]["t"][mark.end() :]}
            answers.append({"spans": [first, *item["spans"][1:]], "correct": mark[1] != " "})
        if not any(a["correct"] for a in answers):
            raise self.error(node, "a quiz has no right answer", "mark it with [x]")
        return {"type": "quiz", **base, "items": answers, "answer_step": base["step"] + 1}

    def item(self, node: SyntaxTreeNode, step: int, level: int) -> list[JsonDict]:
        if level > 1:
            raise self.error(node, "a list is nested more than two levels deep", "make it a table or two slides")
        out: list[JsonDict] = []
        for child in node.children:
            if child.type == "paragraph":
                out.append({"level": level, "spans": self.inline(child.children[0]), "step": step})
            elif child.type in ("bullet_list", "ordered_list"):
                out += [i for inner in child.children for i in self.item(inner, step, level + 1)]
            else:
                raise self.error(child, f"a bullet holds text, not a {child.type}", "put it below the list")
        return out

    def paragraph(self, node: SyntaxTreeNode, base: JsonDict) -> JsonDict:
        text = node.children[0].content.strip()
        found = re.fullmatch(f"{BLOCK_MARK[0]}(\\d+){BLOCK_MARK[1]}", text)
        if found:
            return self.element(node, base, dict(self.rendered.blocks[int(found[1])]))
        if box := BOX.search(text):
            boxes = ("columns", *TONES)
            if box[1]:
                raise self.error(node, f"there is no box `{box[1]}`", did_you_mean(box[1], set(boxes)))
            raise self.error(node, "::: closes nothing here", "open it: ::: " + ", ::: ".join(boxes))
        if DISPLAY.search(CODE_SPAN.sub("", text)):
            raise self.error(node, "$$ stands in a line of text", "close a formula with $$, empty lines around it")
        return {"type": "para", **base, "style": "body", "spans": self.inline(node.children[0])}

    def element(self, node: SyntaxTreeNode, base: JsonDict, block: JsonDict) -> JsonDict:
        """A block that the template's functions made."""
        if block["type"] == "code":
            return self.code(node, base, block["src"], block["language"], block["label"], block["hl"])
        if block["type"] == "references":
            items = []
            for text, url in zip(block["items"], block["links"], strict=True):
                kind, _, rest = text.partition(": ")
                link = {"href": url} if url else {}
                spans = [{"k": "text", "t": f"{kind}  ", "b": True}, {"k": "text", "t": rest, **link}]
                items.append({"level": 0, "spans": spans, "step": base["step"]})
            return {"type": "bullets", **base, "ordered": False, "items": items, "cited": True}
        if "caption" in block:
            block["caption"] = self.line_of_text(block["caption"], node)
        return {**block, **base}

    def line_of_text(self, text: str, at: SyntaxTreeNode) -> list[JsonDict]:
        """The spans of a caption or label."""
        found = SyntaxTreeNode(_parser().parseInline(text)).children
        return self.inline(found[0], at) if found else []

    def display(self, node: SyntaxTreeNode, base: JsonDict) -> JsonDict:
        tex = " ".join(node.content.split())
        self.check_math(node, tex, True)
        label = node.info if node.type == "math_block_label" else ""
        if label not in ("", "card"):
            raise self.error(node, f"unknown kind of formula `{label}`", "write $$...$$ or $$...$$ (card)")
        return {"type": "math", **base, "tex": tex, "size": MATH_SIZE, "card": label == "card"}

    def code(
        self,
        node: SyntaxTreeNode,
        base: JsonDict,
        source: str,
        language: str,
        label: str,
        highlight: list[int],
    ) -> JsonDict:
        source = source.rstrip("\n")
        try:
            rows = token_rows(source, language)
        except ClassNotFound:
            raise self.error(node, f"unknown language `{language}`", "write ```python") from None
        if any(not 1 <= h <= len(rows) for h in highlight):
            raise self.error(node, f"highlight {highlight} is outside of the {len(rows)} lines shown")
        return {
            "type": "code",
            **base,
            "label": label,
            "language": language,
            "src": source,
            "rows": rows,
            "hl": highlight,
        }

    def table(self, node: SyntaxTreeNode, base: JsonDict) -> JsonDict:
        rows = [
            [self.inline(c.children[0]) if c.children else [] for c in r.children]
            for p in node.children
            for r in p.children
        ]
        styles = [str(c.attrs.get("style", "")) for c in node.children[0].children[0].children]
        align = [next((a for a in ("right", "center") if a in s), "left") for s in styles]
        longest = [max(len(plain(r[i])) for r in rows) for i in range(len(align))]
        weights = [min(max(n, MIN_COLUMN_WEIGHT), MAX_COLUMN_WEIGHT) for n in longest]
        alt = "Table of " + ", ".join(plain(h) for h in rows[0] if plain(h))
        return {
            "type": "table",
            **base,
            "head": rows[0],
            "rows": rows[1:],
            "align": align,
            "cols": weights,
            "alt": alt,
        }

    def closed(self, node: SyntaxTreeNode, mark: str, end: int) -> None:
        """Refuse a fence that nothing closes: it would take what follows, in silence. `end` is its last row."""
        rows = self.rendered.text.split("\n")
        last = rows[end].strip() if end < len(rows) else ""
        if not re.fullmatch(f"{re.escape(mark)}+", last) or end in self.ends or end <= node.map[0]:
            hint = "a box inside columns needs columns of four colons: :::: columns ... ::::"
            hint = hint if end in self.ends else f"close it with a line {mark}"
            raise self.error(node, f"{mark} is opened here and never closed", hint)
        self.ends.add(end)

    def container(self, slide: _Open, node: SyntaxTreeNode, base: JsonDict, name: str) -> JsonDict:
        self.closed(node, ":::", node.map[1])
        rest = node.info.strip().removeprefix(name).strip()
        if name != "columns":
            spans: list[JsonDict] = []
            for child in node.children:
                if child.type != "paragraph":
                    raise self.error(child, "a box holds sentences", "put lists and figures outside")
                spans += ([{"k": "text", "t": " "}] if spans else []) + self.inline(child.children[0])
            rest = plain(self.line_of_text(rest, node))
            return {"type": "callout", **base, "label": rest, "tone": TONES[name], "spans": spans}
        if node.parent is not None and node.parent.type == "container_columns":
            raise self.error(node, "columns stand inside columns", "make it a table or two slides")
        columns: list[list[JsonDict]] = [[]]
        for child in node.children:
            if child.type == "hr":
                columns.append([])
            else:
                self.add(slide, columns[-1], child, f"{base['id']}c{len(columns) - 1}b")
        if not all(map(WIDTH.fullmatch, rest.split())):
            raise self.error(node, f"columns: `{rest}` are no widths", "write ::: columns 3 2")
        ratio = [float(x) for x in rest.split()] or [1.0] * len(columns)
        if len(columns) < 2 or len(ratio) != len(columns) or not all(columns) or not all(ratio):
            raise self.error(
                node,
                f"columns: {len(ratio)} widths for {len(columns)} columns",
                "write ::: columns 3 2, and --- (empty lines around it) between the columns",
            )
        return {"type": "columns", **base, "ratio": ratio, "cols": columns}
