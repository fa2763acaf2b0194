"""Jinja for lectures: it can show, choose and repeat what the run measured, and do nothing else.

A template cannot reach Python's inside, files or the environment; it cannot loop for ever or fill the memory. What it
may say is a short list (STATEMENTS, FILTERS, the functions of `template.Elements`), so that everything outside of it
is a clear error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.filters import FILTERS as OF_JINJA
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.visitor import NodeTransformer

from coursebuild.errors import CourseError, did_you_mean

WORK = 500_000  # of one lecture: nodes and characters that its loops repeat, and characters that it shows
LONGEST = 10_000  # items or characters of what a template puts together
MOST_BITS = 2_000  # of a whole number that a template computes
DEEPEST = 40  # expressions and statements inside each other
FILTERS = ("abs", "default", "first", "last", "length", "lower", "max", "min", "upper")  # of Jinja's own
LOOP = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
STATEMENTS = (nodes.Output, nodes.If, nodes.For, nodes.Assign)
HINT = "a lecture has {{ ... }}, {% if %}, {% for %} and {% set name = value %}"


class Literal(str):
    """A text that the author typed into the template: it may hold Markdown, which a text of the run may not."""

    __slots__ = ()


class Joined(str):
    """Texts that `~` put together; `parts` tells which of them the author typed."""

    parts: tuple[str, ...] = ()


class Budget:
    """How much work a lecture may still do."""

    def __init__(self) -> None:
        self.left = WORK

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise CourseError("the template does too much work", hint="compute it in the script: a lecture shows it")

    def items(self, values: Iterable[Any], cost: int) -> Iterator[Any]:
        """The values, each at the cost of one round of its loop."""
        for value in values:
            self.spend(cost)
            yield value


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one rendering. `functions` are all that a template may call."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, filters: dict[str, Any], functions: Iterable[Any], **options: Any) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, optimized=False, **options)
        self.functions, self.budget = list(functions), Budget()
        self.shown_filters = {**{name: OF_JINJA[name] for name in FILTERS}, **filters}
        self.filters = {**self.shown_filters, " items": self.budget.items, " join": _joined, " typed": Literal}
        self.globals = {}

    # ------------------------------------------------------------------ what may be written

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        try:
            tree = super()._parse(source, name, filename)
        except RecursionError:
            raise jinja2.TemplateSyntaxError("nested too deeply", 1, name, filename) from None
        self._check(tree)
        return _Limits().visit(tree)

    def _check(self, tree: nodes.Template) -> None:
        """Refuse statements that no lecture needs, names that do not exist, and nesting without end."""
        todo: list[tuple[nodes.Node, int]] = [(node, 1) for node in tree.iter_child_nodes()]
        while todo:
            node, depth = todo.pop()
            if isinstance(node, nodes.Stmt) and not isinstance(node, STATEMENTS):
                kind = type(node).__name__.lower().removesuffix("block") or "block"
                raise _refused(f"the statement `{kind}` is not for lectures", node, HINT)
            if isinstance(node, nodes.For) and node.recursive:
                raise _refused("recursive loops are not for lectures", node, HINT)
            if isinstance(node, nodes.Filter) and node.name not in self.shown_filters:
                hint = did_you_mean(node.name, self.shown_filters)
                raise _refused(f"No filter named '{node.name}'", node, hint)
            if depth > DEEPEST:
                raise _refused("nested too deeply", node, "compute it in the script")
            todo += [(child, depth + 1) for child in node.iter_child_nodes()]

    # ------------------------------------------------------------------ what may be done

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, LoopContext):
            return attr in LOOP
        return not attr.startswith("_") and getattr(type(obj), "open_to_lectures", False)

    def is_safe_callable(self, obj: Any) -> bool:
        return any(obj == function for function in self.functions)

    def unsafe_undefined(self, obj: Any, attribute: str) -> jinja2.Undefined:
        what = f"`.{attribute}` of a {type(obj).__name__} is not for lectures"
        return self.undefined(what, name=attribute, obj=obj, exc=SecurityError)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise CourseError("text cannot be divided", hint="join texts with ~")
        if operator == "*":
            _small(_length(left) * right if isinstance(right, int) else _length(right) * left, left, right)
            _few_bits(_bits(left) + _bits(right))
        elif operator == "+":
            _small(_length(left) + _length(right), left, right)
            if isinstance(left, str) and isinstance(right, str):
                return _joined([left, right])
        elif operator == "**":
            _few_bits(max(1, _bits(left)) * abs(right) if isinstance(right, int | float) else 0)
        return super().call_binop(context, operator, left, right)


class _Limits(NodeTransformer):
    """Loops count what they do and `~` what it joins; texts of the author are known from those of the run."""

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if not isinstance(node.value, str):
            return node
        return nodes.Filter(node, " typed", [], [], None, None, lineno=node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        size = sum(1 + len(n.data) if isinstance(n, nodes.TemplateData) else 1 for n in node.find_all(nodes.Node))
        self.generic_visit(node)
        cost = nodes.Const(size, lineno=node.lineno)
        node.iter = nodes.Filter(node.iter, " items", [cost], [], None, None, lineno=node.iter.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, " join", [], [], None, None, lineno=node.lineno)


def _refused(what: str, node: nodes.Node, hint: str) -> jinja2.TemplateSyntaxError:
    error = jinja2.TemplateAssertionError(what, node.lineno)
    error.hint = hint  # type: ignore[attr-defined]
    return error


def _joined(parts: list[Any]) -> Joined:
    texts = [part if isinstance(part, str) else str(part) for part in parts]
    _small(sum(map(len, texts)))
    whole = Joined("".join(texts))
    whole.parts = tuple(piece for text in texts for piece in (text.parts if isinstance(text, Joined) else (text,)))
    return whole


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _small(length: Any, *_: Any) -> None:
    if isinstance(length, int | float) and length > LONGEST:
        raise CourseError(f"the template makes something longer than {LONGEST:,}", hint="shorten it in the script")


def _few_bits(bits: float) -> None:
    if bits > MOST_BITS:
        raise CourseError("the template computes a number that is too large", hint="compute it in the script")
