"""spoken.json -> speech/: a sound file per sentence, with its written form and the times of its words.

Every sentence is kept by a key of its words, the voice and the code that shapes the sound. Changing one sentence
speaks one sentence; where none is missing, neither a voice's engine nor numpy is imported.
"""

from __future__ import annotations

import functools
import inspect
import json
import wave
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError
from coursebuild.files import cached, key_of, link_or_copy, read_json, sha256
from coursebuild.model import (
    Beat,
    Script,
    Sentence,
    Speech,
    SpeechBeat,
    SpeechSlide,
    Word,
)
from coursebuild.speech import words as times
from coursebuild.speech.sentences import Piece, split
from coursebuild.speech.spoken import spoken
from coursebuild.speech.written import written
from coursebuild.voices import Voice, checked, voice_named

SPEECH = Path(times.__file__).parent
SHAPING = ("loudness.py", "trim.py", "words.py")  # what decides how a take becomes a sentence


def narrate(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Speak `spoken` (a Script) into the folder `speech`. Raises CourseError with the line of the beat."""
    script = Script.load(inputs["spoken"])
    if not script.language.lower().startswith("en"):
        hint = "coursebuild/speech holds the rules for English; another language needs its own"
        raise CourseError(f"narration in `{script.language}` is not supported", file=script.source, hint=hint)
    studio = Studio(voice_named(params["voice"]), products["speech"], cache, params.get("speed", 1.0))
    slides = []
    for slide in script.slides:
        beats = [_beat(beat, studio, script.source) for beat in slide.beats]
        slides.append(SpeechSlide(slide.id, slide.title, slide.scene, beats))
    Speech(studio.voice.name, studio.voice.credit, slides).save(products["speech"] / "speech.json")


def _beat(beat: Beat, studio: Studio, source: str) -> SpeechBeat:
    try:
        pieces = split(beat.text)
        made = [studio.sentence(piece, f"{beat.id}_{i}") for i, piece in enumerate(pieces, 1)]
    except CourseError as error:
        where = {"file": error.file or source, "line": error.line or beat.line}
        raise CourseError(error.what, hint=error.hint, **where) from error
    return SpeechBeat(beat.id, beat.step, beat.section, [s for s in made if s is not None])


class Studio:
    """Records sentences with one voice into a folder, through the cache."""

    def __init__(self, voice: Voice, folder: Path, cache: Path, speed: float = 1.0) -> None:
        self.voice, self.folder, self.cache, self.speed = voice, folder, cache, speed
        sources = [inspect.getsourcefile(type(voice)), *(SPEECH / name for name in SHAPING)]
        self._recipe = [voice.identity(), speed, *(sha256(Path(str(s))) for s in sources)]
        (folder / "audio").mkdir(parents=True, exist_ok=True)

    def sentence(self, piece: Piece, name: str) -> Sentence | None:
        """A recorded sentence, a pause, or None where there is nothing to say (a lone dash)."""
        if piece.pause:
            return Sentence(written="", spoken="", wav="", sha256="", seconds=piece.pause)
        said, shown = spoken(piece.atoms), written(piece.atoms)
        if not said:
            return None
        sound, heard = self._recorded(said)
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

    def _recorded(self, said: str) -> tuple[Path, list[Word] | None]:
        """The sound file of a sentence and the times of its spoken words, if the voice gives any."""
        key = key_of(said, *self._recipe)
        take = functools.cache(lambda: self._take(said))  # both files come from one take
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
