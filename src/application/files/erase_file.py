import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.files.shown import withdrawn
from application.indexing.queueing import index_key
from application.jobs.news import tell_of_cancelled_jobs
from application.personal_data.renew_archives import BeingArchived, RenewArchives
from application.ports.blobs import Blobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.knowledge import Erased, Knowledge
from application.ports.persistence import Reading, Work, WorkFactory
from application.ports.replies import ReplyLogs
from domain.document import FileId, StoredFile
from domain.errors import DomainError, Unavailable
from domain.job import JobKind

log = logging.getLogger(__name__)

LATE = timedelta(minutes=6)  # longer than anybody waits for somebody else's index to take a document in
SOON = timedelta(seconds=2)  # by then whoever is still at it has heard that he need not be


def erase_key(id: FileId) -> str:
    """A deleted file is erased by one job."""
    return f"erase_file:{id}"


class BeingIndexed(Unavailable):
    """Somebody may still be indexing the file: forgotten now, it could be indexed a moment later."""


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
    renew_archives: RenewArchives
    calls: Calls
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
        if refusals:
            raise refusals[0]
        await self._sign_off(file)
        return erased

    async def _withdraw(self, file: StoredFile) -> None:
        await withdrawn(self.work, self.reading, self.logs, file)

    async def _renew_archives(self, file: StoredFile) -> None:
        if file.public or file.user_id is None or file.deleted_at is None:
            return  # nobody has it in an archive of his own
        try:
            await self.renew_archives(file.user_id, file.deleted_at)
        except BeingArchived:
            async with self.work() as w:
                await self._hasten(w, file)
                await w.commit()
            raise

    async def _erase_bytes(self, file: StoredFile) -> None:
        await self.blobs.erase(file.disk_name)

    async def _forget(self, file: StoredFile) -> Erased:
        async with self.work() as w:
            idle = await w.jobs.cancel(index_key(file.id), self.clock.now())
            if not idle:
                await self._hasten(w, file)
            await w.commit()
        if not idle:
            await tell_of_cancelled_jobs(self.calls)
            raise BeingIndexed
        return Erased() if file.index_name is None else await self.knowledge.forget(file)

    async def _hasten(self, w: Work, file: StoredFile) -> None:
        """No need to wait for as long as whoever deletes it might have needed."""
        await w.jobs.hasten(erase_key(file.id), self.clock.now() + SOON)

    async def _left_until(self, w: Work, file: StoredFile) -> datetime | None:
        """When the last of it can go at the earliest; None: it is gone."""
        if (
            file.deleted_at is not None
            and self.clock.now() < file.deleted_at + LATE
            and await self._may_come_late(w, file)
        ):
            return file.deleted_at + LATE
        return None

    async def _may_come_late(self, w: Work, file: StoredFile) -> bool:
        """Somebody else's index may still take in what it was sent, and a worker that was asleep may still
        send it. Until then the tombstone hides it, and keeps its index name from being used again. Our own
        index takes nothing in of a file that is deleted."""
        sent_on = not self.knowledge.own and file.index_name is not None
        return sent_on and await w.jobs.went_wrong(index_key(file.id))

    async def _sign_off(self, file: StoredFile) -> None:
        """The row goes, and the words that a full-text index only marks as deleted; or it is tried again."""
        payload: dict[str, object] = {"file_id": file.id}
        async with self.work() as w:
            left_until = await self._left_until(w, file)
            if left_until is not None:
                key = f"{erase_key(file.id)}:{left_until.timestamp():.0f}"
                await w.jobs.add(JobKind.ERASE_FILE, payload, key, left_until)
            else:
                await w.files.remove(file.id)
                await w.jobs.add(JobKind.SWEEP_FULL_TEXT, {}, f"sweep:file:{file.id}", self.clock.now())
            await w.commit()


async def _refusal(step: Callable[[StoredFile], Awaitable[None]], file: StoredFile) -> Exception | None:
    try:
        await step(file)
    except DomainError as refusal:
        log.warning("not erased yet", extra={"file_id": file.id, "error": type(refusal).__name__})
        return refusal
    except Exception as bug:  # in one place: it must not save what lies in the others
        log.exception("a bug", extra={"file_id": file.id})
        return bug
    return None
