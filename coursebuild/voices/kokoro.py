"""Kokoro-82M: the most natural of the voices, slow on a CPU, good on a GPU. An optional package with its own model."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from coursebuild.errors import CourseError
from coursebuild.model import Word
from coursebuild.voices.base import Take, Voice

RATE = 24_000  # samples per second, fixed by the model
SPEAKER = "af_heart"
REPOSITORY = "hexgrad/Kokoro-82M"
HINT = "install it with `pip install kokoro soundfile` (it fetches its model once), or use --voice piper"


class Kokoro(Voice):
    name = "kokoro"
    credit = f"Voice: Kokoro-82M, {SPEAKER} (Apache-2.0)"

    def __init__(self) -> None:
        self._pipeline: Any = None

    def identity(self) -> str:
        try:
            return f"kokoro {metadata.version('kokoro')} {REPOSITORY} {SPEAKER}"
        except metadata.PackageNotFoundError:
            raise CourseError("the voice `kokoro` needs the package kokoro", hint=HINT) from None

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        import numpy as np

        samples: list[Any] = []
        words: list[Word] = []
        at = 0.0
        for result in self._loaded()(text, voice=SPEAKER, speed=speed, split_pattern=None):
            if result.audio is None:
                continue
            audio = result.audio.numpy()
            for token in result.tokens or []:
                if token.start_ts is not None and token.end_ts is not None and any(map(str.isalnum, token.text)):
                    words.append(Word(token.text, round(at + token.start_ts, 3), round(at + token.end_ts, 3)))
            samples.append(audio)
            at += len(audio) / RATE
        return np.concatenate(samples) if samples else np.zeros(0, np.float32), RATE, words or None

    def _loaded(self) -> Any:
        if self._pipeline is None:
            try:
                import kokoro
            except ImportError:
                raise CourseError("the voice `kokoro` needs the package kokoro", hint=HINT) from None
            try:
                self._pipeline = kokoro.KPipeline(lang_code="a", repo_id=REPOSITORY)
            except (OSError, RuntimeError) as error:
                raise CourseError(f"kokoro's model cannot be loaded: {error}", hint=HINT) from error
        return self._pipeline
