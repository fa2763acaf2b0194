"""Loudness after ITU-R BS.1770-5: measure, bring a sentence to a target, and keep peaks under a ceiling.

Mono speech at any sampling rate. The K-weighting is computed for the rate by the bilinear transform of the two analogue
filters behind the standard's 48 kHz coefficients (as in libebur128). The filters are applied by
a Fourier transform: importing scipy's takes longer than levelling a minute of speech.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

TARGET = -16.0  # LUFS: what podcasts and lectures on the web aim at
CEILING = -3.0  # dBTP of a sentence: AAC and resampling in the film add up to 2 dB; it must stay under -1 dBTP
BLOCK, HOP = 0.4, 0.1  # seconds of a gating block and between two
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
LOOK_AHEAD = 0.005  # seconds: the gain is down before a peak comes
OVERSAMPLED = 192_000  # samples per second at least, for the peaks between samples (4 x 48 kHz in the standard)
NEIGHBOURS = 10  # samples on each side that a point between two is computed from
PART = 8192  # samples for which that is done at once: they stay in the processor's cache
EXACT_ENOUGH = 0.05  # LU
MAX_GAIN = 60.0  # dB: a take that needs more is noise, not speech
ROUNDS = 8  # of raising the gain, at most
LEAST_SLOPE = 0.25  # dB of loudness for a dB of gain: a limiter that gives less is not pushed harder
TAIL = 0.25  # seconds of zeros behind a sound: the filters have died away (to 1e-20) before they wrap around


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


def _padded(size: int, rate: int) -> int:
    """A length for a Fourier transform: room for a tail, and few different ones, with small prime factors."""
    return -(-(size + round(TAIL * rate)) // 4096) * 4096


@lru_cache(maxsize=64)
def _weighting(rate: int, size: int) -> np.ndarray:
    """The K-weighting's frequency response for a real transform of `size` samples, complex, shape (size // 2 + 1,)."""
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size))  # z^-1 on the unit circle
    response = np.ones(len(z), complex)
    for above, below in k_weighting(rate):
        response *= np.polynomial.polynomial.polyval(z, above) / np.polynomial.polynomial.polyval(z, below)
    return response


def loudness(samples: np.ndarray, rate: int) -> float:
    """Integrated loudness in LUFS with both gates; -inf for silence.

    Gating needs a block of 0.4 s. A shorter sound is measured as one block of its own length: what a listener hears of
    "Yes." is its own level, not that of the silence around it.
    """
    size, hop = min(round(BLOCK * rate), len(samples)), round(HOP * rate)
    if size == 0:
        return -math.inf
    length = _padded(len(samples), rate)
    weighted = np.fft.irfft(np.fft.rfft(samples, length) * _weighting(rate, length), length)[: len(samples)]
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - size + 1, hop)
    power = (sums[starts + size] - sums[starts]) / size
    loud = power[_lufs(power) > ABSOLUTE_GATE]
    if loud.size == 0:
        return -math.inf
    gated = loud[_lufs(loud) > _lufs(loud.mean()) + RELATIVE_GATE]
    return float(_lufs(gated.mean()))


@lru_cache(maxsize=4)
def _between(factor: int) -> np.ndarray:
    """Taps for the `factor` - 1 points between two samples: shape (factor - 1, 2 NEIGHBOURS), a sinc in a window."""
    steps = np.arange(-NEIGHBOURS * factor, NEIGHBOURS * factor + 1)
    low_pass = np.sinc(steps / factor) * np.kaiser(len(steps), 5.0)
    low_pass *= factor / low_pass.sum()
    return np.stack([low_pass[factor - point :: factor][::-1] for point in range(1, factor)])


def peaks(samples: np.ndarray, rate: int) -> np.ndarray:
    """For each sample the highest level from it to the next one, between the two samples too."""
    taps = _between(math.ceil(OVERSAMPLED / rate))
    padded = np.pad(samples.astype(np.float64), (NEIGHBOURS - 1, NEIGHBOURS))
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS)
    highest = np.abs(samples).astype(np.float64)
    for start in range(0, len(samples), PART):
        part = slice(start, start + PART)
        np.maximum(highest[part], np.abs(taps @ around[part].T).max(axis=0), out=highest[part])
    return highest


def true_peak(samples: np.ndarray, rate: int) -> float:
    """dBTP."""
    return 20 * math.log10(max(float(peaks(samples, rate).max(initial=0.0)), 1e-9))


def limited(samples: np.ndarray, rate: int, ceiling: float = CEILING) -> np.ndarray:
    """Look-ahead limiter: the gain falls before a peak and rises after it; nothing passes the ceiling (dBTP)."""
    gain = _limiting(peaks(samples, rate), rate, ceiling)
    return samples if gain is None else samples * gain


def _limiting(heights: np.ndarray, rate: int, ceiling: float) -> np.ndarray | None:
    """The limiter's gain for each sample, from `peaks`; None where nothing passes the ceiling.

    It is the least gain within twice the look-ahead, then its mean over it: smooth, and never above the wanted one.
    """
    top = 10 ** (ceiling / 20)
    if heights.max(initial=0.0) <= top:
        return None
    reach = round(LOOK_AHEAD * rate) | 1
    wanted = np.minimum(1.0, top / np.maximum(heights, 1e-9))
    least = np.pad(wanted, reach + reach // 2, mode="edge")
    width, held = 1, 2 * reach + 1
    while width < held:  # the minimum of `width` neighbours, doubled
        step = min(width, held - width)
        least = np.minimum(least[:-step], least[step:])
        width += step
    sums = np.concatenate([[0.0], np.cumsum(least)])
    return (sums[reach:] - sums[:-reach]) / reach


def levelled(samples: np.ndarray, rate: int, target: float = TARGET, ceiling: float = CEILING) -> np.ndarray:
    """The sound at `target` LUFS with true peaks under `ceiling`; silence stays silence.

    Limiting costs loudness, so the gain in front of the limiter is raised by what is missing (by the secant method);
    where a sound is all peaks (a click) the ceiling wins.
    """
    wanted = samples.astype(np.float64)
    before = loudness(wanted, rate)
    gain = target - before
    if not math.isfinite(gain):
        return wanted
    heights = peaks(wanted, rate)  # they grow with the gain, so once is enough
    highest = min(gain + 6.0, MAX_GAIN)  # more than 6 dB of limiting would be heard
    last, reached, slope = 0.0, before, 1.0
    for _ in range(ROUNDS):
        gain = min(gain, highest)
        factor = 10 ** (gain / 20)
        limiting = _limiting(heights * factor, rate, ceiling)
        if limiting is None:
            return wanted * factor
        out = wanted * (factor * limiting)
        now = loudness(out, rate)
        if abs(target - now) < EXACT_ENOUGH or gain >= highest:
            break
        if gain != last:
            slope = min(1.0, max(LEAST_SLOPE, (now - reached) / (gain - last)))
        last, reached, gain = gain, now, gain + (target - now) / slope
    return out
