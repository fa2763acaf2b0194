"""The narrators. A new one is a module with a `Voice` and a line in VOICES."""

from __future__ import annotations

from coursebuild.errors import CourseError, did_you_mean
from coursebuild.voices.base import Take, Voice, checked
from coursebuild.voices.espeak import Espeak
from coursebuild.voices.kokoro import Kokoro
from coursebuild.voices.piper import Piper
from coursebuild.voices.silent import Silent

__all__ = ["VOICES", "Take", "Voice", "checked", "voice_named"]

VOICES: dict[str, type[Voice]] = {v.name: v for v in (Piper, Kokoro, Espeak, Silent)}


def voice_named(name: str) -> Voice:
    """The voice of that name; raises CourseError for an unknown one."""
    if name not in VOICES:
        raise CourseError(f"there is no voice `{name}`", hint=did_you_mean(name, VOICES))
    return VOICES[name]()
