"""Everybody who reads a stream in this process: given a sign of life when it is quiet for long, shown out
when they read too slowly."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from application.chat.feed import Feed, Reader
from application.chat.seat import Seat
from application.ports.metrics import ReplyMetrics
from domain.errors import RateLimited
from domain.user import UserId

LOOK_S = 1.0
LAG_MAX = 10_000  # events waiting for one reader
SPREAD = (0.7, 1.0)  # of the heartbeat: who came together is not woken together for ever
STALL_S = 30.0  # that long with one piece in hand is no reading any more

STREAMS_PER_USER, RETRY_S = 40, 5  # at one worker: more than anybody reads


class TooManyStreams(RateLimited):
    msg = "Too many open streams. Please close some first."


@dataclass(eq=False, slots=True, kw_only=True)
class Audience:
    """`heartbeat_s`: how long a reader may go without a word from us."""

    metrics: ReplyMetrics
    heartbeat_s: float
    lag_max: int = LAG_MAX
    stall_s: float = STALL_S
    look_s: float = LOOK_S
    per_user: int = STREAMS_PER_USER
    _of: Counter[UserId] = field(default_factory=Counter, init=False)
    _seats: set[Seat] = field(default_factory=set, init=False)

    @contextmanager
    def admitted(self, user: UserId) -> Iterator[None]:
        """The user may open a stream here, and it counts as long as the context lasts. Raises
        TooManyStreams."""
        if self._of[user] >= self.per_user:
            raise TooManyStreams(retry_after=RETRY_S)
        self._of[user] += 1
        try:
            yield
        finally:
            self._of[user] -= 1
            if not self._of[user]:
                del self._of[user]

    @contextmanager
    def seat(self, feed: Feed, after: int = 0) -> Iterator[Reader]:
        """A reader of the feed who has seen the first `after` events, as long as the context lasts."""
        reader = Reader(feed, after)
        with self.attended(reader), reader:
            yield reader

    @contextmanager
    def attended(self, seat: Seat) -> Iterator[None]:
        """Whoever sits there is looked after as long as the context lasts."""
        self.metrics.reader_came()
        spread = random.uniform(*SPREAD)  # noqa: S311  # nobody has to be unable to guess it
        seat.patience_s, seat.since = self.heartbeat_s * spread, time.monotonic()
        self._seats.add(seat)
        try:
            yield
        finally:
            self._seats.discard(seat)
            self.metrics.reader_left(dropped=seat.dropped)

    async def attend(self) -> None:
        """Looks after the readers, for ever."""
        while True:
            await asyncio.sleep(self._pause_s)
            self.look()

    @property
    def _pause_s(self) -> float:
        return min(self.look_s, self.heartbeat_s / 4)

    def look(self) -> None:
        now = time.monotonic()
        for seat in list(self._seats):
            if seat.waiting:
                if now - seat.since >= seat.patience_s - self._pause_s:  # the next look would be late
                    seat.wake()
                continue
            busy_s = now - seat.since
            if busy_s > self.stall_s or (busy_s > self.look_s and seat.behind > self.lag_max):
                seat.drop()  # who has only just come, or come back, may have much to read
