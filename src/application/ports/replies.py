"""What workers share about replies that are being generated. Losing it loses no message."""

from collections.abc import Collection, Mapping, Sequence
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
        """Say which message the run completes. Raises SessionBusy when somebody else has claimed the session
        meanwhile."""
        ...

    async def lost(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Those that are not ours any more; the others are kept alive. One round trip."""
        ...

    async def release(self, run: Run) -> None:
        """The session is free, unless somebody else has claimed it meanwhile."""
        ...

    async def of(self, session: SessionId) -> tuple[Run, bool] | None:
        """Who answers in the session, and whether that worker is alive."""
        ...

    async def of_all(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, tuple[Run, bool]]:
        """As `of`, for any number of sessions in one go; those in which nobody answers are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events of one reply, the first numbered `first`, each as its frame. `ends`: the reply's
    last is among them, and nothing is added behind it any more, whoever tries."""

    message: MessageId
    first: int
    frames: Sequence[bytes]
    ends: bool = False

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1


class ReplyLogs(Protocol):
    """A copy of running replies, for other workers and for the time after a crash."""

    async def append(self, batches: Sequence[Batch]) -> Collection[MessageId]:
        """Add events of any number of replies in one go. What was added before may be added again (after an
        answer that never came): it counts once. The replies whose earlier events are gone: of those nothing
        was added, they must be copied from the start."""
        ...

    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        """The frames numbered above `after`, in order and without a gap; empty when there is nothing
        (left)."""
        ...

    async def news(self, seen: Mapping[MessageId, int]) -> Mapping[MessageId, Sequence[bytes]]:
        """As `read`, for any number of replies in one go; those without news are left out."""
        ...

    async def expire(self, message: MessageId) -> None:
        """The reply has ended: keep its events ten more minutes."""
        ...

    async def tell_end(self, message: MessageId, n: int) -> None:
        """Some reader was told that the reply is over, under this number; remembered for ten minutes. After a
        crash the numbers of the last events do not follow from the log alone."""
        ...

    async def end_was_told(self, message: MessageId, n: int) -> bool: ...

    async def forget(self, messages: Sequence[MessageId]) -> int:
        """Nothing is kept of these replies any more; of how many something was."""
        ...
