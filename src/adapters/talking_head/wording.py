"""Text as the words a voice says, with the pauses between them. Whoever sends text should have made it
speakable; this is for what slipped through, and makes the best of what is not English."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PAUSES = frozenset(".,;:!?")
LETTERS: Mapping[str, str] = MappingProxyType(
    dict(
        zip(
            "abcdefghijklmnopqrstuvwxyz",
            _listed(
                "eh bee see dee ee eff gee aitch eye jay kay ell em en oh pee cue are ess tee you vee"
                " double-you ex why zee"
            ),
            strict=True,
        )
    )
)
SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "&": "and",
        "+": "plus",
        "=": "equals",
        "%": "percent",
        "@": "at",
        "°": "degrees",
        "×": "times",
        "÷": "divided by",
        "<": "less than",
        ">": "greater than",
        "≤": "less than or equal to",
        "≥": "greater than or equal to",
        "≠": "not equal to",
        "≈": "about",
        "√": "square root of",
        "∞": "infinity",
        "$": "dollars",
        "€": "euros",
        "£": "pounds",
        "π": "pi",
        "µ": "micro",
    }
)
ONES = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
TENS = _listed("_ _ twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
ORDINALS: Mapping[str, str] = MappingProxyType(
    {
        "one": "first",
        "two": "second",
        "three": "third",
        "five": "fifth",
        "eight": "eighth",
        "nine": "ninth",
        "twelve": "twelfth",
    }
)
LONGEST_NUMBER = 15  # digits; a longer one is read out digit by digit
_CYRILLIC: Mapping[str, str] = MappingProxyType(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ",
            _listed("a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g"),
            strict=True,
        )
    )
)
_GREEK: Mapping[str, str] = MappingProxyType(
    dict(
        zip(
            "αβγδεζηθικλμνξοπρστυφχψως",
            _listed(
                "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
                " sigma tau upsilon phi chi psi omega sigma"
            ),
            strict=True,
        )
    )
)
_TOKEN = re.compile(
    r"(?P<number>\d[\d,]*(?:\.\d+)?)(?P<ordinal>st|nd|rd|th)?(?![^\W\d_])"
    r"|(?P<digits>\d+)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)"
    r"|(?P<stop>[.,;:!?…。！？，、；：—–()\n])"
    r"|(?P<symbol>[^\s\w])"
)
_STOPS = {
    **{stop: stop for stop in PAUSES},
    **dict.fromkeys("…。\n", "."),
    **dict.fromkeys("，、—–()", ","),
    "！": "!",
    "？": "?",
    "；": ";",
    "：": ":",
}


def words_of(text: str) -> Iterator[str]:
    """English words in lower case, and pauses; what nobody can say is left out."""
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        kind, found = match.lastgroup, match.group()
        if kind in ("number", "ordinal"):
            yield from _number(match["number"], ordinal=bool(match["ordinal"]))
        elif kind == "digits":
            yield from (ONES[int(digit)] for digit in found if digit.isascii())
        elif kind == "word":
            yield from _word(found)
        elif kind == "stop":
            yield _STOPS[found]
        elif found in SYMBOLS:
            yield from SYMBOLS[found].split()


def _word(found: str) -> Iterator[str]:
    word = latin(found.replace("’", "'"))
    if found.isupper() and 2 <= len(found) <= 5 and (len(found) <= 3 or not re.search("[AEIOUY]", found)):
        yield from (said for letter in word for said in LETTERS.get(letter, "").split("-"))
    elif word:
        yield from word.split()


def latin(word: str) -> str:
    """In lower-case ASCII letters as far as that can be said of it; "" where it cannot."""
    folded = unicodedata.normalize(
        "NFKD", word.lower().replace("ß", "ss").replace("ø", "o").replace("æ", "ae")
    )
    if len(word) == 1 and folded in _GREEK:
        return _GREEK[folded]
    spelled = (_spelled(letter) for letter in folded)
    return "".join(spelled).strip("'")


def _spelled(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in _CYRILLIC:
        return _CYRILLIC[letter].strip("_")
    return _GREEK[letter][0] if letter in _GREEK else ""


def _number(text: str, *, ordinal: bool) -> Iterator[str]:
    whole, _, fraction = text.replace(",", "").partition(".")
    if not text.isascii() or len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole.startswith("0")):
        yield from (ONES[int(digit)] for digit in whole)
    else:
        said = cardinal(int(whole))
        yield from _as_ordinal(said) if ordinal else said
    if fraction:
        yield "point"
        yield from (ONES[int(digit)] for digit in fraction[:LONGEST_NUMBER])


def cardinal(number: int) -> list[str]:
    """1234 as "one thousand two hundred thirty four"."""
    if number < len(ONES):
        return [ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [TENS[tens], *([ONES[ones]] if ones else [])]
    for scale, name in SCALES:
        if number >= scale:
            many, rest = divmod(number, scale)
            return [*cardinal(many), name, *(cardinal(rest) if rest else [])]
    return []


def _as_ordinal(words: list[str]) -> list[str]:
    last = words[-1]
    said = ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return [*words[:-1], said]
