import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.files.erase_file import EraseFile
from application.ports.blobs import Blobs, BlobStoreUnavailable
from application.ports.knowledge import KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import WorkFactory
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.document import StoredFile
from domain.errors import DomainError

log = logging.getLogger(__name__)

AWAY = (BlobStoreUnavailable, KnowledgeUnreachable, KnowledgeTimeout)
ENOUGH = 3  # files for which somebody was away: it is none of theirs, and the next would only wait as long


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
        await _each(files, self._erase_bytes)  # whatever stays is tried again with the rest of its file
        erased, failures = await _each(files, self._forget)
        if failures:
            raise StillThere(erased) from failures[0]
        return erased

    async def _erase_bytes(self, file: StoredFile) -> None:
        await self.blobs.erase(file.disk_name)

    async def _forget(self, file: StoredFile) -> None:
        await self.erase_file(file.id)


async def _each(
    files: Sequence[StoredFile], step: Callable[[StoredFile], Awaitable[None]]
) -> tuple[int, list[Exception]]:
    """With how many it went well, and why not with the others."""
    done, failures = 0, list[Exception]()
    for file in files:
        if sum(isinstance(failure, AWAY) for failure in failures) == ENOUGH:
            break
        try:
            await step(file)
            done += 1
        except DomainError as refusal:
            failures.append(refusal)
        except Exception as bug:  # with one file: it must not save those behind it
            log.exception("a bug", extra={"file_id": file.id})
            failures.append(bug)
    return done, failures
