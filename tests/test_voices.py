"""The narrators: what they give, and what they say when they cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from coursebuild.assets import asset_file
from coursebuild.errors import CourseError
from coursebuild.voices import VOICES, Voice, checked, onnxfile, voice_named
from coursebuild.voices.piper import Piper, SeededSession, adapted

TEXT = "Every factor in this product is something one node can work out alone."


@pytest.fixture(scope="module")
def piper() -> Piper:
    return Piper()


def test_an_unknown_voice_is_corrected() -> None:
    with pytest.raises(CourseError, match="did you mean `piper`"):
        voice_named("pipe")


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_is_cheap_to_name(name: str) -> None:
    voice = voice_named(name)
    assert voice.name == name
    assert voice.credit


def test_no_engine_is_imported_before_a_voice_speaks() -> None:
    code = (
        "import sys; from coursebuild.voices import voice_named; print(voice_named('piper').identity());"
        "print(sorted({'numpy', 'scipy', 'onnxruntime', 'piper', 'kokoro'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


def test_piper_speaks_at_a_lecturers_pace_with_times(piper: Piper) -> None:
    samples, rate, words = piper.synthesize(TEXT)
    seconds = len(samples) / rate
    assert rate == 22_050
    assert samples.dtype == np.float32
    assert 140 < len(TEXT.split()) * 60 / seconds < 200
    assert words is not None
    assert [w.text for w in words] == TEXT.split()
    starts = [w.start for w in words]
    assert starts == sorted(starts)
    assert all(0 <= w.start < w.end <= seconds + 0.01 for w in words)


def test_piper_says_a_sentence_the_same_way_in_any_order_and_session(piper: Piper) -> None:
    first = piper.synthesize(TEXT)[0]
    piper.synthesize("Something else in between.")
    assert np.array_equal(first, piper.synthesize(TEXT)[0])
    assert np.array_equal(first, Piper().synthesize(TEXT)[0])


def test_the_changed_model_is_made_once(piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
    piper.synthesize(TEXT)

    def never(path: object) -> None:
        raise AssertionError("the model is there")

    monkeypatch.setattr("coursebuild.voices.piper.optimised", never)
    assert len(Piper().synthesize("Again.")[0]) > 1000


def test_the_kept_model_sounds_as_the_one_that_is_optimised_while_it_is_loaded(piper: Piper) -> None:
    import onnxruntime

    voice = piper._loaded()
    kept, options = voice.session, onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = adapted(asset_file("piper-joe", "en_US-joe-medium.onnx").read_bytes())
    wanted = piper.synthesize(TEXT)[0]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        voice.session = SeededSession(session)
        assert np.array_equal(piper.synthesize(TEXT)[0], wanted)
    finally:
        voice.session = kept


@pytest.mark.parametrize("text", ["Yes.", "Oh!", "A.", "Hmm.", "Why, oh why, oh why?"])
def test_there_is_noise_enough_for_the_shortest_words(piper: Piper, text: str) -> None:
    samples, rate, _ = piper.synthesize(text, 0.5)
    assert 0.2 < len(samples) / rate < 8


def test_the_noise_still_varies_between_sentences(piper: Piper) -> None:
    """Without noise the voice is flat: two sentences that begin alike must not begin with the same samples."""
    a, b = (piper.synthesize(f"The gradient {end}.")[0][:4000] for end in ("grows", "shrinks"))
    assert not np.array_equal(a, b)


def test_piper_follows_the_speed(piper: Piper) -> None:
    slow, fast = (len(piper.synthesize(TEXT, speed)[0]) for speed in (0.8, 1.25))
    assert slow / fast > 1.25


def test_piper_manages_a_long_sentence(piper: Piper) -> None:
    samples, rate, words = piper.synthesize(" ".join(["and then the gradient flows back"] * 12), 0.6)
    assert len(samples) / rate > 25
    assert words is not None
    assert len(words) == 72


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="RandomNormalLike"):
        adapted(onnxfile.packed(7, onnxfile.node("Add", ["a", "b"], "c")))
    with pytest.raises(ValueError, match="ends inside"):
        adapted(onnxfile.packed(7, b"12345")[:-2])


def test_varints_come_back() -> None:
    for number in (0, 1, 127, 128, 300, 2**31):
        data = onnxfile.counted(3, number) + onnxfile.packed(4, b"x" * 200)
        first, second = onnxfile.fields(data)
        assert onnxfile._varint_at(first.raw, 1)[0] == number
        assert (second.number, bytes(second.value)) == (4, b"x" * 200)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_espeak_speaks() -> None:
    voice = voice_named("espeak")
    samples, rate, words = checked(voice, TEXT, voice.synthesize(TEXT))
    assert words is None
    assert 2 < len(samples) / rate < 8
    assert "espeak" in voice.identity().lower()


def test_espeak_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CourseError, match="apt-get install espeak-ng"):
        voice_named("espeak").synthesize(TEXT)


def test_kokoro_says_what_to_install() -> None:
    try:
        metadata.version("kokoro")
    except metadata.PackageNotFoundError:
        with pytest.raises(CourseError, match="pip install kokoro"):
            voice_named("kokoro").identity()
        with pytest.raises(CourseError, match="pip install kokoro"):
            voice_named("kokoro").synthesize(TEXT)


def test_silence_is_as_long_as_the_words() -> None:
    samples, rate, words = voice_named("silent").synthesize("one two three four five six seven eight nine ten")
    assert len(samples) / rate == pytest.approx(4.0)
    assert not samples.any()
    assert words is None


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ([], "nothing"),
        ([0.1, float("nan")], "not numbers"),
        ([float("inf")], "not numbers"),
        ([0.0] * 9000, "silence"),
        (np.full(9_000_000, 0.1), "s of sound"),
    ],
)
def test_a_take_that_is_no_speech_is_an_error(samples: list[float], problem: str) -> None:
    class Broken(Voice):
        name = "broken"

    with pytest.raises(CourseError, match=problem):
        checked(Broken(), "Two words.", (np.array(samples, dtype=np.float32), 22_050, None))
