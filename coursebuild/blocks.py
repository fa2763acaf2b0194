"""What can be asked of a slide's blocks (docs/ARCHITECTURE.md lists their types)."""

from __future__ import annotations

from pygments.lexers import get_lexer_by_name
from pygments.token import Token

from coursebuild.model import JsonDict

CODE_ROLES = [
    (Token.Comment, "com"),
    (Token.Literal.String, "str"),
    (Token.Literal.Number, "num"),
    (Token.Keyword, "kw"),
    (Token.Operator.Word, "kw"),
    (Token.Name.Builtin, "fn"),
    (Token.Name.Function, "fn"),
    (Token.Name.Class, "fn"),
    (Token.Name.Decorator, "fn"),
]


def token_rows(source: str, language: str) -> list[list[list[str]]]:
    """Lines of [text, role] pairs for a source text; raises ClassNotFound for an unknown language."""
    rows: list[list[list[str]]] = [[]]
    for token, value in get_lexer_by_name(language, stripnl=False).get_tokens(source):
        role = next((r for t, r in CODE_ROLES if token in t), "txt")
        for i, part in enumerate(value.split("\n")):
            if i:
                rows.append([])
            if not part:
                continue
            if rows[-1] and rows[-1][-1][1] == role:
                rows[-1][-1][0] += part
            else:
                rows[-1].append([part, role])
    while len(rows) > 1 and not rows[-1]:
        rows.pop()
    return rows


def plain(spans: list[JsonDict]) -> str:
    """The text of spans, formulas as LaTeX."""
    return "".join(s.get("t", s.get("tex", "")) for s in spans).strip()


def walk(blocks: list[JsonDict]) -> list[JsonDict]:
    """All blocks, those inside columns too."""
    return [x for b in blocks for x in (walk([y for c in b["cols"] for y in c]) if b["type"] == "columns" else [b])]


def last_step(block: JsonDict) -> int:
    """The state in which a block is complete."""
    steps = [
        block["step"],
        block.get("answer_step", 0),
        *(i["step"] for i in block.get("items", []) if "step" in i),
    ]
    return max(steps)
