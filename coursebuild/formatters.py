"""How a measured number is written. Each gives text that Markdown leaves alone; `tex` is for use inside $...$."""

from __future__ import annotations

import re
from collections.abc import Callable

from coursebuild.speech.numbers import ONES

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP = "\u00a0"  # number and unit stay on one line
SI_PREFIXES = [
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
]
HOUR_FROM = 3570  # seconds: from here on minutes would round to a whole hour
UNIT = re.compile(r"[^\W_]{0,12}(/[^\W_]{1,12})?|[°%]")  # it is shown as it is, so it must hold no markup
MOST_DIGITS = 15  # a float has no more
WORDS_TO = 12  # above, figures are easier to read


class Shown(str):
    """A text that a formatter made: it is shown as it is."""

    __slots__ = ()


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"wants a number, got {value!r}")
    return float(value)


def _digits(digits: object) -> int:
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= MOST_DIGITS:
        raise ValueError(f"wants 0 to {MOST_DIGITS} digits, got {digits!r}")
    return digits


def num(value: float, digits: int = 2) -> Shown:
    """1234.567 -> 1,234.57"""
    return Shown(f"{_number(value):z,.{_digits(digits)}f}".replace("-", "−"))  # z: there is no minus zero


def count(value: float) -> Shown:
    """60000 -> 60,000; raises ValueError for a number that is not whole."""
    if not _number(value).is_integer():
        raise ValueError(f"wants a whole number, got {value!r}: use num or rough")
    return num(value, 0)


def rough(value: float, digits: int = 2) -> Shown:
    """A number of which only the size matters, to two significant digits: 215651 -> 220,000, 0.00123 -> 0.0012"""
    number = _number(value)
    rounded = f"{number:.{_digits(digits - 1)}e}"
    exponent = int(rounded.partition("e")[2])
    if digits - 1 - exponent > MOST_DIGITS:
        raise ValueError(f"{value!r} is too small to be written out: use sci")
    return num(float(rounded), 0 if number.is_integer() else max(0, digits - 1 - exponent))


def percent(value: float, digits: int = 1) -> Shown:
    """0.9826 -> 98.3 %"""
    return Shown(f"{num(100 * _number(value), digits)}{NBSP}%")


def points(value: float, digits: int = 1) -> Shown:
    """A difference of two fractions in percentage points: 0.012 -> 1.2"""
    return num(100 * _number(value), digits)


def pm(value: float, spread: float, digits: int = 1) -> Shown:
    """Mean and standard deviation of a fraction: 0.951 and 0.003 -> 95.1 ± 0.3 %"""
    return Shown(f"{num(100 * _number(value), digits)}{NBSP}±{NBSP}{num(100 * _number(spread), digits)}{NBSP}%")


def _mantissa(value: float, digits: int) -> tuple[str, int]:
    mantissa, _, exponent = f"{_number(value):z.{_digits(digits)}e}".partition("e")
    return mantissa.replace("-", "−"), int(exponent)


def sci(value: float, digits: int = 1) -> Shown:
    """1.4e-10 -> 1.4 × 10⁻¹⁰"""
    mantissa, exponent = _mantissa(value, digits)
    return Shown(f"{mantissa}{NBSP}×{NBSP}10{str(exponent).translate(SUPERSCRIPTS)}")


def tex(value: float, digits: int = 3) -> Shown:
    """A number inside a formula: 0.0123 -> 0.012, 1.4e-10 -> 1.4 \\times 10^{-10}"""
    number = _number(value)
    if number == 0 or 1e-3 <= abs(number) < 1e5:
        return Shown(f"{number:z.{_digits(digits)}f}")
    mantissa, exponent = _mantissa(number, min(digits, 2))
    return Shown(f"{mantissa} \\times 10^{{{exponent}}}".replace("−", "-"))


def times(value: float, digits: int = 1) -> Shown:
    """A ratio: 2.13 -> 2.1×"""
    return Shown(f"{num(value, digits)}×")


def si(value: float, unit: str = "", digits: int = 1) -> Shown:
    """12345 -> 12.3 k"""
    number = _number(value)
    if not isinstance(unit, str) or not UNIT.fullmatch(unit):
        raise ValueError(f"{unit!r} is no unit")
    chosen = next((i for i, p in enumerate(SI_PREFIXES) if abs(number) >= p[0]), len(SI_PREFIXES) - 1)
    if chosen and round(abs(number) / SI_PREFIXES[chosen][0], _digits(digits)) >= 1000:
        chosen -= 1  # 999.97 is written 1.0 k and not 1,000.0
    factor, prefix = SI_PREFIXES[chosen] if number else (1.0, "")
    tail = f"{prefix}{unit}"
    return Shown(f"{num(number / factor, digits)}{NBSP + tail if tail else ''}")


def seconds(value: float, digits: int = 1) -> Shown:
    """0.00021 -> 210.0 µs, 95 -> 1 min 35 s, 9000 -> 2.5 h"""
    number = _number(value)
    if number >= HOUR_FROM:
        return Shown(f"{num(number / 3600, digits)}{NBSP}h")
    if number >= 90:
        whole = round(number)
        return Shown(f"{whole // 60}{NBSP}min {whole % 60}{NBSP}s")
    return si(number, "s", digits)


def words(value: float) -> Shown:
    """3 -> three (whole numbers to twelve, digits above)"""
    number = _number(value)
    return Shown(ONES[int(number)]) if number.is_integer() and 0 <= number <= WORDS_TO else count(number)


FORMATTERS: dict[str, Callable[..., Shown]] = {
    f.__name__: f for f in (num, count, rough, percent, points, pm, sci, tex, times, si, seconds, words)
}
