from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.knowledge import Knowledge, KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import WorkFactory
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.document import StoredFile
from domain.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalFiles(PersonalStore):
    """Personal files: bytes, then what was indexed of them, then the row, which stays until both are gone."""

    name: ClassVar[str] = "files"
    work: WorkFactory
    knowledge: Knowledge
    blobs: Blobs
    clock: Clock

    @override
    async def erase(self, departed: Departed) -> int:
        async with self.work() as w:
            files = await w.files.personal_of(departed.id)
        for file in files:
            await self.blobs.erase(file.disk_name)
        erased, refusals = await self._forget(files)
        if refusals:
            raise StillThere(erased) from refusals[0]
        return erased

    async def _forget(self, files: Sequence[StoredFile]) -> tuple[int, list[DomainError]]:
        """How many are gone, and why the others are not."""
        erased, refusals = 0, list[DomainError]()
        for file in files:
            try:
                await self._forget_one(file)
                erased += 1
            except (KnowledgeUnreachable, KnowledgeTimeout) as refusal:
                return erased, [refusal]  # the next one would only wait for the same
            except DomainError as refusal:
                refusals.append(refusal)
        return erased, refusals

    async def _forget_one(self, file: StoredFile) -> None:
        async with self.work() as w:
            indexing = not await w.jobs.cancel(f"index:{file.id}", self.clock.now())
            await w.commit()
        if indexing:
            raise StillThere  # forgotten now, it could be indexed a moment later
        if file.index_name is not None:
            await self.knowledge.forget(file)
        async with self.work() as w:
            await w.files.remove(file.id)
            await w.commit()
