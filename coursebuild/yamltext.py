"""YAML as we use it: text, numbers, lists and tables. Everything else that YAML can say is refused, with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from coursebuild.errors import CourseError
from coursebuild.reading import DEEPEST, PathIn


def parse_yaml(text: str, file: Path, first_line: int = 1) -> tuple[Any, Callable[[PathIn], int]]:
    """(the value, a function that tells the line of what stands at a path).

    `text` begins in line `first_line` of the file. Refused: aliases (a few lines of them fill the memory), a name that
    stands twice in a table, and what YAML can say and JSON cannot.
    """

    def mistake(what: str, line: int = 1, hint: str = "") -> CourseError:
        return CourseError(f"not valid YAML: {what}", file=file, line=first_line + line - 1, hint=hint)

    kind = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_tricks(yaml.parse(text, kind), mistake)
        loader = kind(text)
        node = loader.get_single_node()
        if node is not None:
            _refuse_twins(node, mistake)
        value = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise mistake(what, min(mark.line, text.rstrip().count("\n")) + 1 if mark else 1) from None
    except RecursionError:
        raise mistake("nested too deeply") from None
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:  # a date such as 2025-13-45
        raise mistake(f"{type(error).__name__}: {error}", hint="put text in quotes") from None
    return value, lambda path: first_line + _line_at(node, path) - 1


def _refuse_tricks(events: Iterable[Any], mistake: Callable[..., CourseError]) -> None:
    """Aliases, and nesting without end (which would end the process: libyaml's bridge to Python recurses)."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise mistake("aliases (&name and *name) are not used here", line, "write it out")
        if depth > DEEPEST:
            raise mistake("nested too deeply", line)


def _refuse_twins(root: Any, mistake: Callable[..., CourseError]) -> None:
    """A name that stands twice in a table: the last one would win in silence."""
    todo = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in names:
                    raise mistake(f"`{key.value}` stands twice in a table", key.start_mark.line + 1)
                names.add(str(key.value))
            todo += [x for pair in node.value for x in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _line_at(node: Any, path: PathIn) -> int:
    """The line (from 1) of the deepest node on the way to `path`."""
    line = node.start_mark.line + 1 if node is not None else 1
    for name in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(name, int) and name < len(node.value):
            node = node.value[name]
            line = node.start_mark.line + 1
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((pair for pair in pairs if pair[0].value == str(name)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
