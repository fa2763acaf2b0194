"""Loudness against the standard's own test signals and against ffmpeg, which knows nothing of our code."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from coursebuild.model import Word
from coursebuild.speech.loudness import CEILING, TARGET, k_weighting, levelled, limited, loudness, true_peak
from coursebuild.speech.trim import AFTER, BEFORE, trimmed

FFMPEG = shutil.which("ffmpeg")


def tone(level: float, seconds: float, rate: int = 48_000, pitch: float = 1000.0) -> np.ndarray:
    """A sine whose peak is `level` dBFS."""
    t = np.arange(round(seconds * rate)) / rate
    return 10 ** (level / 20) * np.sin(2 * np.pi * pitch * t)


def speechlike(seconds: float, rate: int, seed: int = 1, crest: float = 1.0) -> np.ndarray:
    """Noise in syllables with pauses, some syllables much louder than the others."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * t), 0, 1) * (np.sin(2 * np.pi * 0.4 * t) > -0.6)
    loud = np.repeat(random.uniform(0.2, 1.0 * crest, math.ceil(seconds * 7)), math.ceil(rate / 7))[: len(t)]
    return 0.1 * random.standard_normal(len(t)) * syllables * loud


def ebur128(samples: np.ndarray, rate: int, path: Path) -> tuple[float, float]:
    """(LUFS, dBTP) by ffmpeg; a mono file is measured as one channel."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes((samples * 32767).round().astype("<i2").tobytes())
    done = subprocess.run(
        [str(FFMPEG), "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    summary = done.stderr.rpartition("Summary:")[2]
    return tuple(float(re.search(rf"{key}:\s+(-?[\d.]+|-inf)", summary)[1]) for key in ("I", "Peak"))  # type: ignore[index, return-value]


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_tone_measures_what_the_standard_says(rate: int) -> None:
    """BS.1770: a 997 Hz sine of 0 dBFS in one front channel is -3.01 LUFS."""
    assert loudness(tone(-20.0, 5, rate, 997.0), rate) == pytest.approx(-23.01, abs=0.05)


def test_quiet_passages_are_gated_out() -> None:
    """EBU Tech 3341, case 3 (in one channel): -36, -23, -36 LUFS give -23."""
    parts = [(-33.0, 10), (-20.0, 60), (-33.0, 10)]
    samples = np.concatenate([tone(level, seconds, 16_000) for level, seconds in parts])
    assert loudness(samples, 16_000) == pytest.approx(-23.0, abs=0.1)


def test_silence_has_no_loudness_and_stays_silent() -> None:
    assert loudness(np.zeros(48_000), 48_000) == -math.inf
    assert loudness(np.zeros(0), 48_000) == -math.inf
    assert not levelled(np.zeros(48_000), 48_000).any()


@pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg as the oracle")
@pytest.mark.parametrize("rate", [22_050, 24_000])
@pytest.mark.parametrize("gain", [0.02, 0.3, 3.0])
def test_levelled_sound_by_ffmpeg(rate: int, gain: float, tmp_path: Path) -> None:
    lufs, peak = ebur128(levelled(gain * speechlike(6, rate), rate), rate, tmp_path / "x.wav")
    assert lufs == pytest.approx(TARGET, abs=0.3)
    assert peak <= -1.0
    assert peak <= CEILING + 0.3


@pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg as the oracle")
def test_our_meter_agrees_with_ffmpeg(tmp_path: Path) -> None:
    samples = speechlike(8, 22_050, seed=3)
    lufs, peak = ebur128(samples, 22_050, tmp_path / "x.wav")
    assert loudness(samples, 22_050) == pytest.approx(lufs, abs=0.15)
    assert true_peak(samples, 22_050) == pytest.approx(peak, abs=0.3)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.39, 0.41])
def test_a_short_word_is_levelled_too(seconds: float) -> None:
    out = levelled(tone(-30.0, seconds, 22_050, 300.0), 22_050)
    assert len(out) == round(seconds * 22_050)
    assert loudness(out, 22_050) == pytest.approx(TARGET, abs=0.3)


def test_peaks_between_samples_are_limited() -> None:
    """A sine at a quarter of the rate, sampled beside its peaks: the samples say -3 dB, the wave reaches 0."""
    t = np.arange(4800)
    samples = np.sin(2 * np.pi * t / 4 + np.pi / 4)
    assert np.abs(samples).max() < 0.71
    assert true_peak(samples, 48_000) == pytest.approx(0.0, abs=0.4)
    assert true_peak(limited(samples, 48_000, -3.0), 48_000) <= -2.9


def test_a_click_obeys_the_ceiling_rather_than_the_target() -> None:
    samples = np.zeros(22_050)
    samples[11_000] = 0.9
    out = levelled(samples, 22_050)
    assert true_peak(out, 22_050) <= CEILING + 0.1


def test_the_limiter_leaves_quiet_sound_alone() -> None:
    samples = tone(-20.0, 1.0)
    assert limited(samples, 48_000) is samples


def test_what_lies_between_samples_is_what_scipy_says() -> None:
    """Its polyphase resampler, 10 samples to each side in a Kaiser window of 5, is our oracle."""
    from scipy.signal import resample_poly

    samples = speechlike(3, 22_050, seed=5)
    wanted = np.abs(resample_poly(samples, 9, 1)).max()
    assert true_peak(samples, 22_050) == pytest.approx(20 * np.log10(wanted), abs=1e-6)


def test_the_weighting_is_that_of_the_recursive_filter() -> None:
    """BS.1770 gives its filters as difference equations; scipy runs them sample by sample."""
    from scipy.signal import lfilter

    samples = speechlike(0.4, 48_000, seed=2)  # one gating block
    weighted = samples
    for above, below in k_weighting(48_000):
        weighted = lfilter(above, below, weighted)
    power = (weighted[: round(0.4 * 48_000)] ** 2).mean()
    assert loudness(samples, 48_000) == pytest.approx(-0.691 + 10 * math.log10(power), abs=1e-9)


def test_the_coefficients_at_48_khz_are_those_of_the_standard() -> None:
    """ITU-R BS.1770-5, tables 1 and 2."""
    shelf, high_pass = k_weighting(48_000)
    assert shelf[0] == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-8)
    assert shelf[1] == pytest.approx([1.0, -1.69065929318241, 0.73248077421585], abs=1e-8)
    assert high_pass[1] == pytest.approx([1.0, -1.99004745483398, 0.99007225036621], abs=1e-8)


def test_silence_around_a_sentence_becomes_a_fixed_length() -> None:
    rate = 16_000
    sound = tone(-12.0, 1.0, rate)
    padded = np.concatenate([np.zeros(rate), sound, np.zeros(2 * rate)])
    cut, words = trimmed(padded, rate, [Word("one", 1.0, 1.9)])
    assert len(cut) / rate == pytest.approx(1.0 + BEFORE + AFTER, abs=0.02)
    assert words is not None
    assert words[0].start == pytest.approx(BEFORE, abs=0.01)
    tight, _ = trimmed(sound, rate, None)
    assert len(tight) / rate == pytest.approx(1.0 + BEFORE + AFTER, abs=0.02)
