from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """`times` per `window`, counted per subject."""

    scope: str
    times: int
    window: timedelta


class Throttle(Protocol):
    """Rates shared by all workers; atomic. Raises StorageUnavailable."""

    async def take(self, limit: Limit, subject: str) -> int:
        """Count one event: 0 within the limit; else not counted, and the seconds until one would be."""
        ...

    async def give_back(self, limit: Limit, subject: str) -> None:
        """Undo one `take`: what was counted beforehand turned out not to count."""
        ...

    async def forget(self, limit: Limit, subject: str) -> None:
        """Start the subject's count anew."""
        ...
