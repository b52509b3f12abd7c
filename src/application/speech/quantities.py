"""Numbers that need words in English: with units, ranges, fractions, ordinals, proportions."""

import re

from application.speech.numerals import NUMBER, fraction, ordinal, value
from application.speech.rules import START, rule
from application.speech.units import PATTERN, unit

_SIGNS = {"-": "minus ", "−": "minus ", "–": "minus ", "+": "plus ", "±": "plus or minus ", "~": "about "} | {
    "≈": "about ",
    "": "",
}
_SIGN = r"(?P<sign>[-−–+±~≈]?)"
_AMOUNT = rf"{_SIGN}(?P<amount>{NUMBER})"
_DASH = r"\s?(?P<dash>[–—]|-|\.\.\.?|…|to)\s?"
_MORE = rf"(?:{_DASH}(?P<more>-?{NUMBER}))?"
_SPACED = r"(?P<amount>\d{1,3}(?:\s\d{3})+(?!\d))"
_MAY_BE_CODE = frozenset("AKTFNJLB")  # right behind a number: room 12B, 4K
_ARTICLE = re.compile(r"(?:\A|\s)an?\s\Z", re.IGNORECASE)  # `a 10 gigabyte disk`
_VULGAR = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5)} | {
    "⅗": (3, 5),
    "⅘": (4, 5),
    "⅙": (1, 6),
    "⅚": (5, 6),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
}


def _range(match: re.Match[str]) -> str | None:
    """`5 to 10`; a hyphen between falling numbers is none, they may be a score or a code."""
    said = _SIGNS[match["sign"]] + match["amount"]
    more = match["more"]
    if more is None:
        return said
    if match["dash"] == "-" and value(more) <= value(match["amount"]):
        return None
    return f"{said} to {more.replace('-', 'minus ')}"


def _quantity(match: re.Match[str]) -> str | None:
    amount = _range(match)
    glued = match.string[match.start("unit") - 1] != " "
    if amount is None or (glued and match["unit"] in _MAY_BE_CODE):
        return None
    attribute = _ARTICLE.search(match.string, 0, match.start()) is not None
    lone = match["amount"] == "1" and match["more"] is None
    return f"{amount} {unit(match['unit'], one=lone or attribute)}"


def _hyphenated(match: re.Match[str]) -> str:
    return f"{match['amount']} {unit(match['unit'], one=True)}"


def _mixed(match: re.Match[str]) -> str | None:
    part = fraction(int(match["over"]), int(match["under"]))
    if part is None:
        return None
    return f"{match['whole']} and {re.sub('^one (?=half|quarter)', 'a ', part)}"


def _fraction(match: re.Match[str]) -> str | None:
    over, under = int(match["over"]), int(match["under"])
    if (over, under) in ((24, 7), (9, 11)):
        return f"{over} {under}"
    return fraction(over, under) or (f"{over} out of {under}" if over <= under else f"{over} over {under}")


def _vulgar(match: re.Match[str]) -> str:
    part = fraction(*_VULGAR[match["part"]]) or ""
    if match["whole"]:
        return f"{match['whole']} and {re.sub('^one (?=half|quarter)', 'a ', part)}"
    return part


def _times(match: re.Match[str]) -> str | None:
    """`10x faster`, but not in `y = 2x`."""
    before = match.string[: match.start()].rstrip()
    return None if before.endswith(("=", "+", "-")) else f"{match['times']} times"


def _dotted(match: re.Match[str]) -> str:
    parts = match[0].split(".")
    return (" dot " if len(parts) == 4 else " point ").join(parts)


def _signed(match: re.Match[str]) -> str:
    return _SIGNS[match["sign"]] + match["amount"]


def _scientific(match: re.Match[str]) -> str:
    exponent = match["exponent"].lstrip("+").replace("-", "minus ").replace("−", "minus ")
    return f"{match['amount']} times 10 to the power of {exponent}"


QUANTITIES = (
    rule(rf"{START}\d+(?:\.\d+){{2,5}}(?![\w.]*\d)", _dotted),
    rule(rf"{START}(?P<amount>\d+(?:\.\d+)?)[eE](?P<exponent>[-−+]?\d{{1,3}})(?!\w)", _scientific),
    rule(rf"{START}{_SPACED}", lambda match: match["amount"].replace(" ", ",")),
    rule(rf"{START}(?P<whole>\d+)[\s-](?P<over>\d\d?)[/⁄](?P<under>\d{{1,4}})(?![\d/.])", _mixed),
    rule(rf"{START}(?P<over>\d{{1,4}})[/⁄](?P<under>\d{{1,4}})(?![\w/]|\.\d)", _fraction),
    rule(rf"(?<![\w.])(?P<whole>\d+)?\s?(?P<part>[{''.join(_VULGAR)}])", _vulgar),
    rule(rf"(?<![\w.,)]){_AMOUNT}{_MORE}\s?(?P<unit>{PATTERN})", _quantity),
    rule(rf"{START}(?P<amount>{NUMBER})-(?P<unit>{PATTERN})", _hyphenated),
    rule(rf"{START}(?P<n>\d{{1,4}})(?:st|nd|rd|th)(?!\w)", lambda match: ordinal(int(match["n"]))),
    rule(
        rf"{START}(?P<one>\d+)\s?x\s?(?P<other>\d+)(?!\w)",
        lambda match: f"{match['one']} by {match['other']}",
    ),
    rule(rf"{START}(?P<times>\d+(?:\.\d+)?)[x×](?!\w|\s?[-+=*/^])", _times),
    rule(
        rf"{START}(?P<one>\d+)\s?:\s?(?P<other>\d+)(?![\d:])",
        lambda match: f"{match['one']} to {match['other']}",
    ),
    rule(
        rf"{START}{_AMOUNT}\s-\s(?P<other>{NUMBER})",
        lambda match: f"{match['amount']} minus {match['other']}",
    ),
    rule(rf"(?<![\w.,)]){_AMOUNT}\s?(?P<dash>[–—]|-|\.\.\.?|…)\s?(?P<more>{NUMBER})(?![\w-]|[.,]\d)", _range),
    rule(rf"(?<![\w.,)])(?P<sign>[-−–+±~≈])(?P<amount>{NUMBER})(?!\w)", _signed),
)
