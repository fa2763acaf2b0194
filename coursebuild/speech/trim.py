"""Cut the silence around a sentence to a fixed length, so that the timeline alone decides on gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coursebuild.model import Word

WINDOW = 0.01  # seconds over which the level is taken
THRESHOLD = -42.0  # dB below the loudest window: quieter is silence or breath
BEFORE, AFTER = 0.04, 0.10  # seconds kept; soft beginnings (f, h) and endings lie below the threshold
FADE = 0.01  # seconds


def trimmed(samples: np.ndarray, rate: int, words: Sequence[Word] | None) -> tuple[np.ndarray, list[Word] | None]:
    """The sound from BEFORE its first to AFTER its last audible moment, faded, and its words' times moved along."""
    size = max(1, round(WINDOW * rate))
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1))
    audible = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (THRESHOLD / 20))
    if audible.size == 0:
        return samples, None if words is None else list(words)
    first, last = int(audible[0]) * size - round(BEFORE * rate), (int(audible[-1]) + 1) * size + round(AFTER * rate)
    padded = np.pad(samples, (max(0, -first), max(0, last - len(samples))))
    cut = padded[max(0, first) : max(0, first) + last - first].astype(np.float64)
    ramp = np.linspace(0.0, 1.0, round(FADE * rate))
    cut[: len(ramp)] *= ramp
    cut[-len(ramp) :] *= ramp[::-1]
    return cut, None if words is None else _moved(words, -first / rate, len(cut) / rate)


def _moved(words: Sequence[Word], by: float, seconds: float) -> list[Word]:
    def at(time: float) -> float:
        return round(min(max(time + by, 0.0), seconds), 3)

    return [Word(w.text, at(w.start), at(w.end)) for w in words]
