"""Numbers as English words: cardinals, ordinals, decimals, years, fractions, powers of ten."""

from __future__ import annotations

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = ["", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion"]
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿⁱ", "0123456789-+ni")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₋₊ᵢⱼₖₗₘₙₜₓ", "0123456789-+ijklmntx")


def cardinal(n: int) -> str:
    """784 -> "seven hundred eighty-four"; numbers beyond 10^21 are read digit by digit."""
    if n < 0:
        return "minus " + cardinal(-n)
    if n >= 1000 ** len(SCALES):
        return digits(str(n))
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" {cardinal(n % 100)}" if n % 100 else "")
    parts = []
    for power in range(len(SCALES) - 1, -1, -1):
        group = n // 1000**power % 1000
        if group:
            parts.append(f"{cardinal(group)} {SCALES[power]}".strip())
    return " ".join(parts)


def digits(text: str) -> str:
    """ "042" -> "zero four two"."""
    return " ".join(ONES[int(d)] for d in text)


def ordinal(n: int) -> str:
    """21 -> "twenty-first"."""
    head, separator, last = _split_last(cardinal(n))
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return head + separator + last


def _split_last(words: str) -> tuple[str, str, str]:
    """Cut off the last word, at a space or a hyphen."""
    cut = max(words.rfind(" "), words.rfind("-"))
    return (words[:cut], words[cut], words[cut + 1 :]) if cut >= 0 else ("", "", words)


def year(n: int) -> str:
    """1986 -> "nineteen eighty-six", 1905 -> "nineteen oh five", 2006 -> "two thousand six"."""
    century, rest = divmod(n, 100)
    if n % 1000 == 0 or 2000 <= n < 2010:
        return cardinal(n)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} " + (f"oh {ONES[rest]}" if rest < 10 else cardinal(rest))


def plural(words: str) -> str:
    """ "nineteen eighty" -> "nineteen eighties"; "five" -> "fives"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def decimal(text: str) -> str:
    """The words of an unsigned number as written: "60,000", "98.26", ".5", "2.5.1", "007"."""
    whole, *fractions = text.translate(_NO_GROUPING).split(".")
    words = digits(whole) if len(whole) > 1 and whole.startswith("0") else cardinal(int(whole or "0"))
    return " point ".join([words, *(digits(part) for part in fractions)])


_NO_GROUPING = str.maketrans("", "", ", \u00a0\u2009\u202f_")


def exponent(text: str) -> str:
    """The words after a base: "2" -> "squared", "-10" -> "to the minus ten"."""
    if text in ("2", "3"):
        return "squared" if text == "2" else "cubed"
    return "to the " + signed(text)


def signed(text: str) -> str:
    """The words of a number with an optional sign: "-3" -> "minus three", "n" stays "n"."""
    sign, rest = ("", text) if text[:1] not in "+-−" else (text[0], text[1:])
    words = decimal(rest) if rest[:1].isdigit() or rest[:1] == "." else rest
    return {"": "", "+": "plus "}.get(sign, "minus ") + words


def power_of_ten(mantissa: str, power: str) -> str:
    """1.4 and -10 -> "one point four times ten to the minus ten"; a mantissa of 1 is not spoken."""
    ten = "ten to the " + signed(power.lstrip("+"))
    return ten if mantissa in ("", "1", "1.0") else f"{decimal(mantissa)} times {ten}"


def fraction(top: int, bottom: int) -> str:
    """1/2 -> "one half", 7/10 -> "seven tenths", 9/25 -> "nine over twenty-five"."""
    if not (0 < top < bottom <= 10):
        return f"{cardinal(top)} over {cardinal(bottom)}"
    name = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
    return f"{cardinal(top)} {name if top == 1 else plural(name)}"
