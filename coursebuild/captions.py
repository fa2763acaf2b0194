"""Captions: sentences cut into cues that can be read, as WebVTT, SubRip and for the film itself.

The measures are those of common subtitling guides (BBC Subtitle Guidelines; Netflix Timed Text Style Guide): at
most two lines of 42 characters, at most 20 characters a second, at least a second on the screen.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

from coursebuild.model import FPS, TimedBeat, TimedSentence, Timeline

WIDTH, LINES = 42, 2  # characters, lines
SPEED = 20.0  # characters a second
LEAST, LINGER = 1000, 700  # milliseconds: shortest cue; how long a cue may stay after its last word
FLICKER = 400  # milliseconds: a shorter time without a caption between two is not worth it
WINDOW = 24  # words in a cue, at most


@dataclass(frozen=True)
class Cue:
    """One caption; times in milliseconds from the start of the film."""

    start: int
    end: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class _Token:
    """A word (or, of a very long word, a piece) with its time in milliseconds and what follows it."""

    text: str
    start: float
    end: float
    ends_sentence: bool = False
    glued: bool = False  # to the piece before it

    @cached_property
    def break_cost(self) -> float:
        """How bad it is to cut after this word."""
        text = self.text.rstrip("”\"')")
        if self.ends_sentence:
            return 0.0
        if text.endswith((".", "!", "?", ":", ";", "—", "–")):
            return 0.2
        if text.endswith(","):
            return 0.4
        return 1.4 if f" {text.casefold()} " in _CLINGING else 0.9


def cues(plan: Timeline) -> list[Cue]:
    """The captions of a film: no two overlap, none crosses a change of beat."""
    found: list[Cue] = []
    for slide in plan.slides:
        for beat in slide.beats:
            found += _beat_cues(beat)
    last = round(plan.frames * 1000 / FPS)
    limits = [*(cue.start for cue in found), last][1:]
    return [_stretched(cue, limit) for cue, limit in zip(found, limits, strict=True)]


def _stretched(cue: Cue, limit: int) -> Cue:
    """Leave a cue on the screen until it can be read, but not longer than until `limit`."""
    readable = cue.start + math.ceil(sum(map(len, cue.lines)) / SPEED * 1000)
    end = max(cue.end, cue.start + LEAST, min(readable, cue.end + LINGER))
    if limit - end < FLICKER:
        end = limit
    return Cue(cue.start, max(min(end, limit), cue.start + 1), cue.lines)


# ------------------------------------------------------------------ words in time


def _beat_cues(beat: TimedBeat) -> list[Cue]:
    tokens: list[_Token] = []
    for sentence in beat.sentences:
        tokens += _tokens(sentence)
    return [_cue(tokens[a:b]) for a, b in _cuts(tokens)]


def _tokens(sentence: TimedSentence) -> list[_Token]:
    words = [clean for word in sentence.written.split() if (clean := _printable(word))]
    origin = sentence.start * 1000 / FPS
    tokens: list[_Token] = []
    for word, (start, end) in zip(words, _moments(words, sentence), strict=True):
        pieces = [word[i : i + WIDTH] for i in range(0, len(word), WIDTH)]
        step = (end - start) / len(pieces)
        for i, piece in enumerate(pieces):
            begin = origin + start + i * step
            tokens.append(_Token(piece, begin, begin + step, glued=i > 0))
    if tokens:
        tokens[-1] = replace(tokens[-1], ends_sentence=True)
    return tokens


def _printable(word: str) -> str:
    return "".join(c for c in word if unicodedata.category(c) != "Cc")


def _moments(words: list[str], sentence: TimedSentence) -> list[tuple[float, float]]:
    """When each written word is heard: milliseconds from the start of the sentence.

    Words that were spoken as written have the voice's own times; between those ("σ(x)" is heard as "sigma of
    x") the time is shared out by length.
    """
    total = sentence.frames * 1000 / FPS
    plain = [_plain(w) for w in words]
    spoken = [_plain(w.text) for w in sentence.words]
    known: dict[int, tuple[float, float]] = {}
    for block in SequenceMatcher(None, plain, spoken, autojunk=False).get_matching_blocks():
        for k in range(block.size):
            word = sentence.words[block.b + k]
            known[block.a + k] = (word.start * 1000, word.end * 1000)
    moments: list[tuple[float, float]] = []
    while len(moments) < len(words):
        i = len(moments)
        if i in known:
            moments.append(known[i])
            continue
        stop = next((k for k in range(i, len(words)) if k in known), len(words))
        begin = moments[-1][1] if moments else 0.0
        moments += _shared(words[i:stop], begin, known[stop][0] if stop in known else total)
    return moments


def _shared(words: list[str], begin: float, end: float) -> list[tuple[float, float]]:
    """Share the time from `begin` to `end` among words by their length."""
    sums = list(accumulate((len(w) + 1 for w in words), initial=0))
    at = [begin + max(end - begin, 0.0) * x / sums[-1] for x in sums]
    return list(pairwise(at))


def _plain(word: str) -> str:
    return "".join(c for c in word.casefold() if c.isalnum()) or word


# ------------------------------------------------------------------ where to cut


def _cuts(tokens: list[_Token]) -> list[tuple[int, int]]:
    """The cheapest way to cut a beat's words into cues (dynamic programming from the end)."""
    n = len(tokens)
    best = [0.0] * (n + 1)
    choice = [n] * (n + 1)
    most, sums = _reaches(tokens), _sums(tokens)
    for i in reversed(range(n)):
        costs = {j: _cost(tokens, sums, i, j) + best[j] for j in range(i + 1, most[i] + 1)}
        choice[i] = min(costs, key=costs.__getitem__)
        best[i] = costs[choice[i]]
    cuts, i = [], 0
    while i < n:
        cuts.append((i, choice[i]))
        i = choice[i]
    return cuts


