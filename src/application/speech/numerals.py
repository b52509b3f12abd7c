"""Numbers that a voice says in words: ordinals, fractions, decades, Roman numerals. English; plain numbers
stay digits, which every voice can read."""

import re

_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TO_NINETY = "_ _ twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = _TO_NINETEEN.split()
_TENS = _TO_NINETY.split()
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_ROMAN = re.compile("(?=[IVXLC])(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_DENOMINATORS = frozenset([*range(2, 11), 12, 16, 32, 64, 100, 1000])


def cardinal(number: int) -> str:
    """Up to 9999 in words; larger ones as digits."""
    if number < 20:
        return _UNITS[number]
    if number < 100:
        return _TENS[number // 10] + (f" {_UNITS[number % 10]}" if number % 10 else "")
    if number >= 10_000:
        return str(number)
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = f" {cardinal(number % size)}" if number % size else ""
    return f"{_UNITS[number // size]} {name}{rest}"


def ordinal(number: int) -> str:
    """`third`, `twenty first`; from 10,000 on with a suffix: `10000th`."""
    if number >= 10_000:
        return f"{number}th"
    *front, last = cardinal(number).split()
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    else:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*front, last])


def fraction(over: int, under: int) -> str | None:
    """`three quarters`; None where one rather says `15 out of 20`."""
    if not 0 < over < under or under not in _DENOMINATORS:
        return None
    part = {2: "half", 4: "quarter"}.get(under) or ordinal(under)
    if over > 1:
        part = "halves" if under == 2 else f"{part}s"
    return f"{cardinal(over)} {part}"


def decade(number: int) -> str:
    """`nineteen nineties` for 1990, `eighties` for 80, `two thousands` for 2000."""
    century, tens = divmod(number, 100)
    if not tens:
        return f"{cardinal(century)} hundreds" if century % 10 else f"{cardinal(number)}s"
    name = f"{_TENS[tens // 10][:-1]}ies" if tens >= 20 else f"{cardinal(tens)}s"
    return f"{cardinal(century)} {name}" if century else name


def roman(numeral: str) -> int | None:
    """The value of a Roman numeral up to 399 written in capitals."""
    if not _ROMAN.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < behind else value for value, behind in zip(values, following, strict=True))


# As written: 8, 3.14, 1,000.
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"


def value(number: str) -> float:
    return float(number.replace(",", ""))
