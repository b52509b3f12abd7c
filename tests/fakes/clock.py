from datetime import UTC, datetime, timedelta

from typing_extensions import override

from application.ports.clock import Clock

START = datetime(2025, 11, 18, 10, 30, 45, tzinfo=UTC)


class FakeClock(Clock):
    """Stands still until somebody lets time pass."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    @override
    def now(self) -> datetime:
        return self._now

    def pass_(self, time: timedelta | None = None, *, seconds: float = 0) -> None:
        self._now += (time or timedelta()) + timedelta(seconds=seconds)
