"""What every voice is: words in, samples out, and a name that changes whenever the sound would."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from coursebuild.errors import CourseError
from coursebuild.model import Word

if TYPE_CHECKING:
    import numpy as np

Take = tuple["np.ndarray", int, list[Word] | None]  # mono float32 samples, samples per second, times of the words

WORDS_PER_MINUTE = 150  # the pace of a film that speed 1 aims at
LEAST_LEVEL = 1e-4  # a take whose loudest sample is below this (-80 dBFS) holds no speech


class Voice:
    """A narrator. Making one must be cheap: engines and models are loaded by the first `synthesize`."""

    name: ClassVar[str]
    credit: ClassVar[str]  # who speaks, with the licence, for the credits of the film
    audible: ClassVar[bool] = True
    at_once: ClassVar[int] = 1  # sentences that `synthesize` may be called for at the same time, from threads

    def identity(self) -> str:
        """All that decides how a sentence sounds (voice, model digest, library version); keys the cache."""
        raise NotImplementedError

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        """Speak `text` (words only); `speed` 1.2 is a fifth faster. Raises CourseError where it cannot."""
        raise NotImplementedError


def checked(voice: Voice, text: str, take: Take) -> Take:
    """The take, or a CourseError if it is no sound: empty, not finite, silent, or absurdly long."""
    import numpy as np

    samples, rate, words = take
    samples = np.asarray(samples, dtype=np.float32).reshape(-1)
    problem = ""
    if samples.size == 0:
        problem = "nothing"
    elif not np.isfinite(samples).all():
        problem = "samples that are not numbers"
    elif voice.audible and float(np.abs(samples).max()) < LEAST_LEVEL:
        problem = "silence"
    elif samples.size / rate > 10 + 3 * len(text.split()):
        problem = f"{samples.size / rate:.0f} s of sound for {len(text.split())} words"
    if problem:
        hint = "reword the sentence, or try another voice with --voice"
        raise CourseError(f"the voice `{voice.name}` gave {problem} for: {text}", hint=hint)
    return samples, rate, words
