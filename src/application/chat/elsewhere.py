"""Replies of other workers, followed here: their copies are read again and again as long as somebody
listens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from application.chat import events
from application.chat.feed import Feed
from application.chat.remains import remains
from application.ports.calls import Calls
from application.ports.persistence import Reading
from application.ports.replies import ReplyLogs
from domain.conversation import MessageId, MessageState, SessionId
from domain.errors import StorageUnavailable
from domain.user import UserId

POLL_S = 0.05
SAY_S = 1.0  # how often we say that somebody reads here
DOUBT_S = 2.0  # after so long without news we ask the database whether it is over


@dataclass(eq=False, slots=True)
class _Followed:
    feed: Feed
    log: list[bytes]  # the feed's
    reader: UserId
    listeners: int = 0
    heard_at: float = 0.0


@dataclass(eq=False, slots=True, kw_only=True)
class Elsewhere:
    """One feed for all who read the same reply here. `follow` runs for ever beside them."""

    logs: ReplyLogs
    calls: Calls
    reading: Reading
    poll_s: float = POLL_S
    say_s: float = SAY_S
    doubt_s: float = DOUBT_S
    _followed: dict[MessageId, _Followed] = field(default_factory=dict, init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _say_at: float = field(default=0.0, init=False)

    @contextmanager
    def feed(
        self, session: SessionId, message: MessageId, reader: UserId, log: list[bytes]
    ) -> Iterator[Feed]:
        """The reply's feed, from the copied `log` on, as long as the context lasts."""
        one = self._followed.get(message)
        if one is None:
            feed = Feed(session, message, log, spoken=events.speaks(log))
            one = self._followed[message] = _Followed(feed, log, reader, heard_at=_now())
            self._wanted.set()
            self._say_at = 0.0
        one.listeners += 1
        try:
            yield one.feed
        finally:
            one.listeners -= 1
            if not one.listeners:
                self._followed.pop(message, None)

    def close(self) -> None:
        """Show everybody out: they find their reply at another worker."""
        for one in self._followed.values():
            one.feed.close()

    async def follow(self) -> None:
        """Reads on, for ever."""
        while True:
            if not self._followed:
                self._wanted.clear()
                await self._wanted.wait()
            with suppress(StorageUnavailable):
                if _now() >= self._say_at:
                    self._say_at = _now() + self.say_s
                    await self.calls.followed(list(self._followed))
                await self._read_on()
                await self._end_forgotten()
            await asyncio.sleep(self.poll_s)

    async def _read_on(self) -> None:
        going_on = {m: one for m, one in self._followed.items() if not one.feed.over}
        news = await self.logs.news({m: len(one.feed.log) for m, one in going_on.items()})
        for message, fresh in news.items():
            one = going_on[message]
            one.heard_at = _now()
            one.log += fresh
            one.feed.spoken = one.feed.spoken or events.speaks(fresh)
            if events.is_over(fresh):
                await self._end(one)
            else:
                one.feed.news()

    async def _end_forgotten(self) -> None:
        """A reply may have ended without its copy's being told: its end is in the database then."""
        for message, one in list(self._followed.items()):
            if one.feed.over or _now() - one.heard_at < self.doubt_s:
                continue
            one.heard_at = _now()
            stored = await self.reading.reply(one.reader, message)
            if stored is None or stored.state is not MessageState.STREAMING:
                one.log += remains(one.feed.message, stored, one.feed.session, one.feed.log)
                await self._end(one)

    async def _end(self, one: _Followed) -> None:
        log = one.feed.log
        if one.feed.readers:
            with suppress(StorageUnavailable):  # only for recognising who has heard it all
                await self.logs.tell_end(one.feed.message, len(log))
        one.feed.close(None if events.speaks(log) else events.failure(log))


def _now() -> float:
    return asyncio.get_running_loop().time()
