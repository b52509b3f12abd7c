import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from application.chat.removing import removed
from application.chat.sessions import held_session
from application.chat.stop import StopReply
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.replies import ReplyLogs, Runs
from application.ports.wakeup import Wakeup
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.user import UserId

CONFIRMED_WITHIN_S, POLL_S = 2.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSession:
    """A session goes with its messages and files, and nothing of it is being written any more."""

    work: WorkFactory
    stop: StopReply
    runs: Runs
    calls: Calls
    logs: ReplyLogs
    wakeup: Wakeup
    clock: Clock

    async def __call__(self, user: UserId, id: SessionId) -> None:
        """Raises SessionNotFound; StorageUnavailable when the running reply could not be stopped."""
        await self.stop(user, id)
        async with self.work() as w:
            session = await held_session(w, user, id)
            replies = await removed(w, session, self.clock.now())
            await w.commit()
        await tell_of_files(self.calls, user)
        await self._tidy_up(id, replies)

    async def _tidy_up(self, session: SessionId, replies: Sequence[MessageId]) -> None:
        """Whoever is not reached here finds out when he stores his reply, and forgets its copy himself."""
        await self.wakeup.ring()
        with suppress(StorageUnavailable):
            await self._silence(session)
            await self.logs.forget(replies)

    async def _silence(self, session: SessionId) -> None:
        """What was asked between the stop and the end of the session is not answered any more."""
        deadline = asyncio.get_running_loop().time() + CONFIRMED_WITHIN_S
        while (found := await self.runs.of(session)) and asyncio.get_running_loop().time() < deadline:
            run, alive = found
            if not alive:
                return
            if run.message is not None:
                await self.calls.stop_session(session, CONFIRMED_WITHIN_S)
                return
            await asyncio.sleep(POLL_S)  # it is just being stored, or refused
