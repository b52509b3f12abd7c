from dataclasses import dataclass

from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.knowledge import Knowledge
from application.ports.persistence import WorkFactory
from domain.document import FileId
from domain.errors import Unavailable
from domain.job import JobKind


class BeingIndexed(Unavailable):
    """Somebody may still be indexing the file: forgotten now, it could be indexed a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseFile:
    """A deleted file: bytes, then what was indexed of it, then the row, which stays until both are gone. Safe
    to run twice, and to break off anywhere."""

    work: WorkFactory
    knowledge: Knowledge
    blobs: Blobs
    clock: Clock

    async def __call__(self, id: FileId) -> None:
        """Raises what may go better another time."""
        async with self.work() as w:
            file = await w.files.get(id)
            idle = await w.jobs.cancel(f"index:{id}", self.clock.now())
            await w.commit()
        if file is None:
            return
        await self.blobs.erase(file.disk_name)
        if not idle:
            raise BeingIndexed
        if file.index_name is not None:
            await self.knowledge.forget(file)
        async with self.work() as w:
            await w.files.remove(id)
            await w.jobs.add(JobKind.SWEEP_FULL_TEXT, {}, f"sweep:file:{id}", self.clock.now())
            await w.commit()
