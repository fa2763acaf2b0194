"""What the syllabus names in code marks, and what of it a script uses: both by syntax tree."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

CODE = re.compile(r"`([^`]+)`")
CALL = re.compile(r"[\w.]*\b(\w+)\(")  # in what is no Python, such as `class Net(nn.Module): def forward():`
SAME = {"T": {"T", "mT", "transpose"}, "activation": {"activation", "act"}}  # names that stand for each other


@dataclass
class Used:
    """Names of a piece of Python: called, read, defined or imported; keywords of calls; and whether it has an @."""

    names: set[str] = field(default_factory=set)
    keywords: set[tuple[str, object]] = field(default_factory=set)  # (name, its constant value or None)
    texts: set[str] = field(default_factory=set)
    matmul: bool = False


def used_by(tree: ast.AST) -> Used:
    found = Used()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.names.add(name)
            case ast.Attribute(attr=name):
                found.names.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for one in names:
                    found.names |= {*one.name.split("."), *([one.asname] if one.asname else [])}
                if isinstance(node, ast.ImportFrom):
                    found.names |= set((node.module or "").split("."))
            case ast.keyword(arg=str(name), value=value):
                found.keywords |= {(name, None), (name, value.value if isinstance(value, ast.Constant) else None)}
            case ast.Constant(value=str(text)):
                found.texts.add(text)
            case ast.BinOp(op=ast.MatMult()):
                found.matmul = True
    return found


def wanted_by(line: str) -> list[tuple[str, Used]]:
    """For every piece of code in a line of the syllabus what a script must have to use it."""
    return [(code, _wanted(code)) for code in CODE.findall(line)]


def _wanted(code: str) -> Used:
    text = "x" + code if code.startswith(".") else code.replace("...", "")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return Used({name for name in CALL.findall(code) if not name.startswith("__")})
    found = Used()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
                found.names.add(name)
                found.keywords |= {(k.arg, None) for k in keywords if k.arg}
            case ast.Attribute(attr=name):
                found.names.add(name)
            case ast.BinOp(op=ast.MatMult()):
                found.matmul = True
            case ast.Import(names=names):
                found.names |= {part for one in names for part in one.name.split(".")}
    match tree.body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value))]:  # padding='same', stride=2
            found.keywords.add((name, value if isinstance(value, str) else None))
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple())]:  # betas=(0.9, 0.999)
            found.keywords.add((name, None))
        case [ast.Expr(ast.Name(id=name))]:  # weight_decay, ReduceLROnPlateau
            found.names.add(name)
    return found


def missing(wanted: Used, used: Used) -> set[str]:
    """What of `wanted` a script does not use."""
    known = used.names | {name for name, _ in used.keywords}
    names = {n for n in wanted.names if not SAME.get(n, {n}) & known}
    lost = {(k, v) for k, v in wanted.keywords if (k, v) not in used.keywords}
    looped = {(k, v) for k, v in lost if (k, None) in used.keywords and v in used.texts}  # for how in ("mean", "sum")
    keywords = {f"{k}={v!r}" if v else f"{k}=" for k, v in lost - looped}
    return names | keywords | ({"@"} if wanted.matmul and not used.matmul else set())
