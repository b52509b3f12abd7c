"""Amounts of money in English."""

import re

from application.speech.numerals import NUMBER, value
from application.speech.rules import START, rule

# sign: one, many, the hundredth part
_CURRENCIES = {
    "$": ("dollar", "dollars", "cents"),
    "US$": ("US dollar", "US dollars", "cents"),
    "USD": ("US dollar", "US dollars", "cents"),
    "€": ("euro", "euros", "cents"),
    "EUR": ("euro", "euros", "cents"),
    "£": ("pound", "pounds", "pence"),
    "GBP": ("pound", "pounds", "pence"),
    "¥": ("yen", "yen", ""),
    "JPY": ("yen", "yen", ""),
    "CNY": ("yuan", "yuan", ""),
    "RMB": ("yuan", "yuan", ""),
    "CHF": ("Swiss franc", "Swiss francs", ""),
    "₹": ("rupee", "rupees", "paise"),
    "₿": ("bitcoin", "bitcoins", ""),
    "¢": ("cent", "cents", ""),
}
_BEFORE = r"(?P<currency>US\$|USD\s?|EUR\s?|GBP\s?|CHF\s?|[$€£¥₹₿])"
_BEHIND = r"(?P<currency>USD|EUR|GBP|CHF|CNY|RMB|JPY|[$€£¥₹₿¢])(?![\w])"
_MAGNITUDES = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "B": "billion"} | {
    "b": "billion",
    "bn": "billion",
    "T": "trillion",
}
_MAGNITUDE = r"(?:\s?(?P<magnitude>thousand|million|billion|trillion|bn|[kKmMBbT])(?!\w))?"
_AMOUNT = rf"(?P<amount>{NUMBER})"
_MORE = rf"(?:\s?[–—-]\s?(?:US\$|[$€£¥₹])?(?P<more>{NUMBER}))?"


def _money(match: re.Match[str]) -> str:
    one, many, hundredth = _CURRENCIES[match["currency"].strip()]
    amount, more = match["amount"], match["more"]
    minus = "minus " if match["minus"] else ""
    if match["magnitude"]:
        magnitude = _MAGNITUDES.get(match["magnitude"], match["magnitude"])
        return f"{minus}{amount}{f' to {more}' if more else ''} {magnitude} {many}"
    if more:
        return f"{minus}{amount} to {more} {many}"
    whole, point, part = amount.partition(".")
    if point and len(part) == 2 and hundredth:
        said = f"{whole} {one if whole == '1' else many}" if value(whole or "0") else ""
        small = f"{int(part)} {hundredth if int(part) != 1 else hundredth.rstrip('s')}" if int(part) else ""
        return minus + (" and ".join(filter(None, (said, small))) or f"0 {many}")
    return f"{minus}{amount} {one if amount == '1' else many}"


MONEY = (
    rule(rf"(?<![\w.])(?P<minus>[-−])?{_BEFORE}{_AMOUNT}{_MORE}{_MAGNITUDE}", _money),
    rule(rf"{START}(?P<minus>[-−])?{_AMOUNT}{_MORE}{_MAGNITUDE}\s?{_BEHIND}", _money),
)
