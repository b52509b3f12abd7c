from datetime import datetime
from email.utils import parsedate_to_datetime
from math import ceil

LONGEST_S = 300


def asked_to_wait(value: str | None, now: datetime) -> int | None:
    """What a Retry-After header asks for, be it seconds or a date, as whole seconds from 1 to 300. None when
    it makes no sense."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = int(value[:10])
    else:
        try:
            seconds = ceil((parsedate_to_datetime(value) - now).total_seconds())
        except (ValueError, TypeError, OverflowError):  # no date, or one without a time zone
            return None
    return min(max(seconds, 1), LONGEST_S)
