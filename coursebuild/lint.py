"""What can be wrong with a lecture although it can be built. Errors stop a build, warnings do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coursebuild.blocks import plain, walk
from coursebuild.errors import printable
from coursebuild.model import Deck, JsonDict, Record, Script
from coursebuild.template import tags

WORDS_PER_MINUTE = 150
MAX_BEAT_WORDS = 75  # half a minute over one picture; after that a listener wants something to move
MAX_SLIDE_WORDS = 75  # on screen at once, besides code, tables and formulas
MAX_SENTENCE_WORDS = 34  # longer ones are hard to follow by ear
MIN_DIGITS = 3  # a typed number with fewer significant digits may equal a metric by chance
TYPED_NUMBER = re.compile(r"(?<![\w.,/#-])\d(?:[\d,]|\{,\})*(?:\.\d+)?(?![\w/]|\.\d)")  # {,} as LaTeX groups digits
NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|https?://\S+", re.DOTALL)
PICTURE = re.compile(r"\{\{-?\s*(?:figure|animation)\(")
PICTURE_TEXT = re.compile(r"""\b(?:alt|caption)\s*=\s*("[^"]*"|'[^']*')""")
FRONT_TEXT = re.compile(r"^(?:title|subtitle):.*", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    level: str  # "error" or "warning"
    file: str
    line: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: {self.level}: {self.what}"
        return printable(text + (f"\n  -> {self.hint}" if self.hint else ""))


def check(
    text: str,
    lecture: Path,
    deck: Deck,
    spoken: Script,
    record: Record,
    syllabus: JsonDict,
    claims_used: set[str],
) -> list[Problem]:
    """All problems of a lecture, in order of lines; `text` is the whole file."""
    found = [
        *typed_numbers(text, record),
        *wordy(deck, spoken),
        *uncovered(deck, syllabus),
        *unused(deck, record, claims_used, text),
    ]
    return sorted((Problem(p[0], str(lecture), p[1], *p[2:]) for p in found), key=lambda p: p.line)


def typed_numbers(text: str, record: Record) -> Iterator[tuple]:
    """Numbers that were typed by hand although the run measured them; `text` is the lecture with its front matter."""
    bare = prose(text)
    inside = tags(text)
    for match in TYPED_NUMBER.finditer(bare):
        found = measured(match[0].replace("{,}", "").replace(",", ""), record)
        if not found:
            continue
        name, formatter = found
        hint = f"write {{{{ run.{name} | {formatter} }}}}"
        if any(first <= match.start() < last for first, last in inside):
            hint = f'close the text and join it: "..." ~ (run.{name} | {formatter}) ~ "..."'
        elif match.start() < _body(text):
            hint = "the front matter cannot show numbers: say it in words, and show it on a slide"
        line = bare[: match.start()].count("\n") + 1
        yield "error", line, f"`{match[0]}` is typed by hand; the run measured it as `{name}`", hint


def measured(number: str, record: Record) -> tuple[str, str] | None:
    """The metric that a typed number repeats, and the formatter that shows it."""
    significant = len(number.replace(".", "").strip("0"))
    if significant < MIN_DIGITS and ("." in number or len(number) <= MIN_DIGITS):
        return None
    digits = len(number.partition(".")[2])
    for name, value in record.metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if (digits or float(value).is_integer()) and f"{value:.{digits}f}" == number:
            return name, f"num({digits})" if digits else "count"
        share = 100 * value
        if isinstance(value, float) and (digits or share.is_integer()) and f"{share:.{digits}f}" == number:
            return name, f"percent({digits})"
    return None


def prose(text: str) -> str:
    """A lecture with everything blanked (line by line) that nobody reads or hears.

    What stays: text, formulas, title and subtitle, and the alt texts and captions of figures and animations.
    """
    body = _body(text)
    front = _keep(text[:body], FRONT_TEXT.finditer(text[:body]))
    out, at = [front], body
    for first, last in tags(text):
        if first >= body:
            tag = text[first:last]
            out += [text[at:first], _keep(tag, PICTURE_TEXT.finditer(tag) if PICTURE.match(tag) else [])]
            at = last
    text = "".join([*out, text[at:]])
    end = text.rfind("-->") + 1  # comments that never end are not looked for, each to the end of the file
    text = text[:end] + text[end:].replace("<!--", "    ")
    return NOT_PROSE.sub(lambda m: _keep(m[0], []), text)


def _body(text: str) -> int:
    """Where the front matter ends (0 without one)."""
    found = re.match(r"---[ \t]*\n.*?^---[ \t]*$", text, re.DOTALL | re.MULTILINE)
    return found.end() if found else 0


def _keep(text: str, kept: Iterable[re.Match[str]]) -> str:
    """Spaces for everything but line breaks and what is kept."""
    out = list(re.sub(r"[^\n]", " ", text))
    for match in kept:
        out[match.start() : match.end()] = match[0]
    return "".join(out)


def wordy(deck: Deck, spoken: Script) -> Iterator[tuple]:
    """Slides that are too full, beats that are too long, sentences that are hard to hear."""
    for slide in deck.slides:
        texts = [plain(i["spans"]) for b in walk(slide.blocks) if not b.get("cited") for i in b.get("items", [])]
        texts += [plain(b["spans"]) for b in walk(slide.blocks) if "spans" in b]
        words = sum(len(t.split()) for t in texts)
        if words > MAX_SLIDE_WORDS:
            yield (
                "warning",
                slide.line,
                f"slide `{slide.title_text}` shows {words} words",
                "say it, or split the slide",
            )
    for slide in spoken.slides:
        for beat in slide.beats:
            words = len(beat.text.split())
            if words > MAX_BEAT_WORDS and beat.section is None:
                seconds = round(60 * words / WORDS_PER_MINUTE)
                yield (
                    "warning",
                    beat.line,
                    f"{words} words, about {seconds} s, over one picture",
                    "reveal something",
                )
            longest = max((len(s.split()) for s in re.split(r"(?<=[.!?])\s", beat.text)), default=0)
            if longest > MAX_SENTENCE_WORDS:
                yield (
                    "warning",
                    beat.line,
                    f"a sentence of {longest} words is hard to follow by ear",
                    "make it two",
                )


def uncovered(deck: Deck, syllabus: JsonDict) -> Iterator[tuple]:
    """Objectives (O), concepts (C) and key learnings (K) of the syllabus that no slide says it covers."""
    known = {
        f"{letter}{i}": text
        for letter, key in (("O", "objectives"), ("C", "concepts"), ("K", "learnings"))
        for i, text in enumerate(syllabus[key], 1)
    }
    for slide in deck.slides:
        for mark in slide.covers:
            if mark not in known:
                yield (
                    "error",
                    slide.line,
                    f"slide `{slide.title_text}` covers {mark}, which the syllabus lacks",
                )
    covered = {m for s in deck.slides for m in s.covers}
    for mark, text in known.items():
        if mark not in covered:
            hint = f"mark the slide that covers it: <!-- covers: {mark} -->"
            yield "warning", 1, f"no slide covers {mark}: {text}", hint


def unused(deck: Deck, record: Record, claims_used: set[str], text: str) -> Iterator[tuple]:
    """What was measured and then not told."""
    shown = {b["name"] for s in deck.slides for b in walk(s.blocks) if b["type"] == "figure"}
    for name in record.figures:
        if name not in shown:
            yield "warning", 1, f"figure `{name}` is made and not shown", "show it, or do not draw it"
    for claim in record.claims:
        if claim not in claims_used:
            yield (
                "warning",
                1,
                f"the claim `{claim}` is decided and not told",
                "use claim(...) or verdict(...)",
            )
    if not re.search(r"\brun\.", text):
        yield "warning", 1, "the lecture shows no number of its run", "write {{ run.NAME | percent }}"
