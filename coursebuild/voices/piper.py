"""Piper: the default narrator. Neural, an order of magnitude faster than real time on one core, runs everywhere.

The model file is changed in memory in two ways before it is loaded:

* It gets one more output, the number of frames of every phoneme, which is where the times of the words come from.
* Its two random number nodes become inputs. onnxruntime's own generator moves on with every call, so a sentence would
  sound different each time and depend on what was said before. Here the noise is drawn with a seed from the phonemes:
  the same words give the same samples, in any order and in any process, on the same kind of CPU with the same versions
  of onnxruntime and numpy. Between kinds of CPU rounding differs, which is why finished sentences are kept by key.
"""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coursebuild.assets import ASSETS, asset_file
from coursebuild.errors import CourseError
from coursebuild.model import Word
from coursebuild.speech.words import Phoneme, spoken_words
from coursebuild.voices import onnxfile
from coursebuild.voices.base import Take, Voice

if TYPE_CHECKING:
    import numpy as np

ASSET, MODEL = "piper-joe", "en_US-joe-medium.onnx"
LENGTH_SCALE = 1.35  # stretch of every phoneme: 151 words per minute over a film with its gaps (197 at 1.0)
FRAMES_PER_PHONEME = 40  # more than any phoneme lasts on average, for the length of the noise
CHANNELS = {"dp": 2, "flow": 192}  # of the noise of the durations and of the sound


class Piper(Voice):
    name = "piper"
    credit = "Voice: Piper en_US joe medium (recording CC0, made with Piper, GPL-3.0-or-later)"

    def __init__(self) -> None:
        self._voice: Any = None

    def identity(self) -> str:
        versions = [f"{p} {metadata.version(p)}" for p in ("piper-tts", "onnxruntime", "numpy")]
        return " ".join(["piper", MODEL, ASSETS[ASSET].sha256, *versions, f"length {LENGTH_SCALE}"])

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        import numpy as np
        from piper import SynthesisConfig

        voice = self._loaded()
        config = SynthesisConfig(length_scale=LENGTH_SCALE / speed, normalize_audio=False)
        chunks = list(voice.synthesize(text, config, include_alignments=True))
        if not chunks:
            return np.zeros(0, np.float32), voice.config.sample_rate, None
        samples = np.concatenate([c.audio_float_array for c in chunks])
        return samples, voice.config.sample_rate, self._words(text, chunks)

    def _words(self, text: str, chunks: list[Any]) -> list[Word] | None:
        rate, at = self._voice.config.sample_rate, 0
        heard: list[Phoneme] = []
        for chunk in chunks:
            if chunk.phoneme_alignments is None:
                return None
            start = at
            for a in chunk.phoneme_alignments:
                end = start + int(a.num_samples)
                heard.append(Phoneme(a.phoneme, start / rate, end / rate))
                start = end
            at += len(chunk.audio_float_array)
        return spoken_words(text, heard, lambda word: [p for s in self._voice.phonemize(word) for p in s])

    def _loaded(self) -> Any:
        if self._voice is None:
            path = asset_file(ASSET, MODEL)
            self._voice = load(path, path.with_name(path.name + ".json"))
        return self._voice


def load(model: Path, config: Path) -> Any:
    """A PiperVoice with alignments and noise of our own; raises CourseError for a model of another kind."""
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    try:
        changed = adapted(model.read_bytes())
    except (ValueError, IndexError) as error:
        hint = "delete the file: the next build fetches it again"
        raise CourseError(f"this voice model cannot be used: {error}", file=model, hint=hint) from None
    options = onnxruntime.SessionOptions()
    # one thread is as fast as two for sentences, and the order of additions stays the same
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(changed, options, providers=["CPUExecutionProvider"])
    settings = PiperConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
    return PiperVoice(config=settings, session=SeededSession(session))


class SeededSession:
    """An onnxruntime session that feeds the noise that the model no longer draws itself."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, outputs: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        digest = hashlib.sha256(feeds["input"].tobytes()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        phonemes = feeds["input"].shape[1]
        length = {"dp": phonemes, "flow": round(FRAMES_PER_PHONEME * phonemes * max(1.0, float(feeds["scales"][1])))}
        noise = {
            f"noise_{name}": generator.standard_normal((1, CHANNELS[name], length[name]), dtype=np.float32)
            for name in ("dp", "flow")
        }
        return self._session.run(outputs, feeds | noise)


def adapted(model: bytes) -> bytes:
    """The model with a phoneme-lengths output and noise inputs. Raises ValueError where it has not the nodes."""
    out, found = [], []
    for part in onnxfile.fields(memoryview(model)):
        if part.number != 7:
            out.append(bytes(part.raw))
            continue
        graph: list[bytes] = []
        for inner in onnxfile.fields(part.value):
            graph += _node(inner, found) if inner.number == 1 else [bytes(inner.raw)]
        graph += [onnxfile.tensor_input(f"noise_{name}") for name in CHANNELS]
        graph += [onnxfile.initializer("noise_start", [0, 0, 0])]
        graph += [onnxfile.packed(12, onnxfile.packed(1, name)) for name in found if name.startswith(b"/Ceil")]
        out.append(onnxfile.packed(7, b"".join(graph)))
    if len(found) != 3:
        raise ValueError(f"expected the nodes Ceil and two RandomNormalLike, found {len(found)} of these 3")
    return b"".join(out)


def _node(part: onnxfile.Field, found: list[bytes]) -> list[bytes]:
    """A node as it is, or for a random one a slice of the noise input in the wanted shape."""
    items = [(f.number, bytes(f.value)) for f in onnxfile.fields(part.value) if f.number in (1, 2, 4)]
    op = next((value for number, value in items if number == 4), b"")
    if op not in (b"Ceil", b"RandomNormalLike"):
        return [bytes(part.raw)]
    like = next(value for number, value in items if number == 1).decode()
    result = next(value for number, value in items if number == 2)
    found.append(result)
    if op == b"Ceil":
        return [bytes(part.raw)]
    name = "dp" if result.startswith(b"/dp/") else "flow"
    shape = onnxfile.node("Shape", [like], f"noise_shape_{name}")
    cut = onnxfile.node("Slice", [f"noise_{name}", "noise_start", f"noise_shape_{name}"], result.decode())
    return [shape, cut]
