"""Pairs for translation where Multi30k cannot be had: numbers and dates in English and French, written out by rules.

French numbers follow the spelling before 1990 (hyphens below a hundred, "et" in vingt et un, the s of quatre-vingts
and cents only at the end), as dictionaries give them.
"""

from __future__ import annotations

import datetime
import random

COUNTS = {"train": 20_000, "val": 1_000, "test_2016_flickr": 1_000}
SEED = 33
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
MONTHS = {
    "January": "janvier",
    "February": "février",
    "March": "mars",
    "April": "avril",
    "May": "mai",
    "June": "juin",
    "July": "juillet",
    "August": "août",
    "September": "septembre",
    "October": "octobre",
    "November": "novembre",
    "December": "décembre",
}
DAYS = {
    "Monday": "lundi",
    "Tuesday": "mardi",
    "Wednesday": "mercredi",
    "Thursday": "jeudi",
    "Friday": "vendredi",
    "Saturday": "samedi",
    "Sunday": "dimanche",
}
EN = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
EN_SMALL = [*EN.split(), "eighteen", "nineteen"]
EN_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
FR = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
FR_SMALL = [*FR.split(), "dix-sept", "dix-huit", "dix-neuf"]
FR_TENS = ["", "", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt", "quatre-vingt"]


def english(n: int) -> str:
    """0 .. 9,999 in words: 1994 is "one thousand nine hundred ninety-four"."""
    if n < 20:
        return EN_SMALL[n]
    if n < 100:
        return EN_TENS[n // 10] + (f"-{EN_SMALL[n % 10]}" if n % 10 else "")
    size, word = (100, "hundred") if n < 1000 else (1000, "thousand")
    return f"{english(n // size)} {word}" + (f" {english(n % size)}" if n % size else "")


def french(n: int) -> str:
    """0 .. 9,999 in words: 1994 is "mille neuf cent quatre-vingt-quatorze"."""
    if n < 20:
        return FR_SMALL[n]
    if n < 100:
        return _french_tens(n)
    size, word = (100, "cent") if n < 1000 else (1000, "mille")
    head = word if n // size == 1 else f"{french(n // size)} {word}"
    rest = n % size
    plural = "s" if word == "cent" and n >= 200 and not rest else ""
    return head + (f" {french(rest)}" if rest else plural)


def _french_tens(n: int) -> str:
    ten, one = n // 10, n % 10
    if ten in (7, 9):  # sixty-ten, four-twenty-ten
        one += 10
    if one == 0:
        return FR_TENS[ten] + ("s" if ten == 8 else "")
    if one in (1, 11) and ten < 8:
        return f"{FR_TENS[ten]} et {FR_SMALL[one]}"
    return f"{FR_TENS[ten]}-{FR_SMALL[one]}"


def numbers_and_dates(split: str) -> list[tuple[str, str]]:
    """(English, French) pairs, all different over the three splits; always the same."""
    rng = random.Random(SEED)
    pairs: dict[str, str] = {}
    while len(pairs) < sum(COUNTS.values()):
        source, target = _sentence(rng)
        pairs.setdefault(source, target)
    listed = list(pairs.items())
    begin = sum(count for name, count in list(COUNTS.items())[: list(COUNTS).index(split)])
    return listed[begin : begin + COUNTS[split]]


def _sentence(rng: random.Random) -> tuple[str, str]:
    """One pair; the languages order day and month differently, and put words where the other has none."""
    n = rng.choice([rng.randrange(100), rng.randrange(1000), rng.randrange(10_000)])
    (en, fr, weekday), kind = _date(rng), rng.randrange(5)
    if kind == 0:
        return english(n), french(n)
    if kind == 1:
        return en, fr
    if kind == 2:
        return f"{english(n)} on {en}", f"{french(n)} le {fr}"
    if kind == 3:
        en_end, fr_end, _ = _date(rng)
        return f"from {en} to {en_end}", f"du {fr} au {fr_end}"
    return f"{weekday}, {en}", f"{DAYS[weekday]} {fr}"


def _date(rng: random.Random) -> tuple[str, str, str]:
    """December 13, 1994 and 13 décembre 1994 (the first of a month is "1er"), and that it was a Tuesday."""
    day = datetime.date.fromordinal(rng.randint(FIRST.toordinal(), LAST.toordinal()))
    month, weekday = list(MONTHS)[day.month - 1], list(DAYS)[day.weekday()]
    return f"{month} {day.day}, {day.year}", f"{'1er' if day.day == 1 else day.day} {MONTHS[month]} {day.year}", weekday
