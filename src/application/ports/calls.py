"""What workers say to each other: about running replies, files, and jobs."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.conversation import MessageId, SessionId
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class StopUser:
    """End whatever is being generated for this user."""

    user: UserId


@dataclass(frozen=True, slots=True)
class StopSession:
    """End the reply of this session. Whoever generates it confirms the order under its number."""

    session: SessionId
    order: str


@dataclass(frozen=True, slots=True)
class StopUnread:
    """End the reply of this session unless somebody reads it."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Followed:
    """Somebody elsewhere reads these replies; said again every second for as long as that is so."""

    messages: Sequence[MessageId]


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """How it stands with a file of this user's may be different now."""

    user: UserId


@dataclass(frozen=True, slots=True)
class JobsCancelled:
    """Whoever is doing a job looks whether it is still his."""


Call = StopUser | StopSession | StopUnread | Followed | FilesChanged | JobsCancelled


@dataclass(frozen=True, slots=True)
class Stopped:
    """What became of an order: which reply it ended, and after how many milliseconds the model's connection
    was closed."""

    message: MessageId
    upstream_closed_ms: int


class Calls(Protocol):
    """Told to every worker, the caller included. A worker that is cut off misses a call: who needs more than
    good will asks for a confirmation, or sees to it by other means. Raises StorageUnavailable."""

    async def stop_user(self, user: UserId) -> None: ...

    async def stop_unread(self, session: SessionId) -> None: ...

    async def followed(self, messages: Sequence[MessageId]) -> None: ...

    async def files_changed(self, user: UserId) -> None: ...

    async def jobs_cancelled(self) -> None: ...

    async def stop_session(self, session: SessionId, within_s: float) -> Stopped | None:
        """What the worker says that has ended the reply; None when nobody has confirmed it in time."""
        ...

    async def confirm(self, order: str, stopped: Stopped) -> None: ...

    def heard(self) -> AsyncGenerator[Call]:
        """The calls as they come, from all workers; ends never, reconnects by itself."""
        ...
