"""What workers share about replies that are being generated. Losing it loses no message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.conversation import MessageId, SessionId


@dataclass(frozen=True, slots=True)
class Run:
    """A reply in the making: which worker generates it. `fence` grows with each claim of any session."""

    session: SessionId
    worker: str
    fence: int
    message: MessageId | None = None  # unknown until the question is stored


class SessionBusy(Exception):
    """A live worker is generating a reply in this session."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.session)
        self.run = run


class Runs(Protocol):
    """At most one reply per session, across workers. Raises StorageUnavailable."""

    async def claim(self, session: SessionId) -> tuple[Run, Run | None]:
        """The session is ours. The second value is the run of a dead worker whose place we took: its reply
        is ours to settle. Raises SessionBusy."""
        ...

    async def bind(self, run: Run, message: MessageId) -> Run:
        """Say which message the run completes."""
        ...

    async def holds(self, run: Run) -> bool:
        """Whether the run is still ours; keeps it alive if it is."""
        ...

    async def release(self, run: Run) -> None:
        """The session is free, unless somebody else has claimed it meanwhile."""
        ...

    async def of(self, session: SessionId) -> tuple[Run, bool] | None:
        """Who answers in the session, and whether that worker is alive."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events of one reply, the first numbered `first`, each as its JSON."""

    message: MessageId
    first: int
    events: Sequence[bytes]


class ReplyLogs(Protocol):
    """A copy of running replies, for other workers and for the time after a crash."""

    async def append(self, batches: Sequence[Batch]) -> None:
        """Add events of any number of replies in one go. What was added before may be added again (after an
        answer that never came): it counts once."""
        ...

    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        """The events numbered above `after`, in order; empty when there is nothing (left)."""
        ...

    async def expire(self, message: MessageId) -> None:
        """The reply has ended: keep its events ten more minutes."""
        ...

    async def forget(self, messages: Sequence[MessageId]) -> int:
        """Nothing is kept of these replies any more; of how many something was."""
        ...
