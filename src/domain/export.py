"""Everything about a user in one archive, made on request and handed out once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NewType

from domain.errors import NotFound
from domain.user import UserId

ExportId = NewType("ExportId", int)
KEPT = timedelta(hours=24)  # how long a finished one waits to be fetched


class ExportNotFound(NotFound):
    msg = "Export not found"


@dataclass(eq=False, kw_only=True)
class Export:
    id: ExportId = field(init=False)  # given by the store
    user_id: UserId
    disk_name: str  # of its bytes, in the blob store
    size: int | None = None  # unknown until it is ready
    created_at: datetime
    ready_at: datetime | None = None
    fetched_at: datetime | None = None  # somebody is reading, or has read, it

    def current(self, now: datetime) -> bool:
        """Whether it is the one its owner has: it is being made, waits, or is being fetched."""
        return self.ready_at is None or now < self.ready_at + KEPT

    def fetchable(self, now: datetime) -> bool:
        return self.ready_at is not None and self.fetched_at is None and self.current(now)
