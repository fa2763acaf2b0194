"""What a lecture's template can use: the run's numbers, and the functions that put figures, code and claims in.

Elements that are no text (figure, animation, code, references) leave a mark in the Markdown and a block beside it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.formatters import FORMATTERS, Shown
from coursebuild.model import JsonDict, Record
from coursebuild.reading import parse_python, read_text
from coursebuild.reads import DEFINITION, note
from coursebuild.sandbox import Joined, Literal
from coursebuild.shapes import shorted

# Private-use characters: no keyboard and no font has them, so no lecture contains them by accident.
LINE_MARK = ("\ue000", "\ue001")
BLOCK_MARK = ("\ue002", "\ue003")
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~!:+\-.()&])")
UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ue000-\ue003\ufffe\uffff]")  # controls, halves, marks
PRIVATE = re.compile(r"[\ue000-\ue003]")
MIN_ALT = 15  # characters; no sentence is shorter


class Metrics:
    """`run.name` in a lecture; an unknown name is an error with the nearest known one."""

    open_to_lectures = True

    def __init__(self, values: dict[str, Any], what: str = "metric") -> None:
        self._values, self._what = values, what

    def __getattr__(self, name: str) -> Any:
        if not isinstance(name, str) or name.startswith("__"):
            raise AttributeError(name)
        if name not in self._values:
            raise CourseError(f"no {self._what} `{name}`", hint=did_you_mean(name, self._values))
        return self._values[name]

    __getitem__ = __getattr__


def escape(value: Any) -> str:
    """What `{{ ... }}` becomes. A bare float is refused: a number is shown with a formatter."""
    if isinstance(value, Shown):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(FORMATTERS["count"](value))
    if isinstance(value, float):
        raise CourseError(
            f"{value!r} is shown without a formatter",
            hint="write {{ run.name | percent }}, or | " + ", ".join(FORMATTERS),
        )
    if isinstance(value, str):
        check_characters(value)
        return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(value.split()))
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, with the name
    raise CourseError(f"{type(value).__name__} cannot be shown", hint="pick one value of it and use a formatter")


def markdown(text: str) -> str:
    """A caption as Markdown: what the author typed is, what the run measured stands in it as plain text."""
    checked("caption", text)
    parts = text.parts if isinstance(text, Joined) else (text,)
    return "".join(p if isinstance(p, Literal | Shown) else MARKDOWN_SPECIAL.sub(r"\\\1", p) for p in parts)


def checked(name: str, text: Any) -> str:
    """The argument `name` of an element, one line of text that can be shown."""
    if not isinstance(text, str):
        raise CourseError(f"`{name}` is {shorted(text)}, not a text", hint=f'write {name}="..."')
    check_characters(text)
    return " ".join(text.split())


def check_characters(text: str) -> None:
    """Refuse what no slide can show: control characters, halves of characters, and the marks of this module."""
    if found := UNSHOWN.search(text):
        raise CourseError(f"a text holds the character U+{ord(found[0]):04X}, which cannot be shown")


class Elements:
    """The functions that a lecture may call."""

    def __init__(self, record: Record, script: Path, syllabus: JsonDict) -> None:
        self.record, self.script, self.syllabus = record, script, syllabus
        self.blocks: list[JsonDict] = []
        self.claims_used: set[str] = set()

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What a template may call, by name."""
        names = ("figure", "animation", "code", "claim", "verdict", "references")
        return {name: getattr(self, name) for name in names}

    def _mark(self, **block: Any) -> Shown:
        self.blocks.append(block)
        return Shown(f"{BLOCK_MARK[0]}{len(self.blocks) - 1}{BLOCK_MARK[1]}")

    def figure(self, name: str, *, alt: str, caption: str = "", width: float = 620, height: float = 345) -> Shown:
        """A figure of the run, at most `width` x `height` points."""
        if name not in self.record.figures:
            raise CourseError(
                f"the script labels no figure `{name}`", hint=did_you_mean(str(name), self.record.figures)
            )
        check_alt(f"figure `{name}`", alt)
        found = self.record.figures[name]
        for what, points in (("width", width), ("height", height)):
            if not isinstance(points, int | float) or not 20 <= points <= 100_000:
                raise CourseError(
                    f"`{what}` is {shorted(points)}, not a number of points", hint="a slide has 960 x 540"
                )
        scale = min(width / found.width, height / found.height)
        return self._mark(
            type="figure",
            name=name,
            alt=checked("alt", alt),
            caption=markdown(caption),
            w=round(found.width * scale, 2),
            h=round(found.height * scale, 2),
            source=f"{self.script.name}, line {found.line}",  # the footer says which run
        )

    def animation(self, scene: str, *, alt: str, caption: str = "") -> Shown:
        """A scene of the day's animation; its sections pair one to one with the beats that follow."""
        if not re.fullmatch(r"[A-Z]\w*", str(scene)):
            raise CourseError(f"`{scene}` is no name of a scene", hint="scenes are classes: BackpropFlow")
        check_alt(f"animation `{scene}`", alt)
        return self._mark(type="animation", scene=scene, alt=checked("alt", alt), caption=markdown(caption))

    def code(self, name: str, *, lines: str = "", highlight: list[int] | None = None, label: str = "") -> Shown:
        """The source of a function or class of the day's script: the code that ran."""
        source = function_source(self.script, name)
        note("script", DEFINITION + name)
        highlight = [] if highlight is None else highlight
        if not isinstance(highlight, list) or not all(isinstance(n, int) for n in highlight):
            raise CourseError(
                f"`highlight` is {shorted(highlight)}, not a list of lines", hint="write highlight=[2, 3]"
            )
        if lines:
            source = "\n".join(_cut(source.split("\n"), lines))
        label = checked("label", label) or self.script.name
        return self._mark(type="code", language="python", src=source, label=label, hl=highlight)

    def claim(self, sentence: str) -> bool:
        """Whether a claim of the script held."""
        if sentence not in self.record.claims:
            raise CourseError(
                f"the script claims no `{sentence}`", hint=did_you_mean(str(sentence), self.record.claims)
            )
        self.claims_used.add(sentence)
        return self.record.claims[sentence]

    def verdict(self, sentence: str) -> Shown:
        """HELD or DID NOT HOLD, as the run decided."""
        return Shown("HELD" if self.claim(sentence) else "DID NOT HOLD")

    def references(self) -> Shown:
        """The syllabus' references of the day, with links."""
        items = [f"{r['kind']}: {r['text']}" for r in self.syllabus["references"]]
        links = [r.get("url", "") for r in self.syllabus["references"]]
        return self._mark(type="references", items=items, links=links)


