"""Steps on the way of a file from its lists to nowhere."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.files.erase_file import EraseFile, erase_key
from application.indexing.queueing import index_key
from application.ports.knowledge import Erased
from application.ports.persistence import Work
from domain.document import FileId, StoredFile
from domain.errors import DomainError
from domain.job import JobKind

log = logging.getLogger(__name__)

HEAD_START = timedelta(seconds=60)  # longer than all stores together are waited for


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went from the index. `pending`: a store refused, and a job goes on trying."""

    erased: Erased
    pending: bool = False


async def bury(w: Work, file: StoredFile, now: datetime, head_start: timedelta = timedelta()) -> None:
    """The file leaves every list in the moment of the commit; whatever happens then, a job erases it.
    `head_start`: whoever deletes it tries so himself first."""
    file.deleted_at = now
    await w.messages.detach(file.id)
    await w.jobs.cancel(index_key(file.id), now)
    await w.jobs.add(JobKind.ERASE_FILE, {"file_id": file.id}, erase_key(file.id), now + head_start)


async def erased_now(erase_file: EraseFile, id: FileId) -> Deleted:
    """A buried file, once more: as far as the stores let it go at once. It is deleted whatever happens here:
    the job goes on."""
    try:
        return Deleted(await erase_file(id))
    except DomainError as refusal:
        log.warning("erasure queued", extra={"file_id": id, "error": type(refusal).__name__})
    except Exception:
        log.exception("a bug", extra={"file_id": id})
    return Deleted(Erased(), pending=True)
