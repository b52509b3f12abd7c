from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.files.erase_file import EraseFile
from application.ports.blobs import Blobs
from application.ports.knowledge import KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import WorkFactory
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.document import StoredFile
from domain.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalFiles(PersonalStore):
    """Personal files: the bytes of all, whatever becomes of the rest, then one by one what was indexed of
    them, and the row."""

    name: ClassVar[str] = "files"
    work: WorkFactory
    blobs: Blobs
    erase_file: EraseFile

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
                await self.erase_file(file.id)
                erased += 1
            except (KnowledgeUnreachable, KnowledgeTimeout) as refusal:
                return erased, [refusal]  # the next one would only wait for the same
            except DomainError as refusal:
                refusals.append(refusal)
        return erased, refusals
