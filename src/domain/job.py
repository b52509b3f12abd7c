"""Work that must happen after a commit and may not be lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", int)


class JobKind(StrEnum):
    INDEX_DOCUMENT = "index_document"
    SEND_MAIL = "send_mail"
    ERASE_ACCOUNT = "erase_account"
    ERASE_FILE = "erase_file"
    SWEEP_FULL_TEXT = "sweep_full_text"
    SWEEP_ORPHANS = "sweep_orphans"
    EXPORT_ACCOUNT = "export_account"
    EXPIRE_EXPORT = "expire_export"
    RENEW_ARCHIVES = "renew_archives"
    FORGET_JOBS = "forget_jobs"
    EXPIRE_LOG = "expire_log"
    EXPIRE_SESSIONS = "expire_sessions"
    TITLE_SESSION = "title_session"
    SUMMARISE_SESSION = "summarise_session"


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: whoever holds it renews its lease or loses it. `holder` is the name of this claim."""

    id: JobId
    kind: str
    payload: dict[str, object]
    attempts: int  # this one included
    lease_until: datetime
    holder: str

    def number(self, name: str) -> int:
        """A number from the payload."""
        return int(str(self.payload[name]))

    def moment(self, name: str) -> datetime:
        """A moment from the payload, as `isoformat` writes it."""
        return datetime.fromisoformat(str(self.payload[name]))

    def words(self, name: str) -> Sequence[str]:
        """Words from the payload; none where it has none of this name."""
        words = self.payload.get(name)
        return [str(word) for word in words] if isinstance(words, list) else []

    @property
    def is_last_try(self) -> bool:
        return last_try(self.kind, self.attempts)


MAX_ATTEMPTS = 8
UNTIL_DONE = frozenset(
    {
        JobKind.SEND_MAIL,
        JobKind.ERASE_ACCOUNT,
        JobKind.ERASE_FILE,
        JobKind.SWEEP_FULL_TEXT,
        JobKind.EXPIRE_EXPORT,
        JobKind.RENEW_ARCHIVES,
    }
)  # never given up


def last_try(kind: str, attempts: int) -> bool:
    """Whether a job of this kind is given up when its `attempts`-th try fails."""
    return kind not in UNTIL_DONE and attempts >= MAX_ATTEMPTS


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after the given number of failures: 2 s, 4 s, … at most 10 minutes."""
    return timedelta(seconds=min(600, 2 ** min(attempts, 10)))
