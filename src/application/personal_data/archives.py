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
