"""No voice at all: silence as long as the words would take. For drafts, and for tests of all that needs timing."""

from __future__ import annotations

from coursebuild.voices.base import WORDS_PER_MINUTE, Take, Voice

RATE = 16_000  # samples per second
LEAST = 0.6  # seconds


class Silent(Voice):
    name = "silent"
    credit = "No narration: silence as long as the words would take"
    audible = False

    def identity(self) -> str:
        return f"silent {WORDS_PER_MINUTE} words per minute"

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        import numpy as np

        seconds = max(LEAST, len(text.split()) * 60 / WORDS_PER_MINUTE / speed)
        return np.zeros(round(seconds * RATE), dtype=np.float32), RATE, None
