"""Sentences for a small translator: words and their numbers, pairs, splits and padded batches (days 33 to 35).

PAD fills a batch up, BOS begins and EOS ends a sentence, UNK is any word that is not known.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from lab import sources, texts
from torch import Tensor

PAD, BOS, EOS, UNK = range(4)
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
WORD = re.compile(r"\d+|[^\W\d_]+'?|[^\w\s]")  # a number, a word (with its apostrophe: "l'"), a sign


# ------------------------------------------------------------------ words


def tokenize(text: str) -> list[str]:
    """Lower case; words, numbers and signs: "L'homme, en 1994" is l' homme , en 1994."""
    return WORD.findall(html.unescape(text).replace("’", "'").lower())


class Vocabulary:
    """Words and their numbers; 0 to 3 are PAD, BOS, EOS and UNK. The most frequent words come first."""

    def __init__(self, sentences: Iterable[list[str]], min_count: int = 1) -> None:
        counts = Counter(word for sentence in sentences for word in sentence)
        frequent = sorted((-n, word) for word, n in counts.items() if n >= min_count)
        self.words = SPECIAL + [word for _, word in frequent]
        self.index = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """The numbers of the words, UNK for those not known; without BOS and EOS."""
        return [self.index.get(word, UNK) for word in words]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The words up to the first EOS; BOS and PAD are left out."""
        words = []
        for number in map(int, numbers):
            if number == EOS:
                break
            if number not in (PAD, BOS):
                words.append(self.words[number])
        return words


# ------------------------------------------------------------------ sentences and batches

Sentences = list[tuple[list[str], list[str]]]


@dataclass(frozen=True)
class Batch:
    """n pairs, padded at their right ends. The source ends with EOS; the target begins with BOS and ends with EOS."""

    source: Tensor  # (n, S)
    lengths: Tensor  # (n,), on the CPU: words of the sources, with EOS
    target: Tensor  # (n, T + 1)

    @property
    def mask(self) -> Tensor:
        """(n, S): True where there is a word, False where there is only PAD."""
        return self.source != PAD


class Split:
    """Pairs of sentences as two padded tables of numbers; `pairs` has their words."""

    def __init__(self, pairs: Sentences, source: Vocabulary, target: Vocabulary, device: torch.device) -> None:
        self.pairs, self.device = pairs, device
        self.source = _table([[*source.encode(s), EOS] for s, _ in pairs])  # (N, longest)
        self.target = _table([[BOS, *target.encode(t), EOS] for _, t in pairs])
        self.lengths = (self.source != PAD).sum(dim=1)
        self.target_lengths = (self.target != PAD).sum(dim=1)

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, indices: Sequence[int] | Tensor) -> Batch:
        """These pairs, cut to the longest of them."""
        i = torch.as_tensor(indices)
        longest, longest_target = int(self.lengths[i].max()), int(self.target_lengths[i].max())
        source, target = self.source[i, :longest], self.target[i, :longest_target]
        return Batch(source.to(self.device), self.lengths[i], target.to(self.device))

    def batches(self, size: int, seed: int | None = None) -> Iterator[Batch]:
        """All pairs once: in order, or (with a seed) shuffled, pairs of like length together."""
        order = torch.arange(len(self))
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            order = torch.randperm(len(self), generator=generator)
            long = self.lengths * 1_000 + self.target_lengths
            order = torch.cat([pool[long[pool].argsort(stable=True)] for pool in order.split(20 * size)])
        groups = list(order.split(size))
        if seed is not None:
            groups = [groups[k] for k in torch.randperm(len(groups), generator=generator)]
        return (self.batch(group) for group in groups)


def _table(rows: list[list[int]]) -> Tensor:
    table = torch.full((len(rows), max(map(len, rows), default=1)), PAD)
    for i, row in enumerate(rows):
        table[i, : len(row)] = torch.tensor(row)
    return table


@dataclass(frozen=True)
class Corpus:
    """Three splits and two vocabularies; `standin` is True if numbers and dates took the place of Multi30k."""

    train: Split
    val: Split
    test: Split
    source: Vocabulary
    target: Vocabulary
    standin: bool


def load_corpus(
    train: int,
    most_words: int = 99,
    min_count: int = 2,
    language: str = "fr",
    device: torch.device | str = "cpu",
    held_out: int = 1_000,
    closed: int = 0,
) -> Corpus:
    """English to French (or "de", which has no stand-in): `train` pairs with at most `most_words` English words.

    With `closed`, only pairs remain whose words are all among the so many most frequent ones of their language: a
    small world without unknown words, in which a small translator learns in seconds. Then the validation pairs are
    held out of the training file (one in ten), and the official validation and test files together are the test set,
    because few of their sentences remain. Without `closed`, words rarer than `min_count` become UNK.
    """
    files = ("train", "val", "test_2016_flickr")
    read = [_short_pairs(name, language, most_words) for name in files]
    if closed:
        known = [{word for word, _ in _counts(read[0], k).most_common(closed)} for k in (0, 1)]
        read = [[p for p in pairs if known[0].issuperset(p[0]) and known[1].issuperset(p[1])] for pairs in read]
        read = [[p for i, p in enumerate(read[0]) if i % 10], read[0][::10], read[1] + read[2]]
    sizes = (train, held_out, held_out)
    parts = [pairs[:most] for pairs, most in zip(read, sizes, strict=True)]
    return make_corpus(*parts, min_count=1 if closed else min_count, device=device, standin=was_standin())


def _short_pairs(name: str, language: str, most_words: int) -> Sentences:
    pairs = texts.multi30k(name, "en", language, standin=language == "fr")
    words = ((tokenize(source), tokenize(target)) for source, target in pairs)
    return [(s, t) for s, t in words if 0 < len(s) <= most_words and 0 < len(t) <= most_words + 3]


def _counts(pairs: Sentences, side: int) -> Counter[str]:
    return Counter(word for pair in pairs for word in pair[side])


def make_corpus(
    train: Sentences,
    val: Sentences,
    test: Sentences,
    min_count: int = 1,
    device: torch.device | str = "cpu",
    standin: bool = False,
) -> Corpus:
    """A corpus of any pairs of word lists; the words are those of the training pairs."""
    source, target = (Vocabulary((pair[k] for pair in train), min_count) for k in (0, 1))
    splits = [Split(pairs, source, target, torch.device(device)) for pairs in (train, val, test)]
    return Corpus(*splits, source, target, standin)


def was_standin() -> bool:
    """Whether the run has used numbers and dates in place of Multi30k."""
    return any(used.get("standin") and "Multi30k" in used["name"] for used in sources.USED)
