import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.files.shown import withdrawn
from application.indexing.queueing import index_key
from application.personal_data.archives import renewed
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.knowledge import Erased, Knowledge, KnowledgeTimeout
from application.ports.persistence import Reading, WorkFactory
from application.ports.replies import ReplyLogs
from domain.document import FileId, IndexState, StoredFile
from domain.errors import Unavailable
from domain.job import JobKind

log = logging.getLogger(__name__)

LATE = timedelta(minutes=6)  # longer than anybody waits for somebody else's index to take a document in
SOON = timedelta(seconds=10)


class BeingIndexed(Unavailable):
    """Somebody may still be indexing the file: forgotten now, it could be indexed a moment later."""


class BeingArchived(Unavailable):
    """Somebody may still be making an archive with the file in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseFile:
    """A deleted file goes from wherever there is something of it: what readers were shown, archives, bytes,
    index. The row stays until all have let it go; one that refuses keeps none of the others from it. Safe to
    run twice, at once too, and to break off anywhere."""

    work: WorkFactory
    reading: Reading
    knowledge: Knowledge
    blobs: Blobs
    logs: ReplyLogs
    clock: Clock

    async def __call__(self, id: FileId) -> Erased:
        """What went from the index. Raises what may go better another time."""
        async with self.work() as w:
            file = await w.files.get(id)
        if file is None:
            return Erased()
        refusals = [
            refusal
            for step in (self._withdraw, self._renew_archives, self._erase_bytes)
            if (refusal := await _refusal(step, file))
        ]
        erased = await self._forget(file)
        if failures := [refusal for refusal in refusals if not isinstance(refusal, BeingArchived)]:
            raise failures[0]
        await self._sign_off(file, self._left_until(file, archived=bool(refusals)))
        return erased

    async def _withdraw(self, file: StoredFile) -> None:
        await withdrawn(self.work, self.reading, self.logs, file)

    async def _renew_archives(self, file: StoredFile) -> None:
        if file.public or file.user_id is None or file.deleted_at is None:
            return  # nobody has it in an archive of his own
        now = self.clock.now()
        if not await renewed(self.work, self.blobs, file.user_id, file.deleted_at, now):
            raise BeingArchived

    async def _erase_bytes(self, file: StoredFile) -> None:
        await self.blobs.erase(file.disk_name)

    async def _forget(self, file: StoredFile) -> Erased:
        async with self.work() as w:
            idle = await w.jobs.cancel(index_key(file.id), self.clock.now())
            if not idle:  # whatever was known of it: it may just have been sent once more
                await w.files.mark_indexed(file.id, IndexState.PENDING)
            await w.commit()
        if not idle:
            raise BeingIndexed
        return Erased() if file.index_name is None else await self.knowledge.forget(file)

    def _left_until(self, file: StoredFile, *, archived: bool) -> datetime | None:
        """When the last of it can go at the earliest; None: it is gone."""
        now = self.clock.now()
        if file.deleted_at is not None and self._is_unanswered(file) and now < file.deleted_at + LATE:
            return file.deleted_at + LATE
        return now + SOON if archived else None

    def _is_unanswered(self, file: StoredFile) -> bool:
        """Somebody else's index may still take in what it was sent. Until then the tombstone hides it, and
        keeps its index name from being used again."""
        if self.knowledge.own or file.index_name is None:
            return False
        return file.rag_status is IndexState.PENDING or file.rag_error == KnowledgeTimeout.msg

    async def _sign_off(self, file: StoredFile, left_until: datetime | None) -> None:
        """The row goes, and the words that a full-text index only marks as deleted; or it is tried again."""
        payload: dict[str, object] = {"file_id": file.id}
        async with self.work() as w:
            if left_until is not None:
                key = f"erase_file:{file.id}:{left_until.timestamp():.0f}"
                await w.jobs.add(JobKind.ERASE_FILE, payload, key, left_until)
            else:
                await w.files.remove(file.id)
                await w.jobs.add(JobKind.SWEEP_FULL_TEXT, {}, f"sweep:file:{file.id}", self.clock.now())
            await w.commit()


async def _refusal(step: Callable[[StoredFile], Awaitable[None]], file: StoredFile) -> Exception | None:
    try:
        await step(file)
    except Exception as error:  # noqa: BLE001 (a bug in one place must not save what lies in the others)
        log.warning("not erased yet", extra={"file_id": file.id, "error": type(error).__name__})
        return error
    return None
