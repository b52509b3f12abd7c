"""Steps on the way of an archive of somebody's data."""

from datetime import datetime
from uuid import uuid4

from application.ports.blobs import Blobs
from application.ports.persistence import Work, WorkFactory
from domain.export import Export, ExportId
from domain.job import JobKind
from domain.user import UserId


def making(id: ExportId) -> str:
    """An archive is made by one job."""
    return f"export:{id}"


async def ordered(w: Work, user: UserId, now: datetime) -> Export:
    """A new archive, to be made once the unit of work is committed."""
    export = Export(user_id=user, disk_name=uuid4().hex, created_at=now)
    w.exports.add(export)
    await w.flush()
    await w.jobs.add(JobKind.EXPORT_ACCOUNT, {"export_id": export.id}, making(export.id), now)
    return export


async def called_off(work: WorkFactory, blobs: Blobs, export: Export, now: datetime) -> bool:
    """Its bytes are gone and will not come again; not while somebody may still be making it."""
    async with work() as w:
        idle = await w.jobs.cancel(making(export.id), now)
        await w.commit()
    if idle:
        await blobs.erase(export.disk_name)
    return idle


async def renewed(work: WorkFactory, blobs: Blobs, user: UserId, since: datetime, now: datetime) -> bool:
    """Something of the user's was deleted at `since`: archives that may have it go, and the one that he waits
    for is made anew. False while one of them may still be being made. Those of somebody who left go with his
    account."""
    async with work() as w:
        if await w.users.get(user) is None:
            return True
        older = [export for export in await w.exports.of(user) if export.created_at <= since]
    for export in older:
        if not await called_off(work, blobs, export, now):
            return False
        async with work() as w:
            his = await w.users.get(user)  # held: who asks for one just now waits
            kept = await w.exports.get(export.id)
            if kept is None:
                continue
            await w.exports.remove(kept.id)
            if his is not None and kept.fetched_at is None and kept.current(now):
                await ordered(w, user, now)
            await w.commit()
    return True
