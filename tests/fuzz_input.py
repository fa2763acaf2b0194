"""What the fuzz tests are fed with: strategies for lectures, templates, JSON, formulas; mutations; and huge inputs."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

NASTY = [
    "\x00", "\x1b[31m", "\x7f", "\ufeff", "\u202e", "́", "\u2028", "\x85", "\x0b", "\ud83d", "\ue000",
    "\ue0021\ue003", "שלום", "مرحبا", "éééééééééééééééééééééééééééééééééééééééé", "á̂̃", "𝔘𝔫𝔦",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "&#0;", "&#x1b;", "&lt;b&gt;", "&#xd800;", "\\", "\\\\", "\t",
    "    ", "\r\n", "\r", "\xa0",
]  # fmt: skip
TOKENS = [
    "{{", "}}", "{%", "%}", "{#", "#}", "{{ run.n }}", "{{ run.accuracy | percent }}", "{{ run.name }}", "{{ nope }}",
    "{{ run.n | nope }}", "{{ run.n / 0 }}", "{% if claim('it works') %}", "{% else %}", "{% endif %}", "{% raw %}",
    "{% endraw %}", "{% for x in run.curve %}", "{% endfor %}", "{{ x | num }}", "{% set a = 1 %}", "{% macro m() %}",
    "{{ figure('loss', alt='A curve that falls quickly.') }}", "{{ figure('loss', alt=3, width='x') }}",
    "{{ animation('Flow', alt='Dots that move to the right.') }}", "{{ code('train_step') }}",
    "{{ code('train_step', highlight=[9], lines='2-1') }}", "{{ references() }}", "{{ verdict('it works') }}", ":::",
    "::: columns", "::: columns 1 2", "::: key Idea", "::: nope", ":::: columns", "::::", "---", "***", "===", "```",
    "```python", "```nope", "~~~", "`", "``", "$", "$$", "$x^2$", "$$x$$ (card)", "$\\nope$", "\\(", "\\[", "# Part",
    "## Title", "##", "### Head", "#### Deep", "> Said.", ">", "> [pause 2]", "> [pause x]", "> [puase 2]",
    "> - list", "> > deep", "- item", "- [ ] no", "- [x] yes", "  - inner", "    - deep", "1. one", "* star",
    "+ plus", "| a | b |", "|---|---|", "|--:|:-:|", "| 1 |", "| 1 | 2 | 3 |", "<!--", "-->", "<!-- covers: O1 -->",
    "<b>", "</b>", "<script>", "<div>", "![x](y)", "[x](https://a.example)", "[x](javascript:alert(1))",
    "[x](http://[)", "[x]: https://a", "<https://a.example>", "**", "*", "_", "__", "~~", "text", "98.3", "60,000",
    "Hi.", "",
]  # fmt: skip
LINES = st.one_of(st.sampled_from(TOKENS), st.sampled_from(NASTY), st.text(max_size=12))
ROWS = st.lists(st.lists(LINES, min_size=1, max_size=3).map(" ".join), max_size=14).map("\n".join)
GOOD_BLOCKS = [
    "- a bullet with $x^2$ and `code`", "text with **bold**, *italics* and [a link](https://a.example/x?y=1&z=2)",
    "::: key Idea\nwords\n:::", "::: columns 3 2\n- a\n\n---\n\n- b\n:::", "$$ \\frac{a}{b} $$",
    "| a | b |\n|---|--:|\n| $x$ | `y` |", "```python\nx = 1\n```", "### Head", "1. one\n2. two",
    "{{ code('train_step') }}", "{{ references() }}", "- {{ run.n }} and {{ run.name }}", "<!-- covers: O1 -->",
]  # fmt: skip
GOOD_SENTENCES = ["Hi.", "We got {{ run.accuracy | percent }}.", "With $x_1$, `f(x)` is {{ run.name }}.", "[pause 1]"]
SENTENCES = st.one_of(
    st.sampled_from(GOOD_SENTENCES),
    st.text(st.characters(blacklist_categories=("Cs", "Cc", "Co")), max_size=20),
)
GOOD_SLIDE = st.tuples(
    st.sampled_from(["## Title", "## $x$ and `y`", "## A {{ run.n }}"]),
    st.lists(st.tuples(st.sampled_from(GOOD_BLOCKS), SENTENCES), min_size=1, max_size=3),
).map(lambda s: "\n\n".join([s[0], *(f"{block}\n\n> {said}" for block, said in s[1])]))
PLACE = st.integers(0, 100_000)
EDITS = st.lists(
    st.tuples(PLACE, PLACE, st.sampled_from(["delete", "double", "swap", "insert"]), LINES), min_size=1, max_size=6
)


def mutated(text: str, edits: list[tuple[int, int, str, str]]) -> str:
    """Words of the text deleted, doubled, swapped or joined by something else."""
    pieces = re.findall(r"\w+|\s+|[^\w\s]+", text)
    for at, other, kind, new in edits:
        if not pieces:
            break
        i, k = at % len(pieces), other % len(pieces)
        if kind == "delete":
            del pieces[i : i + 1 + k % 4]
        elif kind == "double":
            pieces[i:i] = pieces[i : i + 1 + k % 9]
        elif kind == "swap":
            pieces[i], pieces[k] = pieces[k], pieces[i]
        else:
            pieces.insert(i, new)
    return "".join(pieces)


N = 3000
HUGE = {
    "brackets": "- " + "[" * 30 * N,
    "links": "- " + "[a](" * 5 * N,
    "images": "- " + "![" * 5 * N,
    "stars": "- " + "*a" * 10 * N,
    "stars and lines": "- " + "**a _b " * 5 * N,
    "ticks": "- " + "".join("`" * i + " " for i in range(1, 250)),
    "dollars": "- " + "$" * 30 * N,
    "formulas": "- " + "$x$ " * 3 * N,
    "a long formula": "$$" + "x^{" * N + "}" * N + "$$",
    "a formula of fractions": "$$" + "\\frac{1}{" * 300 + "}" * 300 + "$$",
    "open tags": "{{" * 20 * N,
    "open statements": "{% if 1 %}" * N,
    "brackets in Jinja": "{{ " + "(" * N + ")" * N + " }}",
    "a long sum": "{{ " + "1+" * N + "1 }}",
    "many filters": "{{ 1 " + "| num " * N + "}}",
    "many loops": "{% for a in 'ab' %}" * 25 + "x" + "{% endfor %}" * 25,
    "open comments": "- \\" + "<!--" * 10 * N,
    "comments": "<!-- " * 10 * N + "-->",
    "open boxes": "::: key a\n" * N,
    "open columns": "::: columns\n" * N,
    "quotes in quotes": ">" * N + " a",
    "lists in lists": "- " * N + "a",
    "a wide table": "|" + "a|" * N + "\n|" + "-|" * N + "\n|" + "b|" * N,
    "a long table": "|a|b|\n|-|-|\n" + "|c|d|\n" * N,
    "many slides": "## T\n\n- b\n\n> Hi.\n\n" * 600,
    "a long word": "- " + "a" * 50 * N,
    "a long number": "- " + "1" * 50 * N + "x",
    "numbers": "- " + "1.5e" * 20 * N,
    "dots": "> " + ". " * 10 * N,
    "pauses": "> " + "[pause " * 10 * N,
    "a long sentence": "> " + "word-" * 20 * N,
    "underscores": "> `" + "_" * 20 * N + "`",
    "entities": "- " + "&amp;" * 20 * N,
    "references": "[a]: https://a.example\n\n" * N,
    "html": "- " + "<a " * 10 * N,
    "fences": "```\n" * N,
    "code": "```python\n" + "((" * 10 * N + "\n```",
    "combining characters": "- a" + "\u0301" * 30 * N,
    "directions": "- " + "\u202e\u05d0" * 10 * N,
    "more than is read": "- " + "word " * 50_000,
    "marks": "- " + "&#xe002;0&#xe003;",
    "too much work": "{% for a in 'x' * 9999 %}{% for b in 'x' * 9999 %}{% endfor %}{% endfor %}",
    "too much text": "{% for a in 'x' * 9999 %}" + "word " * 2000 + "{% endfor %}",
    "doubled text": "{% set a = 'xx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "doubled numbers": "{% set a = 99 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
}
FORBIDDEN = [
    "''.__class__.__mro__", "run.__class__", "run._values", "figure.__globals__", "figure.__self__",
    "self._TemplateReference__context", "self.__init__", "lipsum", "cycler", "range(10**9)", "open('/etc/passwd')",
    "'{0.__class__}'.format(run)", "'x'.center(10**9)", "'%1000000000d' % 1", "[0] * 10**9", "'x' * 10**9",
    "9**(9**9)", "10**(10**9)", "'x' * 9999 * 9999", "run.n | num(10**9)", "'\\ud800'", "'\\x1b[31m'",
    "'\\ue0020\\ue003'", "['a'] | attr('append')", "run.curve.append(1)", "where.values()", "() | map('x')",
    "run.n | si('<script>')", "code('train_step').__class__", "caller()", "loop", "joiner()", "namespace()",
    "run.curve | tojson | safe", "('a' * 9999) ~ ('b' * 9999)", "config", "request", "dict(a=1)",
]  # fmt: skip
REFUSED = [
    "{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% extends 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}", "{% call run() %}{% endcall %}", "{% filter upper %}x{% endfilter %}",
    "{% block a %}{% endblock %}", "{% set a %}x{% endset %}", "{% do run.curve.append(1) %}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "{% for i in range(10**9) %}{% endfor %}",
    "{% autoescape true %}{% endautoescape %}",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or"]
FILTERS = [
    "num", "percent", "count", "rough", "sci", "tex", "si", "words", "seconds", "times", "abs", "first", "last",
    "length", "max", "min", "upper", "default(1)", "num(3)", "pm(1)", "nope",
]  # fmt: skip
VALUES_OF_JINJA = [
    "1", "0.5", "'a'", "run.n", "run.name", "run.curve", "run.accuracy", "where.device", "x", "none", "true", "[]",
    "run", "where", "figure", "loop.index", "{}",
]  # fmt: skip
JINJA = st.recursive(
    st.sampled_from(VALUES_OF_JINJA),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(FILTERS)).map(" | ".join),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"[{e}, {e}]"),
        st.tuples(inner, inner).map(lambda e: f"{e[0]}[{e[1]}]"),
        st.tuples(inner, st.sampled_from(["_x", "__class__", "real", "items", "n"])).map(".".join),
        inner.map(lambda e: f"figure({e}, alt={e})"),
        inner.map(lambda e: f"code({e}, lines={e}, highlight={e}, label={e})"),
        inner.map(lambda e: f"animation('Flow', alt='Dots move along a line.', caption={e})"),
        inner.map(lambda e: f"claim({e})"),
        inner.map(lambda e: f"-{e}"),
        st.tuples(inner, inner).map(lambda e: f"{e[0]} if {e[1]} else 1"),
    ),
    max_leaves=8,
)
ODD = [10**400, -1, 0, 1e308, float("nan"), "../../etc/passwd", "javascript:alert(1)", "", "x" * 999]
SIMPLE = (st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(NASTY))
VALUES = st.recursive(
    st.one_of(*SIMPLE, st.sampled_from(ODD)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=6,
)
CHANGE = st.tuples(PLACE, st.sampled_from(["set", "delete", "add", "rename"]), VALUES)
CHANGES = st.lists(CHANGE, min_size=1, max_size=3)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path of everything inside."""
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for name, inner in pairs for place in places(inner, (*path, name))]


