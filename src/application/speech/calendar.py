"""Dates and times of day in English."""

import re

from application.speech.numerals import decade, ordinal
from application.speech.rules import START, rule

_NAMES = "January February March April May June July August September October November December"
_MONTHS = _NAMES.split()
_MONTH = r"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(?:(?P<rest>[a-z]+)|\.)?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_LATER = r"(?:\s?[–—-]\s?(?P<later>[0-3]?\d)(?:st|nd|rd|th)?)?"
_HALF = r"(?:\s?(?P<half>[ap]\.m(?=\.)|[ap]m|[AP]M)(?!\w))?"


def is_month(word: str) -> bool:
    return word.rstrip(".,")[:3] in _BY_SHORT and _full(word.rstrip(".,")) is not None


_BY_SHORT = {name[:3]: name for name in _MONTHS}


def _full(written: str) -> str | None:
    """The name of the month, also for `Sept`; None for `Market`."""
    name = _BY_SHORT[written[:3]]
    return name if written in (name, name[:3]) or (name == "September" and written == "Sept") else None


def _days(match: re.Match[str]) -> str | None:
    days = [int(match["day"])] + ([int(match["later"])] if match["later"] else [])
    return " to ".join(map(ordinal, days)) if all(0 < day < 32 for day in days) else None


def _month_first(match: re.Match[str]) -> str | None:
    month, days = _full(match["month"] + (match["rest"] or "")), _days(match)
    if month is None or days is None:
        return None
    return f"{month} {days}" + (f", {match['year']}" if match["year"] else "")


def _day_first(match: re.Match[str]) -> str | None:
    month, days = _full(match["month"] + (match["rest"] or "")), _days(match)
    if month is None or days is None:
        return None
    article = "the " if match["the"] is None else ""
    return f"{article}{days} of {month}" + (f" {match['year']}" if match["year"] else "")


def _in_numbers(match: re.Match[str]) -> str | None:
    """2024-05-12, and as in America 5/12/2024, unless the first number cannot be a month."""
    month, day = int(match["month"]), int(match["day"])
    if month > 12 and "/" in match[0]:
        month, day = day, month
    if not (0 < month <= 12 and 0 < day <= 31):
        return None
    return f"{_MONTHS[month - 1]} {ordinal(day)}, {match['year']}"


def _time(match: re.Match[str]) -> str | None:
    hour, minute = int(match["hour"]), match["minute"]
    if hour > 24 or int(minute) > 59:
        return None
    said = f"{hour}:{minute}" if int(minute) else str(hour)
    if match["half"]:
        said += " AM" if match["half"][0] in "aA" else " PM"
    elif not int(minute):
        said = f"{hour} o'clock"
    if match["second"]:
        said += f" and {int(match['second'])} seconds"
    return said + (" to " if match["to"] else "")


def _hour(match: re.Match[str]) -> str | None:
    said = "AM" if match["half"][0] in "aA" else "PM"
    hours = match["hour"] + (f" to {match['later']}" if match["later"] else "")
    return f"{hours} {said}" if int(match["hour"]) <= 12 else None


def _decade(match: re.Match[str]) -> str:
    return decade(int(match["decade"]))


DATES = (
    rule(rf"{START}(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])", _in_numbers),
    rule(rf"{START}(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{{4}})(?![\d/])", _in_numbers),
    rule(rf"{START}{_MONTH}\s{_DAY}{_LATER}(?:,?\s(?P<year>\d{{4}}))?(?![\d:%]|[.,]\d)", _month_first),
    rule(
        rf"{START}(?P<the>(?<=the\s))?{_DAY}{_LATER}(?:\sof)?\s{_MONTH}(?![a-z])(?:,?\s(?P<year>\d{{4}}))?(?!\d)",
        _day_first,
    ),
    rule(
        rf"{START}(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d))?{_HALF}(?![\d:])"
        r"(?P<to>\s?[–—-]\s?(?=\d\d?:\d\d))?",
        _time,
    ),
    rule(
        rf"{START}(?P<hour>\d\d?)(?:\s?[–—-]\s?(?P<later>\d\d?))?\s?(?P<half>[ap]\.m(?=\.)|[ap]m|[AP]M)(?!\w)",
        _hour,
    ),
    rule(rf"{START}['’]?(?P<decade>(?:1\d|20)?\d0)['’]?s(?!\w)", _decade),
)
