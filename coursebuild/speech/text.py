"""Running text as a voice is given it: every number, unit, sign and abbreviation in words.

One table of patterns reads from left to right, so that nothing is rewritten twice. The order of the table is the
order of preference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from coursebuild.speech import lexicon, numbers

Match = re.Match[str]
MONTHS = ["January", "February", "March", "April", "May", "June"]
MONTHS += ["July", "August", "September", "October", "November", "December"]
CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound"}
BLANK = r"[ \u00a0\u2009\u202f]"
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[\u2009\u202f]\d{3})+|\d+(?:\.\d+)+|\d+|(?<![\w.])\.\d+)"
WHOLE = r"\d{1,3}(?:,\d{3})+|\d{1,6}"
RAISED = "[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+"
UNIT = "|".join(sorted(map(re.escape, lexicon.UNITS), key=len, reverse=True))
TEN = rf"{BLANK}?[×x·]{BLANK}?10(?:(?P<p>{RAISED})|\^\{{?(?P<q>[-−+]?\d+)\}}?)"
DERIVATIVE = r"\(?∂(?P<up>[^\W\d_]\w*[′']?)\s*/\s*∂(?P<down>[^\W\d_]\w*)\)?"
SCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹ⁿⁱᵀ₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙₜₓ"
FRACTIONS = "½¼¾⅓⅔"
LETTER = rf"[^\W\d_{SCRIPTS}{FRACTIONS}]"
WORD = rf"{LETTER}(?:{LETTER}|\d)*(?:['’]{LETTER}+)*(?:-(?:{LETTER}|\d)+(?:['’]{LETTER}+)*)*"
UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\u0300-\u036f]")
PLURAL_NOUN = re.compile(rf"{BLANK}(?!its|was|has|this|is|as|does|thus|plus)[a-z]+s\b")

PATTERNS = {
    "url": r"https?://[^\s)\]>]*[^\s)\]>.,;:!?]",
    "date": r"(?<!\w)(?P<dy>(?:1[5-9]|20)\d\d)-(?P<dm>0[1-9]|1[0-2])-(?P<dd>0[1-9]|[12]\d|3[01])(?![\w-])",
    "derivative": DERIVATIVE,
    "clock": r"(?<![\w:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?![\w:])",
    "ratio": r"(?<![\w:.])(?P<ra>\d+):(?P<rb>\d+)(?![\w:])",
    "chain": r"(?<![\w.-])\d+(?:-\d+){2,}(?![\w-])",
    "fraction": rf"(?<![\w./,])(?P<top>{WHOLE})/(?P<bottom>{WHOLE})(?![\w/]|[.,]\d)",
    "money": rf"(?P<currency>[$€£])(?P<amount>{NUMBER})(?P<scale>[kMB]\b)?",
    "sized": rf"(?<![\w.,])\d+(?:{BLANK}?×{BLANK}?\d+(?!\d))+(?![\w⁻⁰¹²³⁴⁵⁶⁷⁸⁹^]|[.,]\d|{BLANK}?=)",
    "decade": r"(?<!\w)(?P<tens>(?:1[5-9]|20)\d0)s\b",
    "ordinal": r"(?<![\w.])(?P<nth>\d+)(?:st|nd|rd|th)\b",
    "number": rf"(?P<sign>(?<![\w)])[-+](?=\.?\d)|[−±~≈]{BLANK}?(?=\.?\d))?(?P<n>{NUMBER})"
    rf"(?:[eE](?P<e>[-+−]?\d+)(?!\w)|{TEN}|(?P<raised>{RAISED}|[ⁿⁱ])|\^\{{?(?P<caret>[-−+]?[^\W_]+)\}}?)?"
    rf"(?:(?:{BLANK}?–{BLANK}?|-(?=[\d.]+(?![\w-])))(?P<to>{NUMBER}))?"
    rf"(?:{BLANK}?(?P<unit>{UNIT})(?:(?P<per>/(?=[a-zµ]))|(?![\w'’])))?"
    rf"(?P<times>{BLANK}?×(?!{BLANK}?\d)|x(?![\w'’]))?(?P<ahead>-(?=[^\W\d_]))?",
    "initial": r"(?<!\w)(?P<capital>[A-Z])\.(?=\s?[A-Z])",
    "short": r"(?<!\w)(?i:" + "|".join(re.escape(s) for s in lexicon.FOLDED if s.endswith(".")) + ")",
    "snake": r"(?<!\w)\w*[^\W_]_\w*|(?<!\w)_+\w+",
    "applied": rf"(?P<function>{WORD}|∇\w)(?P<primes>[′″]?)\((?P<argument>{LETTER}[\w₀-₉]?|\d+)\)",
    "word": WORD,
    "superscript": rf"{RAISED}|[ⁿⁱᵀ]",
    "subscript": "[₀₁₂₃₄₅₆₇₈₉₋₊ᵢⱼₖₗₘₙₜₓ]+",
    "power": r"\^\{?(?P<exponent>[-−+]?[^\W_]+)\}?",
    "pause": rf"\.\.\.|…|{BLANK}*—{BLANK}*|{BLANK}+[–-](?={BLANK})|[(\[{{)\]}}]",
    "arrow": r"->|=>|<-|<=|>=|!=|==",
    "slash": r"(?<=\w)/(?=\w)",
    "kept": r"[.,;:!?'’]|(?<=\w)-(?=\w)",
    "blank": r"\s+",
    "other": r".",
}
SCANNER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in PATTERNS.items()), re.DOTALL)
ARROWS = {"->": "→", "=>": "⇒", "<-": "←", "<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
AFTER_A_WORD = {"≥": "at least", "≤": "at most", ">": "more than", "<": "less than"}  # "with ≥ 3 layers"
PLUS_MINUS = {"+": "plus ", "±": "plus or minus ", "~": "about ", "≈": "about "}


def text(written: str) -> str:
    """ "It took 2.1 ms, 12–18× less." -> "It took two point one milliseconds, twelve to eighteen times less."

    The result holds letters, blanks and the marks . , ; : ! ? ' - and nothing else.
    """
    written = plain(written)
    return tidy("".join(_say(m) for m in SCANNER.finditer(written)))


def plain(written: str) -> str:
    """Without control characters and combining marks, digits of other scripts as ASCII."""
    return "".join(c if c.isascii() or c.isalpha() else _digit(c) for c in UNWANTED.sub("", written))


def _digit(sign: str) -> str:
    if sign in SCRIPTS or sign in FRACTIONS or not sign.isnumeric():
        return sign
    known = unicodedata.digit(sign, None)
    return str(known) if sign.isdecimal() and known is not None else " "


def _say(match: Match) -> str:
    kind = match.lastgroup or "other"
    said = HANDLERS[kind](match)
    if kind in ("blank", "kept", "pause", "word"):
        return said
    return f" {said}" + ("" if said.endswith("-") else " ")


def tidy(said: str) -> str:
    """One blank between words, none before a mark, no comma beside another mark."""
    said = re.sub(r"\s+", " ", said)
    said = re.sub(r" (?=[.,;:!?])", "", said)
    said = re.sub(r"(?<= of| to),", "", said)
    said = re.sub(r",[,\s]*(?=[.;:!?,])|(?<=[;:!?]),+", "", said)
    said = re.sub(r"(?<!\S)-+|-+(?=\s|$)|-{2,}", " ", said)
    said = re.sub(r"\s+", " ", said)
    return said.strip()


# ------------------------------------------------------------------ numbers and what belongs to them


def _number(m: Match) -> str:
    """A number with its sign, power of ten, range, unit and "times"."""
    if m["e"] or m["p"] or m["q"]:
        power = (m["e"] or m["p"] or m["q"]).translate(numbers.SUPERSCRIPTS)
        said = numbers.power_of_ten(m["n"], power)
    elif m["raised"] or m["caret"]:
        said = f"{numbers.decimal(m['n'])} {_power(m['raised'] or m['caret'])}"
    else:
        said = _plain_number(m)
    said = PLUS_MINUS.get((m["sign"] or " ")[0], "minus " if m["sign"] else "") + said
    if m["to"]:
        said += " to " + (_year_or(m["to"]) if _is_year(m) else numbers.decimal(m["to"]))
    if m["unit"]:
        said += f" {lexicon.unit(m['unit'], one=m['n'] == '1' and not m['to'])}" + (" per" if m["per"] else "")
    return said + (" times" if m["times"] else "") + ("-" if m["ahead"] else "")


def _plain_number(m: Match) -> str:
    return _year_or(m["n"]) if _is_year(m) else numbers.decimal(m["n"])


def _year_or(written: str) -> str:
    return numbers.year(int(written)) if re.fullmatch(r"1[5-9]\d\d|20\d\d", written) else numbers.decimal(written)


def _is_year(m: Match) -> bool:
    """A bare number from 1900 to 2049 is a year unless something is counted ("2000 steps") or computed."""
    after = m.string[m.end() :]
    counted = PLURAL_NOUN.match(after) or re.match(rf"{BLANK}?[=×*/^%+−]", after)
    before = m.string[: m.start()].rstrip()
    return bool(
        re.fullmatch(r"19\d\d|20[0-4]\d", m["n"])
        and not (m["sign"] or m["unit"] or m["times"] or m["ahead"] or counted)
        and not before.endswith(("=", "×", "/", "*", "<", ">", "≈"))
    )


def _date(m: Match) -> str:
    return f"{MONTHS[int(m['dm']) - 1]} {numbers.ordinal(int(m['dd']))}, {numbers.year(int(m['dy']))}"


def _clock(m: Match) -> str:
    minute = int(m["minute"])
    hour = numbers.cardinal(int(m["hour"]))
    return f"{hour} o'clock" if minute == 0 else f"{hour} {'oh ' if minute < 10 else ''}{numbers.cardinal(minute)}"


def _money(m: Match) -> str:
    scale = lexicon.unit(m["scale"], one=False) + " " if m["scale"] else ""
    return f"{numbers.decimal(m['amount'])} {scale}{CURRENCIES[m['currency']]}" + ("" if m["amount"] == "1" else "s")


def _joined(by: str) -> Callable[[Match], str]:
    """Read the numbers of the match with a word between them."""
    return lambda m: f" {by} ".join(numbers.cardinal(int(n)) for n in re.findall(r"\d+", m[0]))


# ------------------------------------------------------------------ words and signs


def _word(m: Match) -> str:
    said = lexicon.word(m[0])
    return said if said == m[0] else f" {said} "


def _applied(m: Match) -> str:
    if m["argument"] in ("s", "es"):  # "neuron(s)"
        return lexicon.word(m["function"] + m["argument"])
    return f"{text(m['function'] + m['primes'])} of {text(m['argument'])}"


def _snake(m: Match) -> str:
    parts = [part for part in m[0].split("_") if part]
    return " ".join(lexicon.name(part) if part.isascii() else text(part) for part in parts)


def _power(written: str) -> str:
    """The words of an exponent, raised or behind ^: "²" -> "squared", "-n" -> "to the minus n"."""
    if written == "ᵀ":
        return "transpose"
    power = written.translate(numbers.SUPERSCRIPTS)
    if re.fullmatch(r"[-−+]?[0-9]+", power):
        return numbers.exponent(power)
    sign = {"-": "minus ", "−": "minus ", "+": "plus "}.get(power[:1], "")
    return f"to the {sign}{text(power.lstrip('-−+'))}"


def _subscript(m: Match) -> str:
    """ "₁" -> "one", "ᵢ₊₁" -> "sub i plus one"."""
    script = m[0].translate(numbers.SUBSCRIPTS)
    if script.isdecimal():
        return numbers.decimal(script)
    pieces = re.findall(r"\d+|.", script)
    said = (numbers.decimal(p) if p.isdecimal() else {"+": "plus", "-": "minus"}.get(p, p) for p in pieces)
    return "sub " + " ".join(said)


def _pause(m: Match) -> str:
    """A comma; between numbers or single letters a dash is "to" or "minus"."""
    before, after = m.string[: m.start()], m.string[m.end() :].lstrip()
    if m[0].strip() == "–" and re.search(r"[\d%]$", before) and after[:1].isdecimal():
        return " to "
    if m[0].strip() == "-" and re.search(r"(?<!\w)\w$|\d$", before) and re.match(r"\w(?!\w)|\d|∂", after):
        return " minus "
    return ", "


def _other(m: Match) -> str:
    sign = ARROWS.get(m[0], m[0])
    if sign in AFTER_A_WORD and re.search(r"(?:^|[a-z]{2}|[(,;:])\s*$", m.string[: m.start()]):
        return AFTER_A_WORD[sign]
    if sign in lexicon.GREEK and sign not in "∑∏":
        return lexicon.GREEK[sign]
    return lexicon.SIGNS.get(sign) or (sign if sign.isalpha() and sign.isascii() else "")


def derivative(m: Match) -> str:
    return f"the derivative of {text(m['up'])} with respect to {text(m['down'])}"


def _url(m: Match) -> str:
    address = re.sub(r"^https?://(?:www\.)?", "", m[0]).rstrip("/")
    words = re.findall(rf"{LETTER}+|\d+|\.|/", address)
    said = {".": "dot", "/": "slash"}
    return " ".join(numbers.digits(w) if w.isdecimal() else said.get(w) or lexicon.word(w) for w in words)


HANDLERS: dict[str, Callable[[Match], str]] = {
    "url": _url,
    "date": _date,
    "derivative": derivative,
    "clock": _clock,
    "ratio": _joined("to"),
    "chain": _joined("to"),
    "fraction": lambda m: numbers.fraction(*(int(n.replace(",", "")) for n in (m["top"], m["bottom"]))),
    "money": _money,
    "sized": _joined("by"),
    "decade": lambda m: numbers.plural(numbers.year(int(m["tens"]))),
    "ordinal": lambda m: numbers.ordinal(int(m["nth"])),
    "number": _number,
    "initial": lambda m: m["capital"],
    "short": lambda m: lexicon.FOLDED[m[0].lower()],
    "snake": _snake,
    "applied": _applied,
    "word": _word,
    "superscript": lambda m: _power(m[0]),
    "subscript": _subscript,
    "power": lambda m: _power(m["exponent"]),
    "pause": _pause,
    "arrow": _other,
    "slash": lambda m: " " if m.string[: m.start()].endswith("and") else "or",
    "kept": lambda m: m[0].replace("’", "'"),
    "blank": lambda m: " ",
    "other": _other,
}
