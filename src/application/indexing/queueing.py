"""The work of making documents findable, as jobs."""

from datetime import datetime

from application.ports.persistence import Work
from domain.document import FileId, StoredFile
from domain.job import JobKind

INDEX_KEY = "index:"


def index_key(id: FileId) -> str:
    """A file has one such job at a time."""
    return f"{INDEX_KEY}{id}"


async def queue_indexing(w: Work, file: StoredFile, now: datetime, *, quietly: bool = False) -> None:
    """A job for the file, which has an id by now; none beside one that is not finished yet. `quietly`: its
    owner has not asked for it and is told of a failure only."""
    payload: dict[str, object] = {"file_id": file.id}
    if quietly:
        payload["quietly"] = True
    await w.jobs.add(JobKind.INDEX_DOCUMENT, payload, index_key(file.id), now, file.user_id)
