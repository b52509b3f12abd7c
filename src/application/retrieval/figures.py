"""The figures in a text, as they are written or spelled out, and what they count. Pure."""

import re
from collections import defaultdict

from application.retrieval.forms import alike
from domain.words import CJK, STOPWORDS, words

_NUMBER = re.compile(rf"(?<![^\W{CJK}])(?<!\.)[-−–]?\d+(?:[.,:]\d+)*")  # Chinese has no blank before it
_COUNTS = (
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million billion trillion half quarter third dozen twice double"
)
_NUMBER_WORDS = frozenset(_COUNTS.split())
_UNIT = re.compile(
    r"\s?([^\W\d_]+|%|°\w?)(?:\s+(?:per|an?|each|every)\s+([^\W\d_]+)|[^\d.,;]{0,40}\s(?:per|an?|"
    r"(?:for\s+)?each|every)\s+(second|minute|hour|day|week|month|year|person|student)\b)?"
)


def numbers(text: str) -> list[str]:
    plain = [_plain(match[0]) for match in _NUMBER.finditer(text)]
    return plain + [word for word in words(text) if word in _NUMBER_WORDS]


def _plain(number: str) -> str:
    sign = "-" if number[0] in "-−–" else ""
    return sign + re.sub(r"[,](?=\d{3}(?!\d))", "", number.lstrip("-−–"))


def units_agree(said: str, line: str) -> bool:
    """Behind each number stands the same thing as in the line: 30 sverdrups are not 30 metres."""
    told, there = words(said), _with_units(line)
    for number, counted in _with_units(said).items():
        for unit, rate in counted:
            if number in there and not any(
                (not unit or not other or alike(unit, other)) and (not per or per in told or per == rate)
                for other, per in there[number]
            ):
                return False
    return True


def _with_units(text: str) -> dict[str, set[tuple[str, str]]]:
    """Each number with what it counts and per what: 10, percent, day."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for match in _NUMBER.finditer(text):
        behind = _UNIT.match(text, match.end())
        unit = behind[1].lower() if behind else ""
        rate = (behind[2] or behind[3] or "").lower() if behind else ""
        found[_plain(match[0])].add(("" if unit in STOPWORDS else unit, rate))
    return found
