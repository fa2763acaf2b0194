"""The narration of a lecture: files, times, cache, and errors with the author's line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from coursebuild import voices
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, sha256
from coursebuild.model import Beat, Script, Speech, SpokenSlide, Word
from coursebuild.steps.narrate import narrate
from coursebuild.voices import Take, Voice

BEATS = [
    r"The answer is $\frac{\partial L}{\partial w}$. [pause 1.5] It took 2.1 s!",
    "Call `loss.backward()` on **MNIST** and wait.",
]
SAID = [
    "The answer is the derivative of L with respect to w.",
    "It took two point one seconds!",
    "Call loss dot backward on em-nist and wait.",
]


class Hum(Voice):
    """A tone of 0.3 s a word, and a list of what it was asked to say."""

    name = "hum"
    credit = "Voice: a tone"
    version = 1

    def __init__(self) -> None:
        self.said: list[str] = []

    def identity(self) -> str:
        return f"hum {self.version}"

    def synthesize(self, text: str, speed: float = 1.0) -> Take:
        self.said.append(text)
        rate, words = 16_000, text.split()
        t = np.arange(round(0.3 * len(words) / speed * rate)) / rate
        times = [Word(w, 0.3 * i / speed, 0.3 * (i + 1) / speed) for i, w in enumerate(words)]
        return (0.05 * np.sin(2 * np.pi * 220 * t)).astype(np.float32), rate, times


@pytest.fixture
def hum(monkeypatch: pytest.MonkeyPatch) -> Hum:
    voice = Hum()
    monkeypatch.setattr("coursebuild.steps.narrate.voice_named", lambda name: voice)
    return voice


def script(path: Path, beats: list[str] | None = None, **more: str) -> Path:
    made = [Beat(f"s01v{i}", i, text, 20 + i) for i, text in enumerate(BEATS if beats is None else beats)]
    slide = SpokenSlide("s01", "A slide", made)
    fields = {"day": 4, "title": "T", "language": "en", "source": "lectures/day04_x.md.j2"} | more
    Script(slides=[slide], **fields).save(path)  # type: ignore[arg-type]
    return path


def run(
    tmp_path: Path, beats: list[str] | None = None, voice: str = "hum", name: str = "speech", **more: str
) -> Speech:
    folder = tmp_path / name
    narrate({"spoken": script(tmp_path / "spoken.json", beats, **more)}, {"speech": folder}, {"voice": voice}, tmp_path)
    return Speech.load(folder / "speech.json")


def test_sentences_pauses_and_files(tmp_path: Path, hum: Hum) -> None:
    speech = run(tmp_path)
    first, second = speech.slides[0].beats
    answer, pause, took = first.sentences
    assert hum.said == SAID
    assert [s.spoken for s in (answer, took, *second.sentences)] == SAID
    assert answer.written == "The answer is ∂L/∂w."
    assert (pause.wav, pause.written, pause.spoken, pause.seconds) == ("", "", "", 1.5)
    assert speech.voice_line == "Voice: a tone"
    for sentence in (answer, took, *second.sentences):
        path = tmp_path / "speech" / sentence.wav
        assert sha256(path) == sentence.sha256
        with wave.open(str(path)) as wav:
            assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
            assert wav.getnframes() / wav.getframerate() == pytest.approx(sentence.seconds, abs=1e-5)
        assert [w.text for w in sentence.words] == sentence.written.split()
        assert all(0 <= w.start <= w.end <= sentence.seconds for w in sentence.words)


def test_one_changed_sentence_is_spoken_once(tmp_path: Path, hum: Hum) -> None:
    run(tmp_path)
    hum.said.clear()
    run(tmp_path, [BEATS[0], "Call `loss.backward()` on **CIFAR** and wait."], name="again")
    assert hum.said == ["Call loss dot backward on see-far and wait."]
    hum.said.clear()
    run(tmp_path, name="back")
    assert hum.said == []


def test_sentences_are_spoken_side_by_side(tmp_path: Path, hum: Hum, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at a time meet at a barrier; what comes out is what one after the other gives; nothing is said twice."""
    beats = [f"Sentence number {word}." for word in ("one", "two", "three", "four", "five", "six")]
    alone = run(tmp_path, [*beats, beats[0]])
    assert len(hum.said) == 6
    barrier, speak = threading.Barrier(3, timeout=20), hum.synthesize

    def synthesize(text: str, speed: float = 1.0) -> Take:
        barrier.wait()
        return speak(text, speed)

    monkeypatch.setattr(Hum, "at_once", 3)
    monkeypatch.setattr(hum, "synthesize", synthesize)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    hum.version = 2
    assert run(tmp_path, [*beats, beats[0]], name="again") == alone


