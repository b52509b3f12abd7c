"""The end of a reply in the database: its text, the counts, and what follows from it, in one transaction."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from application.chat.reply import STORED_AS, Reply, ReplyState
from application.chat.telling import Telling
from application.ports.clock import Clock
from application.ports.persistence import Work, WorkFactory
from domain.conversation import MessageId, MessageState, SessionId
from domain.document import FileId
from domain.errors import StorageUnavailable

SAVE_TRIES, SAVE_PAUSE_S = 4, 0.5


class Kept(Enum):
    """Where a reply's text is in the end."""

    BY_US = auto()
    BY_ANOTHER = auto()  # a worker took us for dead and has settled this reply; it knows the text that counts
    NOWHERE = auto()  # its session or its user was deleted meanwhile


Sources = list[dict[str, object]] | None


async def citable(w: Work, session: SessionId, sources: Sources) -> Sources:
    """A step of a unit of work: the sources of a reply without what was deleted while it was generated. None
    of the others is deleted before it is stored: whoever erases one of them finds whom it was shown to."""
    numbers = {FileId(n) for one in sources or () if isinstance(n := one.get("file_id"), int)}
    if not numbers:
        return sources
    await w.sessions.hold(session)  # before its files, as whoever deletes it takes them
    there = await w.files.living(numbers)
    return [one for one in sources or () if one.get("file_id") in {None, *there}] or None


async def settled(
    w: Work,
    session: SessionId,
    message: MessageId,
    state: MessageState,
    text: str,
    sources: Sources,
    now: datetime,
) -> bool:
    """A step of a unit of work: the reply is completed and counted; False when somebody else did it.

    Whether the model has heard the turn is not said here: nobody knows it of a worker that is gone."""
    done = await w.messages.settle(message, state, text, sources)
    if done is None:
        return False
    if text:
        await w.sessions.count_message(session, now, done.appeared)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReply:
    """Keeps what was said, also when the database is away for a moment."""

    work: WorkFactory
    clock: Clock
    pause_s: float = SAVE_PAUSE_S

    async def __call__(self, reply: Reply, outcome: ReplyState, telling: Telling) -> Kept:
        for attempt in range(1, SAVE_TRIES + 1):
            try:
                return await self._store(reply, outcome, telling)
            except StorageUnavailable as refusal:
                if attempt == SAVE_TRIES:
                    raise
                await asyncio.sleep(max(self.pause_s * attempt, refusal.retry_after or 0))
        raise AssertionError("unreachable")

    async def _store(self, reply: Reply, outcome: ReplyState, telling: Telling) -> Kept:
        now, text, state = self.clock.now(), reply.text, STORED_AS[outcome]
        async with self.work() as w:
            sources = await citable(w, reply.session, reply.sources)
            reply.withdraw(sources)
            told_apart = _told_apart(sources, telling.cited)
            if await settled(w, reply.session, reply.message, state, text, told_apart, now):
                await self._follow_up(w, reply, telling, now)
                await w.commit()
                return Kept.BY_US
            stored = await w.messages.get(reply.message)
            if stored is None:
                return Kept.NOWHERE
            if (stored.state, stored.content) == (state, text):  # an earlier try, whose success was not heard
                return Kept.BY_US
            reply.stored_as(stored.content or "")
        return Kept.BY_ANOTHER

    async def _follow_up(self, w: Work, reply: Reply, telling: Telling, now: datetime) -> None:
        if reply.text and telling.answered_by_fallback:
            # the model that usually answers has not heard this turn: under a new key it will be told
            await w.sessions.renew_memory(reply.session, await w.sessions.new_memory())
        elif reply.text:
            await w.sessions.heard(reply.session)
        for kind in sorted(telling.chores):
            await w.jobs.add(kind, {"session": reply.session}, f"{kind}:{reply.session}", now)


def _told_apart(sources: Sources, cited: Collection[int]) -> Sources:
    """The sources, those marked that the answer cites."""
    if not (sources and cited):
        return sources
    return [{**one, "cited": True} if one["n"] in cited else one for one in sources]
