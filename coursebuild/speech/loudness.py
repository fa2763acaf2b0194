"""Loudness after ITU-R BS.1770-5: measure, bring a sentence to a target, and keep peaks under a ceiling.

Mono speech at any sampling rate. The K-weighting is computed for the rate by the bilinear transform of the two analogue
filters behind the standard's 48 kHz coefficients (as in libebur128).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter, resample_poly

TARGET = -16.0  # LUFS: what podcasts and lectures on the web aim at
CEILING = -3.0  # dBTP of a sentence: AAC and resampling in the film add up to 2 dB; it must stay under -1 dBTP
BLOCK, HOP = 0.4, 0.1  # seconds of a gating block and between two
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
LOOK_AHEAD = 0.005  # seconds: the gain is down before a peak comes
OVERSAMPLED = 192_000  # samples per second at least, for the peaks between samples (4 x 48 kHz in the standard)
EXACT_ENOUGH = 0.05  # LU
MAX_GAIN = 60.0  # dB: a take that needs more is noise, not speech


def k_weighting(rate: int) -> list[tuple[list[float], list[float]]]:
    """(numerator, denominator) of the shelf and of the high-pass."""
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [(high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0]
    shelf_below = [1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    k = math.tan(math.pi * 38.13547087602444 / rate)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    return [(shelf, shelf_below), ([1.0, -2.0, 1.0], [1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])]


def _lufs(power: np.ndarray | float) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-15))


def loudness(samples: np.ndarray, rate: int) -> float:
    """Integrated loudness in LUFS with both gates; -inf for silence.

    Gating needs a block of 0.4 s. A shorter sound is measured as one block of its own length: what a listener hears of
    "Yes." is its own level, not that of the silence around it.
    """
    weighted = samples.astype(np.float64)
    for above, below in k_weighting(rate):
        weighted = lfilter(above, below, weighted)
    size, hop = min(round(BLOCK * rate), len(weighted)), round(HOP * rate)
    if size == 0:
        return -math.inf
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - size + 1, hop)
    power = (sums[starts + size] - sums[starts]) / size
    loud = power[_lufs(power) > ABSOLUTE_GATE]
    if loud.size == 0:
        return -math.inf
    gated = loud[_lufs(loud) > _lufs(loud.mean()) + RELATIVE_GATE]
    return float(_lufs(gated.mean()))


def peaks(samples: np.ndarray, rate: int) -> np.ndarray:
    """For each sample the highest level around it, between the samples too."""
    factor = math.ceil(OVERSAMPLED / rate)
    between = np.abs(resample_poly(samples, factor, 1)).reshape(-1, factor).max(axis=1)
    return np.maximum(np.abs(samples), between)


def true_peak(samples: np.ndarray, rate: int) -> float:
    """dBTP."""
    return 20 * math.log10(max(float(peaks(samples, rate).max(initial=0.0)), 1e-9))


def limited(samples: np.ndarray, rate: int, ceiling: float = CEILING) -> np.ndarray:
    """Look-ahead limiter: the gain falls before a peak and rises after it; nothing passes the ceiling (dBTP)."""
    top = 10 ** (ceiling / 20)
    reach = round(LOOK_AHEAD * rate) | 1
    gain = np.minimum(1.0, top / np.maximum(peaks(samples, rate), 1e-9))
    if gain.min(initial=1.0) >= 1.0:
        return samples
    # the minimum over twice the reach, then the mean over the reach: smooth, and never above the wanted gain
    gain = uniform_filter1d(minimum_filter1d(gain, 2 * reach + 1, mode="nearest"), reach, mode="nearest")
    return samples * gain


def levelled(samples: np.ndarray, rate: int, target: float = TARGET, ceiling: float = CEILING) -> np.ndarray:
    """The sound at `target` LUFS with true peaks under `ceiling`; silence stays silence.

    Limiting costs loudness, so the gain in front of the limiter is raised by what is missing; where a sound is all
    peaks (a click) the ceiling wins.
    """
    wanted = samples.astype(np.float64)
    gain = target - loudness(wanted, rate)
    if not math.isfinite(gain):
        return wanted
    highest = min(gain + 6.0, MAX_GAIN)  # more than 6 dB of limiting would be heard
    out = wanted
    for _ in range(8):
        out = limited(wanted * 10 ** (min(gain, highest) / 20), rate, ceiling)
        missing = target - loudness(out, rate)
        gain += missing
        if abs(missing) < EXACT_ENOUGH or gain >= highest:
            break
    return out
