"""Work that must happen after a commit and may not be lost."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", int)


class JobKind(StrEnum):
    INDEX_DOCUMENT = "index_document"


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: whoever holds it renews its lease or loses it."""

    id: JobId
    kind: str
    payload: dict[str, object]
    attempts: int  # this one included
    lease_until: datetime


MAX_ATTEMPTS = 8


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after the given number of failures: 2 s, 4 s, … at most 10 minutes."""
    return timedelta(seconds=min(600, 2**attempts))
