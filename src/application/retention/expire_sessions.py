import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.chat.removing import removed
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.replies import ReplyLogs
from application.ports.wakeup import Wakeup
from domain.conversation import SessionId
from domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

PORTION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireSessions:
    """Sessions that nobody has used for so long go like deleted ones, each by itself: one that is used again
    in the last moment stays. Safe to break off anywhere. None goes where `keep` is None."""

    work: WorkFactory
    calls: Calls
    logs: ReplyLogs
    wakeup: Wakeup
    clock: Clock
    keep: timedelta | None

    async def __call__(self) -> None:
        if self.keep is None:
            return
        before, expired = self.clock.now() - self.keep, 0
        while idle := await self._idle(before):
            for id in idle:
                expired += await self._remove(id, before)
        if expired:
            log.info("idle sessions have expired", extra={"sessions": expired})
            await self.wakeup.ring()

    async def _idle(self, before: datetime) -> list[SessionId]:
        async with self.work() as w:
            return list(await w.sessions.idle(before, PORTION))

    async def _remove(self, id: SessionId, before: datetime) -> bool:
        """Whether it still was one of those."""
        async with self.work() as w:
            session = await w.sessions.hold(id)
            if session is None or not await w.sessions.is_idle(id, before):
                return False
            owner = session.owner
            replies = await removed(w, session, self.clock.now())
            await w.commit()
        with suppress(StorageUnavailable):  # no copy outlives the hour by much
            await self.logs.forget(replies)
        await tell_of_files(self.calls, owner)
        return True
