"""When each word is heard: from phonemes to spoken words, and from spoken to written words. Seconds throughout."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from coursebuild.model import Word

NOT_SPOKEN = set("ˈˌ ^$.,;:!?ʲː-")  # stress, borders and marks: they come and go between a word and its sentence

PAUSE_LETTERS = 4  # a pause at a comma lasts as long as so many letters


class Phoneme(NamedTuple):
    sign: str
    start: float
    end: float


def spoken_words(text: str, heard: Sequence[Phoneme], phonemes_of: Callable[[str], Sequence[str]]) -> list[Word]:
    """The words of `text` with their times.

    A voice merges short words ("of the" is one for espeak) and changes sounds at borders, so each word is phonemised
    alone and the two rows of phonemes are aligned with the fewest edits.
    """
    words = text.split()
    wanted = [(p, i) for i, w in enumerate(words) for p in phonemes_of(w) if p not in NOT_SPOKEN]
    sounds = [p for p in heard if p.sign not in NOT_SPOKEN]
    start: dict[int, float] = {}
    end: dict[int, float] = {}
    for a, b in _aligned([p for p, _ in wanted], [p.sign for p in sounds]):
        word = wanted[a][1]
        start.setdefault(word, sounds[b].start)
        end[word] = sounds[b].end
    last = heard[-1].end if heard else 0.0
    known = [(start[i], end[i]) if i in start else None for i in range(len(words))]
    return [Word(w, *t) for w, t in zip(words, _filled(known, words, last), strict=True)]


def _aligned(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions of an alignment with the fewest edits (Levenshtein), in order."""
    table = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        above, row = table[-1], [i]
        for k, y in enumerate(b, 1):
            row.append(min(above[k - 1] + (x != y), above[k] + 1, row[k - 1] + 1))
        table.append(row)
    pairs, i, k = [], len(a), len(b)
    while i and k:
        if table[i][k] == table[i - 1][k - 1] + (a[i - 1] != b[k - 1]):
            i, k = i - 1, k - 1
            pairs.append((i, k))
        elif table[i][k] == table[i - 1][k] + 1:
            i -= 1
        else:
            k -= 1
    return pairs[::-1]


def _filled(
    known: Sequence[tuple[float, float] | None], words: Sequence[str], last: float
) -> list[tuple[float, float]]:
    """Times for all words: those without share what lies between their neighbours, by their length."""
    out: list[tuple[float, float]] = []
    while len(out) < len(words):
        i = len(out)
        if (time := known[i]) is not None:
            out.append((round(time[0], 3), round(time[1], 3)))
            continue
        stop = next((k for k in range(i, len(words)) if known[k] is not None), len(words))
        begin = out[-1][1] if out else 0.0
        until = known[stop][0] if stop < len(words) else last  # type: ignore[index]
        out += shared(words[i:stop], begin, max(begin, until))
    return out


def shared(words: Sequence[str], begin: float, until: float) -> list[tuple[float, float]]:
    """Share a stretch of time among words by their length; a mark between two of them is a pause."""
    pauses = [PAUSE_LETTERS if re.search(r"[.,;:!?]$", w) else 0 for w in words[:-1]] + [0]
    weights = [len(w) + 1 + pause for w, pause in zip(words, pauses, strict=True)]
    each, at, out = (until - begin) / max(1, sum(weights)), begin, []
    for weight, pause in zip(weights, pauses, strict=True):
        out.append((round(at, 3), round(at + (weight - pause) * each, 3)))
        at += weight * each
    return out


def written_words(written: str, spoken: Sequence[Word], seconds: float) -> list[Word]:
    """The words of the written form with their times.

    Words that are spoken as they are written keep the voice's times; a stretch between two of these ("98.3 %" is heard
    as "ninety-eight point three percent") is shared out.
    """
    words = written.split()
    matcher = SequenceMatcher(None, [_bare(w) for w in words], [_bare(w.text) for w in spoken], autojunk=False)
    out: list[Word] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            times = [(w.start, w.end) for w in spoken[c:d]]
        elif a == b:
            continue
        else:
            begin = spoken[c].start if c < d else (out[-1].end if out else 0.0)
            until = spoken[d - 1].end if c < d else (spoken[c].start if c < len(spoken) else seconds)
            times = shared(words[a:b], begin, max(begin, until))
        out += [Word(w, *t) for w, t in zip(words[a:b], times, strict=True)]
    return out


def _bare(word: str) -> str:
    return "".join(c for c in word.casefold() if c.isalnum()) or word
