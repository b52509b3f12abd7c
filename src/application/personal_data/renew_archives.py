from dataclasses import dataclass
from datetime import datetime, timedelta

from application.jobs.news import tell_of_cancelled_jobs
from application.personal_data.archives import called_off, ordered
from application.ports.blobs import Blobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.errors import Unavailable
from domain.export import Export
from domain.user import UserId

LATE = timedelta(minutes=1)  # so long it may take until a deletion is committed


class BeingArchived(Unavailable):
    """Somebody may still be making an archive that has what was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewArchives:
    """Something of a user's was deleted: archives that may have it go, and the one that he waits for is made
    anew. Those of somebody who left go with his account. Safe to run twice, at once too."""

    work: WorkFactory
    blobs: Blobs
    calls: Calls
    clock: Clock

    async def __call__(self, user: UserId, since: datetime) -> None:
        """`since`: when it was deleted. Who began an archive a moment later may still have seen it: one too
        many is made anew rather. Raises BeingArchived."""
        now = self.clock.now()
        async with self.work() as w:
            if await w.users.get(user) is None:
                return
            older = [export for export in await w.exports.of(user) if export.created_at <= since + LATE]
        for export in older:
            if not await called_off(self.work, self.blobs, export, now):
                await tell_of_cancelled_jobs(self.calls)
                raise BeingArchived
            await self._remove(export, now)

    async def _remove(self, export: Export, now: datetime) -> None:
        async with self.work() as w:
            his = await w.users.get(export.user_id)  # held: who asks for one just now waits
            kept = await w.exports.get(export.id)
            if kept is None:
                return
            await w.exports.remove(kept.id)
            if his is not None and kept.fetched_at is None and kept.current(now):
                await ordered(w, kept.user_id, now)
            await w.commit()
