"""From the lecture's Jinja template to Markdown: the run's numbers are put in, and every line remembers where it was.

Elements that are no text (figure, animation, code, references) leave a mark in the Markdown and a block beside it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.formatters import FORMATTERS, Shown
from coursebuild.model import JsonDict, Record

# Private-use characters: no keyboard and no font has them, so no lecture contains them by accident.
LINE_MARK = ("\ue000", "\ue001")
BLOCK_MARK = ("\ue002", "\ue003")
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~!:+\-.()])")
JINJA_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)

MIN_ALT = 15  # characters; no sentence is shorter


@dataclass
class Rendered:
    """Markdown with its blocks; `lines[i]` is the source line (from 1) of the i-th line (from 0)."""

    text: str
    lines: list[int]
    blocks: list[JsonDict] = field(default_factory=list)


class Metrics:
    """`run.name` in a lecture; an unknown name is an error with the nearest known one."""

    def __init__(self, values: dict[str, Any], what: str = "metric") -> None:
        self._values, self._what = values, what

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
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
        return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(value.split()))
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, with the name
    raise CourseError(f"{type(value).__name__} cannot be shown", hint="pick one value of it and use a formatter")


class Elements:
    """The functions that a lecture may call."""

    def __init__(self, record: Record, script: Path, syllabus: JsonDict) -> None:
        self.record, self.script, self.syllabus = record, script, syllabus
        self.blocks: list[JsonDict] = []
        self.claims_used: set[str] = set()

    def _mark(self, **block: Any) -> Shown:
        self.blocks.append(block)
        return Shown(f"{BLOCK_MARK[0]}{len(self.blocks) - 1}{BLOCK_MARK[1]}")

    def figure(self, name: str, *, alt: str, caption: str = "", width: float = 620, height: float = 345) -> Shown:
        """A figure of the run, at most `width` x `height` points."""
        if name not in self.record.figures:
            raise CourseError(f"the script labels no figure `{name}`", hint=did_you_mean(name, self.record.figures))
        check_alt(f"figure `{name}`", alt)
        found = self.record.figures[name]
        scale = min(width / found.width, height / found.height)
        return self._mark(
            type="figure",
            name=name,
            alt=" ".join(alt.split()),
            caption=caption,
            w=round(found.width * scale, 2),
            h=round(found.height * scale, 2),
            source=f"{self.script.name}, line {found.line}",  # the footer says which run
        )

    def animation(self, scene: str, *, alt: str, caption: str = "") -> Shown:
        """A scene of the day's animation; its sections pair one to one with the beats that follow."""
        if not re.fullmatch(r"[A-Z]\w*", scene):
            raise CourseError(f"`{scene}` is no name of a scene", hint="scenes are classes: BackpropFlow")
        check_alt(f"animation `{scene}`", alt)
        return self._mark(type="animation", scene=scene, alt=" ".join(alt.split()), caption=caption)

    def code(self, name: str, *, lines: str = "", highlight: list[int] | None = None, label: str = "") -> Shown:
        """The source of a function or class of the day's script: the code that ran."""
        source = function_source(self.script, name)
        if lines:
            first, _, last = lines.partition("-")
            source = "\n".join(source.split("\n")[int(first) - 1 : int(last or first)])
        label = label or self.script.name
        return self._mark(type="code", language="python", src=source, label=label, hl=highlight or [])

    def claim(self, sentence: str) -> bool:
        """Whether a claim of the script held."""
        if sentence not in self.record.claims:
            raise CourseError(f"the script claims no `{sentence}`", hint=did_you_mean(sentence, self.record.claims))
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


def check_alt(what: str, alt: str) -> None:
    """Refuse an alternative text that cannot tell anybody anything."""
    if len(alt.strip()) < MIN_ALT:
        raise CourseError(f"{what} has no alt text worth the name", hint="say in a sentence what it shows")