def _cut(rows: list[str], lines: str) -> list[str]:
    """The lines that `lines` names: "3-5" or "4"."""
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(lines))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= len(rows):
        raise CourseError(
            f"`lines` is {shorted(lines)}, not a range of lines 1 to {len(rows)}", hint='write lines="3-5"'
        )
    return rows[first - 1 : last]


def check_alt(what: str, alt: str) -> None:
    """Refuse an alternative text that cannot tell anybody anything."""
    if not isinstance(alt, str) or len(alt.strip()) < MIN_ALT:
        raise CourseError(f"{what} has no alt text worth the name", hint="say in a sentence what it shows")


def run_line(record: Record) -> str:
    """Where the numbers come from, in half a line: preset, device, date."""
    where = record.provenance
    kept = "recorded " if where.get("recorded") else ""
    return f"{kept}{where['preset']} run on {where['device']}, {str(where['date'])[:10]}"


def function_source(script: Path, name: str) -> str:
    """The text of a function or class of a script, without its docstring."""
    text = read_text(script, code=True)
    nodes = [n for n in ast.walk(parse_python(script)) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    node = next((n for n in nodes if n.name == name), None)
    if node is None:
        raise CourseError(f"{script.name} defines no `{name}`", hint=did_you_mean(str(name), {n.name for n in nodes}))
    lines = text.split("\n")[node.lineno - 1 : node.end_lineno]
    first = node.body[0]
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        start, stop = first.lineno - node.lineno, first.end_lineno - node.lineno + 1
        del lines[start:stop]
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines).rstrip()
