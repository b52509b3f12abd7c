import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.chat.removing import removed
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import IdleSession, Reading, WorkFactory
from application.ports.replies import ReplyLogs
from application.ports.wakeup import Wakeup
from domain.conversation import SessionId
from domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

PORTION = 100
MOST = 500  # in one go, so that other jobs come to their turn
ENOUGH = 3  # sessions for which the database was away: it is none of theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireSessions:
    """Sessions that nobody has used for so long go like deleted ones, each by itself: one that is used again
    in the last moment stays, and one that cannot be removed is passed over. Safe to break off anywhere. None
    goes where `keep` is None."""

    work: WorkFactory
    reading: Reading
    calls: Calls
    logs: ReplyLogs
    wakeup: Wakeup
    clock: Clock
    keep: timedelta | None

    async def __call__(self) -> bool:
        """Whether there may be more. Raises StorageUnavailable."""
        if self.keep is None:
            return False
        before, expired, out_of_reach = self.clock.now() - self.keep, 0, 0
        last: IdleSession | None = None
        while expired < MOST and (idle := await self.reading.idle_sessions(before, PORTION, last)):
            for last in idle:
                try:
                    expired += await self._remove(last.id, before)
                except Exception as failure:  # one must not save those behind it
                    log.exception("a session could not expire", extra={"session_id": last.id})
                    out_of_reach += isinstance(failure, StorageUnavailable)
                    if out_of_reach == ENOUGH:
                        raise
        if expired:
            log.info("idle sessions have expired", extra={"sessions": expired})
            await self.wakeup.ring()
        return expired >= MOST

    async def _remove(self, id: SessionId, before: datetime) -> bool:
        """Whether it still was one of those."""
        async with self.work() as w:
            session = await w.sessions.hold(id)
            if session is None or not await w.sessions.is_idle(id, before):
                return False
            owner = session.owner
            replies = await removed(w, session, self.clock.now(), together=True)
            await w.commit()
        with suppress(StorageUnavailable):  # no copy outlives the hour by much
            await self.logs.forget(replies)
        await tell_of_files(self.calls, owner)
        return True
