"""Does every slide fit? Reads what templates/deck.typ tells, and refuses what a learner could not read."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from coursebuild.errors import CourseError, raise_all
from coursebuild.model import PAGE, Deck, JsonDict, Slide
from coursebuild.typeset import blocks_of

SLACK = 0.5  # points: rounding in the layout
ADVICE = {
    "overflow": "split the slide, shorten it, or put two blocks side by side in columns",
    "title": "shorten the title to two lines at most",
    "word": "give it a wider column, or break the word, code or formula in two",
    "code": "break the line, or give the code a wider column",
    "formula": "break it over two lines with aligned, or give it a wider column",
}
WHAT = {
    "overflow": "the slide needs {need:.0f} points of height and has {have:.0f}",
    "title": "the title needs {need:.0f} points of height and has {have:.0f}",
    "word": "a word, piece of code or formula needs {need:.0f} points of width and has {have:.0f}",
    "code": "the longest line of code needs {need:.0f} points of width and has {have:.0f}",
    "formula": "the formula needs {need:.0f} points of width, even when shrunk, and has {have:.0f}",
}


def check_problems(problems: list[JsonDict], deck: Deck) -> None:
    """Raise a CourseError with the lecture's line for each thing that does not fit."""
    found: dict[tuple[str, str], JsonDict] = {}
    for problem in problems:  # the same is told in every state of a slide
        found.setdefault((problem["id"], problem["kind"]), problem)
    raise_all([_told(problem, deck) for problem in found.values()])


def _told(problem: JsonDict, deck: Deck) -> CourseError:
    slide, line = _place(problem["id"], deck)
    what = WHAT[problem["kind"]].format(**problem)
    kind = f" in the {_kind(problem['id'], slide)}" if problem["kind"] in ("word", "code", "formula") else ""
    what = f"slide {slide.n}, `{slide.title_text}`{kind}: {what}"
    return CourseError(what, file=deck.source, line=line, hint=ADVICE[problem["kind"]])


def _place(block_id: str, deck: Deck) -> tuple[Slide, int]:
    for slide in deck.slides:
        if block_id in (slide.id, f"t{slide.id}", f"st{slide.id}"):
            return slide, slide.line
        for block in blocks_of(slide.blocks):
            if block["id"] == block_id:
                return slide, block.get("line", slide.line)
    raise KeyError(block_id)


def _kind(block_id: str, slide: Slide) -> str:
    return next((b["type"] for b in blocks_of(slide.blocks) if b["id"] == block_id), "title")


def check_boxes(boxes: dict[str, JsonDict], deck: Deck) -> None:
    """Every block inside the page, none over another (the template should see to it; this makes sure)."""
    for slide in deck.slides:
        ids = [f"t{slide.id}", *(b["id"] for b in blocks_of(slide.blocks))]
        mine = {i: boxes[i] for i in ids if i in boxes}
        for block_id, box in mine.items():
            if _outside(box):
                raise _broken(f"`{block_id}` leaves the page", block_id, deck)
        if slide.kind == "animation":
            continue
        for (a, first), (b, second) in combinations(mine.items(), 2):
            if _overlap(first, second):
                raise _broken(f"`{a}` and `{b}` overlap", b, deck)


def _outside(box: JsonDict) -> bool:
    right, bottom = box["x"] + box["w"], box["y"] + box["h"]
    return min(box["x"], box["y"]) < -SLACK or right > PAGE[0] + SLACK or bottom > PAGE[1] + SLACK


def _overlap(a: JsonDict, b: JsonDict) -> bool:
    apart_x = a["x"] + a["w"] <= b["x"] + SLACK or b["x"] + b["w"] <= a["x"] + SLACK
    apart_y = a["y"] + a["h"] <= b["y"] + SLACK or b["y"] + b["h"] <= a["y"] + SLACK
    return not (apart_x or apart_y)


def _broken(what: str, block_id: str, deck: Deck) -> CourseError:
    slide, line = _place(block_id, deck)
    return CourseError(f"slide {slide.n}: {what}", file=deck.source, line=line, hint=ADVICE["overflow"])


def rounded(value: Any) -> Any:
    """Points with two digits: enough for every renderer, and short."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def geometry(told: list[JsonDict]) -> dict[str, JsonDict]:
    """The boxes that the template told, by block id; see docs/ARCHITECTURE.md for the keys."""
    boxes: dict[str, JsonDict] = {}
    for box in told:
        box = dict(box)
        block_id = box.pop("id")
        if picture := box.pop("picture", None):
            width = min(box["w"], picture[0] * box["k"])
            box |= {"iw": width, "ih": width * picture[1] / picture[0]}
        boxes[block_id] = rounded(box)
    return boxes