def _reaches(tokens: list[_Token]) -> list[int]:
    """For each word the end of the longest cue that may begin with it: two full lines, or WINDOW words."""
    upto = list(accumulate((len(t.text) + (not t.glued) for t in tokens), initial=0))

    def line(first: int) -> int:
        """The end of the longest line that begins with this word."""
        blank = first < len(tokens) and not tokens[first].glued
        return bisect_right(upto, upto[first] + blank + WIDTH) - 1

    return [min(line(line(i)), i + WINDOW) for i in range(len(tokens))]


class _Sums(NamedTuple):
    """Sums over the words before each word, and over all: of a run of words two of them give the sum at once."""

    letters: list[int]  # with a space after each
    ends: list[int]  # of sentences
    silence: list[float]  # milliseconds beyond half a second, between a word and the one before it


def _sums(tokens: list[_Token]) -> _Sums:
    gaps = [max(0.0, b.start - a.end - 500) for a, b in pairwise(tokens)]
    return _Sums(
        list(accumulate((len(t.text) + 1 for t in tokens), initial=0)),
        list(accumulate((t.ends_sentence for t in tokens), initial=0)),
        [0.0, *accumulate(gaps, initial=0.0)],
    )


def _cost(tokens: list[_Token], sums: _Sums, i: int, j: int) -> float:
    """How bad it is to show the words i..j-1 as one cue (they fit)."""
    lasts = (tokens[j].start if j < len(tokens) else tokens[j - 1].end + LINGER) - tokens[i].start
    cost = 1.0 + tokens[j - 1].break_cost
    cost += 1.5 * (sums.ends[j - 1] - sums.ends[i])  # a sentence in the middle of a cue
    cost += 0.003 * (sums.silence[j] - sums.silence[i + 1])
    if lasts < LEAST:
        cost += 4.0 * (LEAST - lasts) / LEAST + 1.0
    letters = sums.letters[j] - sums.letters[i] - 1
    cost += 0.15 * max(0.0, letters / max(lasts, 1) * 1000 - SPEED)
    return cost + (0.4 if letters < WIDTH / 2 else 0.0)


# Words that belong to the next one.
_CLINGING = " a an the of to in on at by for from with and or but that than as is are was be we it its not no "


def _wrap(run: list[_Token]) -> tuple[str, ...]:
    """At most two lines, the upper one not much longer than the lower; empty if the words do not fit."""
    whole = _joined(run)
    if len(whole) <= WIDTH:
        return (whole,)
    fits = []
    for k in range(1, len(run)):
        upper, lower = _joined(run[:k]), _joined(run[k:])
        if len(upper) <= WIDTH and len(lower) <= WIDTH:
            fits.append((abs(len(upper) - len(lower)) / 8 + 3 * run[k - 1].break_cost, upper, lower))
    return min(fits)[1:] if fits else ()


def _joined(run: list[_Token]) -> str:
    return "".join(("" if i == 0 or t.glued else " ") + t.text for i, t in enumerate(run))


def _cue(run: list[_Token]) -> Cue:
    return Cue(round(run[0].start), max(round(run[-1].end), round(run[0].start) + 1), _wrap(run))


# ------------------------------------------------------------------ files


def vtt(found: list[Cue]) -> str:
    """WebVTT (W3C): text is escaped, so that no word is taken for a tag or an arrow."""
    blocks = ["WEBVTT"]
    for cue in found:
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{escaped(cue.text)}")
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text in a cue of WebVTT, of captions or chapters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def srt(found: list[Cue]) -> str:
    """SubRip. It has no escapes, so an invisible word joiner breaks what a player would take for a tag."""
    blocks = []
    for number, cue in enumerate(found, 1):
        text = cue.text
        for special in ("<", "{", "--"):
            text = text.replace(special, special + "\u2060")
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"
