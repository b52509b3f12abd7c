"""The events of one reply as they come in this process, and those who read along.

A reader has its own place in the log: one that leaves, lags or never reads changes nothing for the others,
and costs no more than its place."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from application.chat.seat import Seat, ring
from domain.conversation import MessageId, SessionId
from domain.errors import DomainError

AT_ONCE = 256  # events in one piece: a reader far behind must not cost a copy of the whole log


@dataclass(eq=False, slots=True)
class Feed:
    """`log` gives the events from the first one on, each a frame ready to be sent (contract 10.1); it only
    ever grows. `over`: nothing will be added any more. `failure`: it ended so, without a word."""

    session: SessionId
    message: MessageId
    log: Sequence[bytes] = ()
    spoken: bool = False  # the first piece of the answer is in the log
    over: bool = False
    failure: DomainError | None = None
    said_at: float = 0.0  # `time.monotonic()` when the newest events came
    times: "tuple[float, float] | None" = None  # to the first piece, in seconds: ours, the model's
    readers: "set[Reader]" = field(default_factory=set)
    _hoping: "set[asyncio.Future[None]]" = field(default_factory=set)  # for the first piece

    def news(self) -> None:
        """The log has grown, or is over: wake everybody who waits for that."""
        self.said_at = time.monotonic()
        for reader in self.readers:
            reader.wake()
        if self._hoping and (self.spoken or self.over):
            for waiter in self._hoping:
                ring(waiter)
            self._hoping.clear()

    def close(self, failure: DomainError | None = None) -> None:
        """Nothing more will come."""
        self.over, self.failure = True, failure
        self.news()

    async def begun(self, seconds: float) -> bool:
        """Whether a first piece is there, or all is over, within `seconds`."""
        if self.spoken or self.over:
            return True
        if seconds <= 0:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._hoping.add(waiter)
        alarm = loop.call_later(seconds, ring, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._hoping.discard(waiter)
        return self.spoken or self.over


@dataclass(eq=False, slots=True)
class Reader(Seat):
    """One follower of a feed, at its own place: `seen` events are behind it. Use as a context manager."""

    feed: Feed
    seen: int = 0
    counts: bool = field(default=True, kw_only=True)  # the reply is not generated for nobody

    def __enter__(self) -> "Reader":
        self.feed.readers.add(self)
        self.since = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.feed.readers.discard(self)

    @property
    @override
    def behind(self) -> int:
        return len(self.feed.log) - self.seen

    @property
    @override
    def finished(self) -> bool:
        """It has left, or the feed is over and every event was taken."""
        return self.left or (self.feed.over and self.seen >= len(self.feed.log))

    async def begun(self, seconds: float) -> bool:
        """As `Feed.begun`; for so long nobody expects it to read."""
        self.since = time.monotonic() + seconds
        try:
            return await self.feed.begun(seconds)
        finally:
            self.since = time.monotonic()

    async def more(self) -> bool:
        """Waits until there are events it has not taken yet; False when it was woken without news, and at the
        end."""
        self.since = time.monotonic()
        if self.seen >= len(self.feed.log) and not self.feed.over and not self.left:
            await self.rest()
        return not self.left and self.seen < len(self.feed.log)

    @override
    async def next(self) -> bytes:
        if not await self.more():
            return b""
        fresh = self.feed.log[self.seen : self.seen + AT_ONCE]
        self.seen += len(fresh)
        return fresh[0] if len(fresh) == 1 else b"".join(fresh)