def test_no_more_threads_than_the_step_was_given(tmp_path: Path, hum: Hum, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    speak = hum.synthesize

    def synthesize(text: str, speed: float = 1.0) -> Take:
        threads.add(threading.get_ident())
        time.sleep(0.02)
        return speak(text, speed)

    monkeypatch.setattr(Hum, "at_once", 4)
    monkeypatch.setattr(hum, "synthesize", synthesize)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    run(tmp_path, [f"Number {i}." for i in range(8)])
    assert len(threads) == 2


def test_the_first_sentence_that_fails_is_named(tmp_path: Path, hum: Hum, monkeypatch: pytest.MonkeyPatch) -> None:
    def synthesize(text: str, speed: float = 1.0) -> Take:
        time.sleep(0.2 if "two" in text else 0)
        raise CourseError(f"cannot say: {text}")

    monkeypatch.setattr(Hum, "at_once", 4)
    monkeypatch.setattr(hum, "synthesize", synthesize)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with pytest.raises(CourseError, match=r"day04_x\.md\.j2:20: cannot say: Number two"):
        run(tmp_path, ["Number two.", "Number three.", "Number four."])


def test_another_version_of_the_voice_speaks_anew(tmp_path: Path, hum: Hum) -> None:
    run(tmp_path)
    hum.said.clear()
    hum.version = 2
    run(tmp_path, name="again")
    assert hum.said == SAID


def test_a_damaged_entry_is_made_again(tmp_path: Path, hum: Hum) -> None:
    before = run(tmp_path)
    for path in [*(tmp_path / "speech").rglob("*.wav"), *tmp_path.glob("speech/*/*.json")]:
        path.unlink()
        path.write_bytes(b"")
    assert run(tmp_path, name="again") == before


def test_the_order_of_sentences_does_not_matter(tmp_path: Path, hum: Hum) -> None:
    one = run(tmp_path)
    two = run(tmp_path / "other", BEATS[::-1]) if (tmp_path / "other").mkdir() is None else one
    digests = [{s.sha256 for b in x.slides[0].beats for s in b.sentences} for x in (one, two)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("beat", "problem"),
    [(r"See $\nonsense$.", "nonsense"), ("Wait [pause two].", "pause"), (r"$\frac{1$", "")],
)
def test_a_mistake_names_the_line_of_the_beat(tmp_path: Path, hum: Hum, beat: str, problem: str) -> None:
    with pytest.raises(CourseError) as error:
        run(tmp_path, [BEATS[0], beat])
    assert str(error.value).startswith("lectures/day04_x.md.j2:21: ")
    assert problem in str(error.value)


def test_a_voice_that_fails_names_the_line(tmp_path: Path, hum: Hum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hum, "synthesize", lambda text, speed: (np.zeros(0, np.float32), 16_000, None))
    with pytest.raises(CourseError, match=r"day04_x\.md\.j2:20: the voice `hum` gave nothing"):
        run(tmp_path)


def test_other_languages_are_refused(tmp_path: Path, hum: Hum) -> None:
    with pytest.raises(CourseError, match="`de` is not supported"):
        run(tmp_path, language="de")


def test_a_beat_with_nothing_to_say(tmp_path: Path, hum: Hum) -> None:
    speech = run(tmp_path, ["", "—", "[pause 2]"])
    assert [len(b.sentences) for b in speech.slides[0].beats] == [0, 0, 1]


def test_silence_for_drafts_has_times_for_captions(tmp_path: Path) -> None:
    speech = run(tmp_path, voice="silent")
    sentence = speech.slides[0].beats[1].sentences[0]
    assert sentence.seconds == pytest.approx(len(SAID[2].split()) * 0.4)
    assert [w.text for w in sentence.words] == sentence.written.split()


def test_a_full_cache_needs_no_engine(tmp_path: Path) -> None:
    run(tmp_path, voice="silent")
    code = (
        "import sys; from pathlib import Path; from coursebuild.steps.narrate import narrate; t = Path(sys.argv[1]);"
        "narrate({'spoken': t / 'spoken.json'}, {'speech': t / 'new'}, {'voice': 'silent'}, t);"
        "print(sorted({'numpy', 'scipy', 'onnxruntime', 'piper'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_levelling_a_sentence_does_without_scipy() -> None:
    """Its import alone takes 0.8 s of the 5 s that an edited word may take."""
    code = "import sys; import coursebuild.speech.loudness, coursebuild.speech.trim; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg as the oracle")
def test_piper_narrates_at_the_right_loudness(tmp_path: Path) -> None:
    speech = run(tmp_path, voice="piper")
    assert voices.VOICES["piper"].credit == speech.voice_line
    for sentence in (s for b in speech.slides[0].beats for s in b.sentences if s.wav):
        argv = ["ffmpeg", "-nostats", "-i", str(tmp_path / "speech" / sentence.wav), "-af", "ebur128=peak=true"]
        done = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True, check=True)
        summary = done.stderr.rpartition("Summary:")[2]
        lufs, peak = (float(re.search(rf"{key}:\s+(-?[\d.]+)", summary)[1]) for key in ("I", "Peak"))  # type: ignore[index]
        assert lufs == pytest.approx(-16.0, abs=0.7)
        assert peak <= -1.0
