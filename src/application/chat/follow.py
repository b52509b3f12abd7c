"""Reading a reply again, from any place, wherever it is generated and whether or not it still is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from application.chat import events
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Replies
from application.chat.feed import Feed
from application.chat.remains import ending, remains
from application.ports.persistence import Reading, ReplyRecord
from application.ports.replies import ReplyLogs, Runs
from domain.conversation import MessageId, MessageNotFound, MessageState, SessionId
from domain.errors import ShuttingDown, StorageUnavailable
from domain.user import UserId


class NothingLeft(Exception):
    """The reader has seen the last event."""


CATCH_UP_S, CATCH_UP_TRIES = 0.05, 200  # ten seconds: a dead worker's reply is settled within five


@dataclass(frozen=True, slots=True)
class Place:
    """A feed, and how many of the events in its log the reader has behind him."""

    feed: Feed
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowReply:
    """The reply's feed as long as the context lasts: the running one, a copy that grows, or what is
    stored."""

    replies: Replies
    elsewhere: Elsewhere
    reading: Reading
    runs: Runs
    logs: ReplyLogs

    @asynccontextmanager
    async def __call__(self, user: UserId, message: MessageId, after: int | None) -> AsyncIterator[Place]:
        """`after` is the number of the last event that the reader has seen; None: none, or he does not know.
        Raises MessageNotFound, NothingLeft."""
        running = self.replies.get(message)
        if running is not None and running.user == user:
            if running.feed.over and (after or 0) >= len(running.feed.log):
                raise NothingLeft
            yield Place(running.feed, after or 0)
            return
        stored = await self.reading.reply(user, message)
        if stored is None:
            raise MessageNotFound
        goes_on = stored.state is MessageState.STREAMING or await self._is_being_told(stored.session, message)
        log = list(await self.logs.read(message))  # after asking: what was told by then is in it
        if goes_on and not events.is_over(log):
            if self.replies.draining:
                raise ShuttingDown
            with self.elsewhere.feed(stored.session, message, user, log) as feed:
                if await self._has_reached(feed, after or 0):
                    yield Place(feed, after or 0)
                    return
            stored = await self.reading.reply(user, message) or stored
            log = list(feed.log)
        yield await self._ended(message, stored, log, after)

    async def _has_reached(self, feed: Feed, place: int) -> bool:
        """Whether the copy has caught up with a reader who has seen more; False when it ended before that."""
        for _ in range(CATCH_UP_TRIES):
            if len(feed.log) >= place or feed.over:
                break
            await asyncio.sleep(CATCH_UP_S)
        return not (feed.over and events.survived(feed.log) < place)

    async def _is_being_told(self, session: SessionId, message: MessageId) -> bool:
        """Whether its worker still has it: what is stored already may not be copied yet."""
        found = await self.runs.of(session)
        return found is not None and found[1] and found[0].message == message

    async def _ended(
        self, message: MessageId, stored: ReplyRecord, log: list[bytes], after: int | None
    ) -> Place:
        seen = after or 0
        if seen and await self._has_heard_it_all(message, log, seen):
            raise NothingLeft
        if seen <= events.survived(log) or not seen:
            if not events.is_over(log):
                log += remains(message, stored, stored.session, log)
            rest = log[seen:]
        elif log and stored.state is not MessageState.FINAL:  # beyond what survived
            rest = events.cut_off(stored.session, message, stored.content, seen)
        else:  # the events are gone: nobody knows which text he has
            rest = ending(message, stored, seen)
        with suppress(StorageUnavailable):
            await self.logs.tell_end(message, seen + len(rest))
        feed = Feed(stored.session, message, rest, spoken=True)
        feed.close(events.failure(rest) if not seen and not events.speaks(rest) else None)
        return Place(feed, 0)

    async def _has_heard_it_all(self, message: MessageId, log: list[bytes], seen: int) -> bool:
        if await self.logs.end_was_told(message, seen):
            return True
        # whoever generated the reply itself told its end under the last number, and nothing beyond it
        return events.is_over(log) and seen >= len(log) and not events.was_cut_off(log)
