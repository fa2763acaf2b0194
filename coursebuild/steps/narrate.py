"""spoken.json -> speech/: a sound file per sentence, with its written form and the times of its words.

Every sentence is kept by a key of its words, the voice and the code that shapes the sound. Changing one sentence
speaks one sentence; where none is missing, neither a voice's engine nor numpy is imported. Where some are, they are
spoken side by side by as many threads as the step was given cores: engines compute outside Python's lock.

Two builds sound alike: `piper` (whose noise is seeded by the sentence), `espeak` and `silent` give the same samples for
the same words, in any order, on the same kind of CPU with the same versions; `kokoro` draws its noise anew, and its
sentences are the same as long as they come from the cache.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import wave
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from coursebuild.errors import CourseError
from coursebuild.files import cached, key_of, link_or_copy, read_json, sha256, usable_cores
from coursebuild.keys import code_digest
from coursebuild.model import (
    Beat,
    Script,
    Sentence,
    Speech,
    SpeechBeat,
    SpeechSlide,
    Word,
)
from coursebuild.reads import WITHOUT_LINES, note
from coursebuild.speech import words as times
from coursebuild.speech.sentences import split
from coursebuild.speech.spoken import spoken
from coursebuild.speech.written import written
from coursebuild.voices import Voice, checked, voice_named

SPEECH = Path(times.__file__).parent
SHAPING = ("loudness.py", "trim.py", "words.py")  # what decides how a take becomes a sentence


def narrate(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Speak `spoken` (a Script) into the folder `speech`. Raises CourseError with the line of the beat."""
    script = Script.load(inputs["spoken"])
    note("spoken", WITHOUT_LINES)
    if not script.language.lower().startswith("en"):
        hint = "coursebuild/speech holds the rules for English; another language needs its own"
        raise CourseError(f"narration in `{script.language}` is not supported", file=script.source, hint=hint)
    studio = Studio(voice_named(params["voice"]), products["speech"], cache, params.get("speed", 1.0))
    pieces = {beat.id: _pieces(beat, script.source) for slide in script.slides for beat in slide.beats}
    studio.record(saying for found in pieces.values() for saying in found)
    slides = []
    for slide in script.slides:
        beats = [SpeechBeat(b.id, b.step, b.section, studio.sentences(b.id, pieces[b.id])) for b in slide.beats]
        slides.append(SpeechSlide(slide.id, slide.title, slide.scene, beats))
    Speech(studio.voice.name, studio.voice.credit, slides).save(products["speech"] / "speech.json")


class Saying(NamedTuple):
    """A sentence as it is written and as it is said, or a pause; and where it stands."""

    written: str
    said: str
    pause: float  # seconds
    file: str
    line: int


def _pieces(beat: Beat, source: str) -> list[Saying]:
    """The sentences and pauses of a beat, without those in which there is nothing to say (a lone dash)."""
    with _at(source, beat.line):
        pieces = split(beat.text)
        found = [
            Saying("", "", piece.pause, source, beat.line)
            if piece.pause
            else Saying(written(piece.atoms), spoken(piece.atoms), 0.0, source, beat.line)
            for piece in pieces
        ]
    return [s for s in found if s.pause or s.said]


@contextmanager
def _at(file: str, line: int) -> Iterator[None]:
    """A CourseError that names no place gets this one."""
    try:
        yield
    except CourseError as error:
        where = {"file": error.file or file, "line": error.line or line}
        raise CourseError(error.what, hint=error.hint, **where) from error


class Studio:
    """Records sentences with one voice into a folder, through the cache."""

    def __init__(self, voice: Voice, folder: Path, cache: Path, speed: float = 1.0) -> None:
        self.voice, self.folder, self.cache, self.speed = voice, folder, cache, speed
        sources = [inspect.getsourcefile(type(voice)), *(SPEECH / name for name in SHAPING)]
        self._recipe = [voice.identity(), speed, *(code_digest(Path(str(s))) for s in sources)]
        self._recorded: dict[str, tuple[Path, list[Word] | None]] = {}
        (folder / "audio").mkdir(parents=True, exist_ok=True)

    def record(self, sayings: Iterable[Saying]) -> None:
        """Speak what is not in the cache yet. Raises the error of the first sentence that has one."""
        wanted: dict[str, Saying] = {}
        for saying in sayings:
            if saying.said:
                wanted.setdefault(saying.said, saying)
        share = os.environ.get("OMP_NUM_THREADS", "")  # the builder sets it for each step
        threads = min(int(share) if share.isdecimal() else usable_cores(), self.voice.at_once)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            futures = [pool.submit(self._record, saying) for saying in wanted.values()]
            try:
                self._recorded = {said: f.result() for said, f in zip(wanted, futures, strict=True)}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def sentences(self, beat: str, sayings: list[Saying]) -> list[Sentence]:
        """The recorded sentences and the pauses of a beat; the sounds are named after it."""
        return [self._sentence(saying, f"{beat}_{i}") for i, saying in enumerate(sayings, 1)]

    def _sentence(self, saying: Saying, name: str) -> Sentence:
        if saying.pause:
            return Sentence(written="", spoken="", wav="", sha256="", seconds=saying.pause)
        said, shown = saying.said, saying.written
        sound, heard = self._recorded[said]
        target = self.folder / "audio" / f"{name}.wav"
        link_or_copy(sound, target)
        with wave.open(str(target)) as wav:
            seconds = wav.getnframes() / wav.getframerate()
        if heard is None:
            heard = [Word(w, *t) for w, t in zip(said.split(), times.shared(said.split(), 0.0, seconds), strict=True)]
        return Sentence(
            written=shown,
            spoken=said,
            wav=f"audio/{name}.wav",
            sha256=sha256(target),
            seconds=round(seconds, 6),
            words=times.written_words(shown, heard, seconds),
        )

    def _record(self, saying: Saying) -> tuple[Path, list[Word] | None]:
        """The sound file of a sentence and the times of its spoken words, if the voice gives any."""
        said, key = saying.said, key_of(saying.said, *self._recipe)
        take = functools.cache(lambda: self._take(said))  # both files come from one take
        with _at(saying.file, saying.line):
            sound = cached(self.cache, "speech", key, ".wav", lambda path: _write_wav(path, *take()[:2]))
            heard = cached(self.cache, "speech", key, ".json", lambda path: _write_words(path, take()[2]))
        found = read_json(heard)
        return sound, None if found is None else [Word.from_json(w) for w in found]

    def _take(self, said: str) -> tuple[Any, int, list[Word] | None]:
        """Speak, check, trim and level. The imports are here because a full cache needs none of them."""
        from coursebuild.speech.loudness import levelled
        from coursebuild.speech.trim import trimmed

        samples, rate, heard = checked(self.voice, said, self.voice.synthesize(said, self.speed))
        if not self.voice.audible:
            return samples, rate, heard
        samples, heard = trimmed(samples, rate, heard)
        return levelled(samples, rate), rate, heard


def _write_wav(path: Path, samples: Any, rate: int) -> None:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes((samples * 32767).round().astype("<i2").tobytes())


def _write_words(path: Path, heard: list[Word] | None) -> None:
    path.write_text(json.dumps(None if heard is None else [w.to_json() for w in heard]), encoding="utf-8")
