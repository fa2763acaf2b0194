"""From the lecture's Jinja template to Markdown: numbers are put in, and every line remembers where it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SecurityError

from coursebuild.elements import BLOCK_MARK, LINE_MARK, Elements, Metrics, escape
from coursebuild.errors import CourseError, did_you_mean, raise_all
from coursebuild.formatters import FORMATTERS
from coursebuild.model import JsonDict
from coursebuild.sandbox import HINT, Sandbox

JINJA_TAGS = {"{{": "}}", "{%": "%}", "{#": "#}"}
STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\(?!u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})([A-Za-z]+)")
MOST_MISTAKES = 20  # that are looked for at once


@dataclass
class Rendered:
    """Markdown with its blocks; `lines[i]` is the source line (from 1) of the i-th line (from 0)."""

    text: str
    lines: list[int]
    blocks: list[JsonDict] = field(default_factory=list)
    mistakes: list[CourseError] = field(default_factory=list)  # of expressions; `1` stands in their places


def tags(text: str) -> list[tuple[int, int]]:
    """Start and end of every Jinja tag; an open one that never ends is none."""
    found, at, missing = [], 0, set()
    for match in re.finditer(r"\{[{%#]", text):
        start, opening = match.start(), match[0]
        if start < at or opening in missing:
            continue
        end = text.find(JINJA_TAGS[opening], start + 2)
        if end < 0:
            missing.add(opening)  # not looked for again: a thousand open tags cost no more than one
        else:
            at = end + 2
            found.append((start, at))
    return found


def mark_lines(source: str) -> str:
    """Put the number of its line before each line that does not begin inside a Jinja tag."""
    spans = tags(source)
    out, position = [], 0
    for number, line in enumerate(source.split("\n"), 1):
        while spans and spans[0][1] <= position:
            spans.pop(0)
        inside = spans and spans[0][0] < position
        out.append(line if inside else f"{LINE_MARK[0]}{number}{LINE_MARK[1]}{line}")
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


# ------------------------------------------------------------------ rendering


def render(source: str, lecture: Path, elements: Elements) -> Rendered:
    """Fill a lecture with a run's results. Mistakes in `{{ ... }}` are collected; others are raised with their line."""
    for char in (*LINE_MARK, *BLOCK_MARK):
        if char in source:
            line = source[: source.index(char)].count("\n") + 1
            raise CourseError("holds a private-use character (U+E000 to U+E003)", file=lecture, line=line)
    mistakes: list[CourseError] = []
    while True:
        elements.blocks.clear()
        try:
            markdown, lines = take_marks(_filled(mark_lines(source), lecture, elements))
        except CourseError as error:
            without = _without(source, error.line or 1) if error.file == str(lecture) else source
            mistakes.append(error)
            if without == source or len(mistakes) >= MOST_MISTAKES:
                raise_all(mistakes)
            source = without
        else:
            return Rendered(markdown, lines, elements.blocks, mistakes)


def _without(source: str, line: int) -> str:
    """The template with a 1 in place of every `{{ ... }}` that touches a line, so that the next mistake is found."""
    lines = source.split("\n")
    start = sum(len(x) + 1 for x in lines[: line - 1])
    end = start + len(lines[line - 1]) if line <= len(lines) else start
    out, at = [], 0
    for first, last in tags(source):
        if first <= end and last > start and source.startswith("{{", first) and source[first:last] != "{{ 1 }}":
            breaks = "\n" * source.count("\n", first, last)
            out += [source[at:first], f"{{{{ 1 {breaks}}}}}" if breaks else "{{ 1 }}"]
            at = last
    return "".join([*out, source[at:]])


def _filled(marked: str, lecture: Path, elements: Elements) -> str:
    """The template with everything put in; every mistake is a CourseError with the line of the lecture."""
    name, functions, record = str(lecture), elements.functions(), elements.record
    context = functions | {"run": Metrics(record.metrics), "where": Metrics(record.provenance, "provenance entry")}
    env = Sandbox(FORMATTERS, functions.values(), finalize=escape)

    def shown(value: Any) -> str:
        text = escape(value)
        env.budget.spend(len(text))
        return text

    env.finalize = shown

    def mistake(what: str, line: int | None, hint: str = "") -> CourseError:
        what = what.translate(dict.fromkeys(map(ord, LINE_MARK)))
        return CourseError(what, file=lecture, line=line or _longest_tag(marked), hint=hint)

    for line, command in _swallowed(marked):
        hint = f"inside the quotes of a template write two backslashes: \\\\{command}"
        raise mistake(f"\\{command} would lose its backslash", line, hint)
    try:
        code = env.compile(marked, filename=name)
        return env.template_class.from_code(env, code, dict(context)).render(context)
    except jinja2.TemplateSyntaxError as error:
        deep = error.message == "nested too deeply"
        hint = getattr(error, "hint", "")
        raise mistake(f"broken Jinja: {error.message}", None if deep and not hint else error.lineno, hint) from None
    except CourseError as error:
        if error.file:
            raise
        raise mistake(error.what, _where(error, name), error.hint) from None
    except SecurityError as error:
        raise mistake(str(error), _where(error, name), HINT) from None
    except jinja2.UndefinedError as error:
        known = [*context, *env.shown_filters]
        unknown = re.search(r"'(\w+)' is undefined", str(error))
        hint = did_you_mean(unknown[1], known) if unknown else "metrics are run.NAME"
        raise mistake(str(error), _where(error, name), hint) from None
    except jinja2.TemplateError as error:
        raise mistake(str(error), _where(error, name)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise mistake("broken Jinja: nested too deeply", None) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise mistake(f"{type(error).__name__}: {error}", _where(error, name)) from None


def _swallowed(marked: str) -> Iterator[tuple[int, str]]:
    """Commands of LaTeX in quoted texts (line, name): Jinja takes \\t of \\theta for a tab, and says nothing."""
    for first, last in tags(marked):
        for text in STRING.finditer(marked, first, last) if not marked.startswith("{#", first) else ():
            if found := ESCAPE.search(text[0]):
                yield marked.count("\n", 0, text.start() + found.start()) + 1, found[1]


def _longest_tag(marked: str) -> int:
    """The line of the longest tag: where a mistake is that Jinja gives no line for."""
    start = max(((last - first, -first) for first, last in tags(marked)), default=(0, 0))[1]
    return marked.count("\n", 0, -start) + 1


def _where(error: BaseException, name: str) -> int | None:
    """The line of the template that the error came out of."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
