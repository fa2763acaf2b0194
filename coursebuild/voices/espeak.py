"""espeak-ng: small, quick, robotic. Needs the program; handy where nothing can be downloaded."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave

from coursebuild.errors import CourseError
from coursebuild.voices.base import WORDS_PER_MINUTE, Take, Voice

LIMIT = 60  # seconds for one sentence
PACE = 0.94  # of espeak-ng's own words per minute, measured: 169 of ours without gaps, as piper


class Espeak(Voice):
    name = "espeak"
    credit = "Voice: espeak-ng, en-us (GPL-3.0-or-later)"
    at_once = 4

    def identity(self) -> str:
        done = self._run("--version")
        return "espeak en-us " + done.stdout.decode(errors="replace").split("Data")[0].strip()

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        import numpy as np

        pace = round(WORDS_PER_MINUTE * PACE * speed)
        done = self._run("-v", "en-us", "-s", str(pace), "--stdout", "--stdin", said=text)
        try:
            # with --stdout the length in the header is a placeholder: what follows the 44 bytes is the sound
            with wave.open(io.BytesIO(done.stdout)) as sound:
                rate = sound.getframerate()
        except (wave.Error, EOFError) as error:
            raise CourseError(f"espeak-ng gave no sound for: {text}", hint=str(error)) from None
        data = done.stdout[44:]
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768, rate, None

    def _run(self, *options: str, said: str = "") -> subprocess.CompletedProcess[bytes]:
        program = shutil.which("espeak-ng")
        if program is None:
            hint = "install it with `sudo apt-get install espeak-ng`, or use --voice piper"
            raise CourseError("the voice `espeak` needs the program espeak-ng", hint=hint)
        try:
            done = subprocess.run([program, *options], input=said.encode(), capture_output=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise CourseError(f"espeak-ng took more than {LIMIT} s for: {said}") from None
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip()
            raise CourseError(f"espeak-ng failed with status {done.returncode}: {why}")
        return done
