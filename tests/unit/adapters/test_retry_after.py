from datetime import UTC, datetime

import pytest

from adapters.http.retry_after import asked_to_wait

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 1),
        ("300", 300),
        ("301", 300),
        ("9" * 5000, 300),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 1),
        ("Sun, 01 Mar 2099 12:00:00 GMT", 300),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value: str, seconds: int) -> None:
    assert asked_to_wait(value, NOW) == seconds


@pytest.mark.parametrize("value", [None, "", "soon", "-1", "1.5", "1e3", "٣", "Sun, 01 Mar 2026 12:00:30"])
def test_what_makes_no_sense_asks_for_nothing(value: str | None) -> None:
    assert asked_to_wait(value, NOW) is None