def run_line(record: Record) -> str:
    """Where the numbers come from, in half a line: preset, device, date."""
    where = record.provenance
    kept = "recorded " if where.get("recorded") else ""
    return f"{kept}{where['preset']} run on {where['device']}, {str(where['date'])[:10]}"


def function_source(script: Path, name: str) -> str:
    """The text of a function or class of a script, without its docstring."""
    text = script.read_text(encoding="utf-8")
    try:
        nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    except SyntaxError as error:
        raise CourseError(f"not valid Python: {error.msg}", file=script, line=error.lineno) from None
    node = next((n for n in nodes if n.name == name), None)
    if node is None:
        raise CourseError(f"{script.name} defines no `{name}`", hint=did_you_mean(name, {n.name for n in nodes}))
    lines = text.split("\n")[node.lineno - 1 : node.end_lineno]
    first = node.body[0]
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        start, stop = first.lineno - node.lineno, first.end_lineno - node.lineno + 1
        del lines[start:stop]
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines).rstrip()


def mark_lines(source: str) -> str:
    """Put the number of its line before each line that does not begin inside a Jinja tag."""
    inside = {i for m in JINJA_TAG.finditer(source) for i in range(m.start(), m.end())}
    out, position = [], 0
    for number, line in enumerate(source.split("\n"), 1):
        free = position not in inside or source[position : position + 2] in ("{{", "{%", "{#")
        out.append(f"{LINE_MARK[0]}{number}{LINE_MARK[1]}{line}" if free else line)
        position += len(line) + 1
    return "\n".join(out)


def take_marks(text: str) -> tuple[str, list[int]]:
    """Remove the line numbers again; returns the text and the source line of each of its lines."""
    lines, numbers, last = [], [], 1
    for line in text.split("\n"):
        found = re.findall(f"{LINE_MARK[0]}(\\d+){LINE_MARK[1]}", line)
        last = int(found[0]) if found else last
        lines.append(re.sub(f"{LINE_MARK[0]}\\d+{LINE_MARK[1]}", "", line))
        numbers.append(last)
    return "\n".join(lines), numbers


def _where(error: BaseException, name: str) -> int | None:
    """The line of the template that the error came out of."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def render(source: str, lecture: Path, elements: Elements) -> Rendered:
    """Fill a lecture with a run's results; every mistake is a CourseError with the lecture's line."""
    for char in (*LINE_MARK, *BLOCK_MARK):
        if char in source:
            line = source[: source.index(char)].count("\n") + 1
            raise CourseError("holds a private-use character (U+E000 to U+E003)", file=lecture, line=line)
    name = str(lecture)
    env = jinja2.Environment(undefined=jinja2.StrictUndefined, finalize=escape, keep_trailing_newline=True)
    env.filters.update(FORMATTERS)
    env.globals = {}
    record = elements.record
    context = {n: getattr(elements, n) for n in ("figure", "animation", "code", "claim", "verdict", "references")}
    context |= {"run": Metrics(record.metrics), "where": Metrics(record.provenance, "provenance entry")}
    try:
        code = env.compile(mark_lines(source), filename=name)
        text = env.template_class.from_code(env, code, dict(context)).render(context)
    except jinja2.TemplateSyntaxError as error:
        message = str(error.message).translate(dict.fromkeys(map(ord, LINE_MARK)))
        raise CourseError(f"broken Jinja: {message}", file=lecture, line=error.lineno) from None
    except CourseError as error:
        if error.file:
            raise
        raise CourseError(error.what, file=lecture, line=_where(error, name), hint=error.hint) from None
    except jinja2.UndefinedError as error:
        known = [*context, *FORMATTERS]
        unknown = re.search(r"'(\w+)' is undefined", str(error))
        hint = did_you_mean(unknown[1], known) if unknown else "metrics are run.NAME"
        raise CourseError(str(error), file=lecture, line=_where(error, name), hint=hint) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise CourseError(f"{type(error).__name__}: {error}", file=lecture, line=_where(error, name)) from None
    markdown, lines = take_marks(text)
    return Rendered(markdown, lines, elements.blocks)
