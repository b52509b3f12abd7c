import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from application.files.check_incoming import Checked
from application.files.sniff import MIME
from application.indexing.news import tell_of_files
from application.indexing.queueing import queue_indexing
from application.ports.blobs import Blobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Reading, Work, WorkFactory
from application.ports.wakeup import Wakeup
from domain.document import (
    FileKind,
    IndexState,
    NameTaken,
    Quota,
    StoredFile,
    index_name,
    numbered,
)
from domain.user import UserId

PIECE = 256 * 1024
NAME_TRIES = 5
WRITERS = 2  # uploads that use the database at a time: whoever chats waits behind these, not behind a hundred

T = TypeVar("T")
Joining = Callable[[Work, StoredFile], Awaitable[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepFile:
    """What every upload ends with: the bytes go to the store, then the row with all that belongs to it is
    written in one transaction, within its owner's quota. A refusal on the way leaves nothing behind.
    Whoever indexes documents, or watches the owner's files, is told."""

    work: WorkFactory
    reading: Reading
    blobs: Blobs
    wakeup: Wakeup
    calls: Calls
    clock: Clock
    quota: Quota
    line: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITERS))

    async def __call__(
        self, checked: Checked, owner: UserId, joining: Joining[T], *, public: bool = False
    ) -> tuple[StoredFile, T]:
        """`joining` adds the file, which has its names by then, and whatever comes with it. Raises
        QuotaExceeded, NameTaken, BlobStoreUnavailable, and what `joining` raises."""
        file, joined = await self._kept(checked, owner, joining, public=public)
        if file.kind is FileKind.DOCUMENT:
            await self.wakeup.ring()
        await tell_of_files(self.calls, owner)
        return file, joined

    async def _kept(
        self, checked: Checked, owner: UserId, joining: Joining[T], *, public: bool
    ) -> tuple[StoredFile, T]:
        # before its bytes are written for nothing; what counts is asked again with the row
        self.quota.require_room(await self.reading.usage(owner), checked.size)
        disk_name, digest = uuid4().hex, hashlib.sha256()
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.blobs.erase, disk_name)
            await self.blobs.put(disk_name, _content(checked.path, digest))
            for attempt in range(1, NAME_TRIES + 1):
                file = StoredFile(
                    user_id=owner,
                    public=public,
                    original_name=checked.name,
                    stored_name="",
                    disk_name=disk_name,
                    kind=checked.kind,
                    mime=MIME[checked.extension],
                    size=checked.size,
                    sha256=digest.hexdigest(),
                    rag_status=IndexState.PENDING if checked.kind is FileKind.DOCUMENT else None,
                    created_at=self.clock.now(),
                )
                try:
                    return file, await self._store(file, owner, joining, undo)
                except NameTaken:
                    if attempt == NAME_TRIES:
                        raise
        raise AssertionError("unreachable")

    async def _store(self, file: StoredFile, owner: UserId, joining: Joining[T], undo: AsyncExitStack) -> T:
        """From the commit on the bytes may belong to a row, even when its answer never came: nothing is
        undone any more."""
        async with self.line, self.work() as w:
            self.quota.require_room(await w.files.usage(owner), file.size)
            await _name(w, owner, file)
            joined = await joining(w, file)
            if file.kind is FileKind.DOCUMENT:
                await queue_indexing(w, file, file.created_at)
            undo.pop_all()
            await w.commit()
        return joined


async def _name(w: Work, owner: UserId, file: StoredFile) -> None:
    """Names that clash with none of the owner's other files."""
    stored = f"{file.created_at:%Y%m%d_%H%M%S}_{file.original_name}"
    file.stored_name = _free(stored, await w.files.stored_names_like(owner, stored))
    if file.kind is FileKind.DOCUMENT:
        indexed = index_name(file.original_name)
        taken = await w.files.index_names_like(owner, indexed, public=file.public)
        file.index_name = _free(indexed, taken)


def _free(name: str, taken: set[str]) -> str:
    n = 1
    while numbered(name, n) in taken:
        n += 1
    return numbered(name, n)


async def _content(path: Path, digest: "hashlib._Hash") -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            digest.update(piece)
            yield piece
