import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from application.chat.engine import Replies
from application.chat.settle import SettleReply
from application.ports.calls import Calls
from application.ports.persistence import Reading
from application.ports.replies import Run, Runs
from domain.conversation import MessageId, SessionId, SessionNotFound
from domain.errors import StorageUnavailable
from domain.user import UserId

# What an avatar says of the session's replies ends before the context begins; raises nothing of its own.
Hushed = Callable[[UserId, SessionId], AbstractAsyncContextManager[None]]

CONFIRMED_WITHIN_S, LOOK_AGAIN_S = 5.0, 0.5


@dataclass(frozen=True, slots=True)
class Ended:
    """Which reply was ended, if one was, and after how many milliseconds the model's connection was closed;
    unknown when its worker had died."""

    message: MessageId | None = None
    upstream_closed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReply:
    """End the reply of a session, whichever worker generates it; returns when what was said is stored."""

    reading: Reading
    replies: Replies
    runs: Runs
    calls: Calls
    settle: SettleReply
    hushed: Hushed
    within_s: float = CONFIRMED_WITHIN_S

    async def __call__(self, user: UserId, session: SessionId) -> Ended:
        """Raises SessionNotFound; StorageUnavailable when a living worker does not confirm in time."""
        if not await self.reading.owns(user, session):
            raise SessionNotFound
        async with self.hushed(user, session):
            return await self._end(session)

    async def _end(self, session: SessionId) -> Ended:
        stopped = await self.replies.stop_session(session)
        if stopped is not None:
            return Ended(stopped.message, stopped.upstream_closed_ms)
        found = await self.runs.of(session)
        if found is None:
            return Ended()
        run, alive = found
        if not alive:
            await self.runs.release(run)
            if run.message is not None and await self.settle(session, run.message):
                return Ended(run.message)
            return Ended()
        return await self._elsewhere(session, run)

    async def _elsewhere(self, session: SessionId, run: Run) -> Ended:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.within_s
        while (left := deadline - loop.time()) > 0:
            stopped = await self.calls.stop_session(session, min(left, LOOK_AGAIN_S))
            if stopped is not None:
                return Ended(stopped.message, stopped.upstream_closed_ms)
            found = await self.runs.of(session)
            if found is None or found[0].fence != run.fence:
                return Ended()  # it came to its own end meanwhile
        raise StorageUnavailable
