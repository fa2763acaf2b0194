"""Piper: the default narrator. Neural, an order of magnitude faster than real time on one core, runs everywhere.

The model file is changed in two ways before it is loaded:

* It gets one more output, the number of frames of every phoneme, which is where the times of the words come from.
* Its two random number nodes become inputs. onnxruntime's own generator moves on with every call, so a sentence would
  sound different each time and depend on what was said before. Here the noise is drawn with a seed from the phonemes:
  the same words give the same samples, in any order and in any process, on the same kind of CPU with the same versions
  of onnxruntime and numpy. Between kinds of CPU rounding differs, which is why finished sentences are kept by key.

The changed model is kept as onnxruntime has optimised it (for no particular CPU): loading that takes a fifth of the
time, and the samples are the same.
"""

from __future__ import annotations

import hashlib
import json
import threading
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coursebuild.assets import ASSETS, asset_file, cache_dir
from coursebuild.errors import CourseError
from coursebuild.files import cached, key_of
from coursebuild.keys import code_digest
from coursebuild.model import Word
from coursebuild.speech.words import Phoneme, spoken_words
from coursebuild.voices import onnxfile
from coursebuild.voices.base import Take, Voice

if TYPE_CHECKING:
    import numpy as np

ASSET, MODEL, CONFIG = "piper-joe", "en_US-joe-medium.onnx", "en_US-joe-medium.onnx.json"
LENGTH_SCALE = 1.35  # stretch of every phoneme: 151 words per minute over a film with its gaps (197 at 1.0)
FRAMES_PER_ID = 10  # for the length of the noise; a lecture has 2.1 for each of the model's inputs, "Yes." 3.9
CHANNELS = {"dp": 2, "flow": 192}  # of the noise of the durations and of the sound


class Piper(Voice):
    name = "piper"
    credit = "Voice: Piper en_US joe medium (recording CC0, made with Piper, GPL-3.0-or-later)"

    at_once = 4

    def __init__(self) -> None:
        self._voice: Any = None
        self._loading = threading.Lock()

    def identity(self) -> str:
        versions = [f"{p} {metadata.version(p)}" for p in ("piper-tts", "onnxruntime", "numpy")]
        return " ".join(["piper", MODEL, model_key(), *versions, f"length {LENGTH_SCALE}"])

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
        with self._loading:
            if self._voice is None:
                self._voice = load()
            return self._voice


def model_key() -> str:
    """What decides how the model is changed."""
    return key_of(ASSETS[ASSET].sha256, code_digest(Path(__file__)), code_digest(Path(str(onnxfile.__file__))))


def load() -> Any:
    """A PiperVoice with alignments and noise of our own; raises CourseError for a model of another kind."""
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    key, kept = key_of(model_key(), onnxruntime.__version__), cache_dir() / "assets"
    model = cached(kept, "piper", key, ".onnx", optimised)
    config = cached(kept, "piper", key, ".json", lambda path: path.write_bytes(asset_file(ASSET, CONFIG).read_bytes()))
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # that has been done
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    settings = PiperConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
    return PiperVoice(config=settings, session=SeededSession(session))


def optimised(path: Path) -> None:
    """Write the changed model as onnxruntime optimises it for any CPU."""
    import onnxruntime

    model = asset_file(ASSET, MODEL)
    try:
        changed = adapted(model.read_bytes())
    except (ValueError, IndexError) as error:
        hint = "delete the file: the next build fetches it again"
        raise CourseError(f"this voice model cannot be used: {error}", file=model, hint=hint) from None
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(changed, options, providers=["CPUExecutionProvider"])


def _options() -> Any:
    """One thread a sentence: it is as fast as two, and the order of additions stays the same."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


class SeededSession:
    """An onnxruntime session that feeds the noise that the model no longer draws itself."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, outputs: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        digest = hashlib.sha256(feeds["input"].tobytes()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        ids = feeds["input"].shape[1]
        length = {"dp": ids, "flow": round(FRAMES_PER_ID * ids * max(1.0, float(feeds["scales"][1])))}
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