def changed(value: Any, changes: list[tuple[int, str, Any]]) -> Any:
    value = json.loads(json.dumps(value))
    for at, kind, new in changes:
        inner = places(value)[1:]
        if not inner:
            return new
        *way, last = inner[at % len(inner)]
        holder = value
        for name in way:
            holder = holder[name]
        if kind == "delete":
            del holder[last]
        elif kind == "set" or isinstance(holder, list):
            holder[last] = new
        elif kind == "rename":
            holder[str(new)] = holder.pop(last)
        else:
            holder[f"{last}x"] = new
    return value


COMMANDS = [
    "\\frac", "\\sqrt", "\\hat", "\\mathbf", "\\text", "\\left(", "\\right)", "\\left.", "\\right|", "\\sum", "\\int",
    "\\lim", "\\partial", "\\nabla", "\\begin{pmatrix}", "\\end{pmatrix}", "\\begin{cases}", "\\end{cases}",
    "\\begin{aligned}", "\\end{aligned}", "&", "\\\\", "_", "^", "{", "}", "(", ")", "[", "]", "|", "\\|", "x", "y",
    "d", "e", "T", "1", "2", "10", "0.5", ",", "=", "+", "-", "\\times", "\\cdot", "\\to", "\\top", "'", "''",
    "\\underbrace", "\\overbrace", "\\operatorname", "\\argmax", "\\mathbb{E}", "\\mathcal", "\\quad", "\\,", "\\!",
    "\\color{red}", "\\textcolor{#ff0000}", "\\href", "\\url", "\\xrightarrow", "\\binom", "\\substack", "\\not",
    "\\limits", "\\big(", "\\tag", "\\label", "\\def\\a{", "\\newcommand", "\\input{/etc/passwd}", "\\verb|",
    "\\unicode", "%", "~", "\\#", "\\$", "\\&", "#1", "<", ">", '"', "\\begin{array}{c|c}", "\\end{array}", "\\hline",
    "\\cancel", "\\boxed", "\\phantom", "\\nope", "é", "α", "\u2060", "́", "😀", "\ud800",
]  # fmt: skip
TEX = st.lists(st.one_of(st.sampled_from(COMMANDS), st.text(max_size=3)), max_size=14).map(" ".join)
ONE = [
    "\\left({}\\right)",
    "\\sqrt[3]{{{}}}",
    "\\hat{{{}}}",
    "\\sum_{{{}}}^{{n}}",
    "|{}|",
    "\\operatorname{{{}}}",
    "f({})'",
]
TWO = ["\\frac{{{}}}{{{}}}", "{{{}}}_{{{}}}", "{{{}}}^{{{}}}", "\\frac{{\\partial {}}}{{\\partial {}}}", "{} {}"]
TWO += ["\\begin{{pmatrix}}{} & {} \\\\ 1 \\end{{pmatrix}}", "\\underbrace{{{}}}_{{{}}}"]
TEX_NESTED = st.recursive(
    st.sampled_from(["x", "1", "\\alpha", "\\text{a b}", ""]),
    lambda t: st.one_of(
        st.tuples(st.sampled_from(ONE), t).map(lambda p: p[0].format(p[1])),
        st.tuples(st.sampled_from(TWO), t, t).map(lambda p: p[0].format(p[1], p[2])),
    ),
    max_leaves=12,
)
