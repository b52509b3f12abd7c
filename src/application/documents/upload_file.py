import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from application.chat.sessions import opened_session, owned_session
from application.documents.sniff import HEAD, MIME, check_media
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.extraction import Extractor
from application.ports.persistence import Reading, Work, WorkFactory
from application.ports.wakeup import Wakeup
from domain.conversation import (
    Message,
    MessageId,
    SessionId,
    Speaker,
    id_of,
)
from domain.document import (
    MB,
    BadFile,
    FileKind,
    FileTooLarge,
    IndexState,
    NameTaken,
    StoredFile,
    clean_filename,
    index_name,
    kind_of,
    numbered,
)
from domain.errors import MissingField, StorageUnavailable
from domain.job import JobKind
from domain.user import UserId

TITLE_NAME = 30
PIECE = 256 * 1024
NAME_TRIES = 5
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file as it arrived, on this machine's disk."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    file: StoredFile
    session: SessionId
    message: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """A file joins a chat session. Nothing is made before every check has passed; documents are indexed
    by a job, and its failure never fails the upload."""

    work: WorkFactory
    reading: Reading
    blobs: Blobs
    extractor: Extractor
    wakeup: Wakeup
    clock: Clock
    max_mb: dict[FileKind, int]
    index_wait_s: float

    async def __call__(self, user: UserId, incoming: Incoming | None, session_id: str | None) -> Uploaded:
        if incoming is None:
            raise MissingField("No file part in the request")
        name = clean_filename(incoming.name)
        kind, extension = kind_of(name)
        self._check_size(incoming, kind)
        await self._check_content(incoming, kind, extension)
        session = SessionId(known) if (known := id_of(session_id, "Invalid session_id")) else None
        if session is not None:
            async with self.work() as w:
                await owned_session(w, user, session)
        uploaded = await self._keep(user, incoming, name, kind, extension, session)
        if uploaded.file.kind is FileKind.DOCUMENT:
            await self.wakeup.ring()
            await self._wait_for_index(uploaded.file)
        return uploaded

    def _check_size(self, incoming: Incoming, kind: FileKind) -> None:
        if incoming.size == 0:
            raise BadFile("File is empty")
        if incoming.size > self.max_mb[kind] * MB:
            raise FileTooLarge(f"File too large. Maximum size for {kind} files is {self.max_mb[kind]} MB")

    async def _check_content(self, incoming: Incoming, kind: FileKind, extension: str) -> None:
        if kind is FileKind.DOCUMENT:
            await self.extractor.check(incoming.path, extension)
        else:
            check_media(await asyncio.to_thread(_head, incoming.path), extension)

    async def _keep(
        self,
        user: UserId,
        incoming: Incoming,
        name: str,
        kind: FileKind,
        extension: str,
        session: SessionId | None,
    ) -> Uploaded:
        disk_name, digest = uuid4().hex, hashlib.sha256()
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.blobs.erase, disk_name)
            await self.blobs.put(disk_name, _content(incoming.path, digest))
            for attempt in range(1, NAME_TRIES + 1):
                file = StoredFile(
                    user_id=user,
                    original_name=name,
                    stored_name="",
                    disk_name=disk_name,
                    kind=kind,
                    mime=MIME[extension],
                    size=incoming.size,
                    sha256=digest.hexdigest(),
                    rag_status=IndexState.PENDING if kind is FileKind.DOCUMENT else None,
                    created_at=self.clock.now(),
                )
                try:
                    return await self._store(user, file, session, undo)
                except NameTaken:
                    if attempt == NAME_TRIES:
                        raise
        raise AssertionError("unreachable")

    async def _store(
        self, user: UserId, file: StoredFile, id: SessionId | None, undo: AsyncExitStack
    ) -> Uploaded:
        """Session, file, message and job, in one transaction. From the commit on the bytes
        may belong to a row, even when its answer never came: nothing is undone any more."""
        now = file.created_at
        async with self.work() as w:
            if id is None:
                title = f"File: {file.original_name[:TITLE_NAME]}"
                session = await opened_session(w, user, title, now)
            else:
                session = await owned_session(w, user, id)
            await _name(w, user, file)
            file.session_id = session.id
            w.files.add(file)
            await w.flush()
            message = Message(
                session_id=session.id,
                speaker=Speaker.USER,
                content=f"Uploaded {file.kind}: {file.original_name}",
                file_type=file.kind,
                file_path=file.path,
                file_id=file.id,
                created_at=now,
            )
            w.messages.add(message)
            await w.flush()
            file.message_id = message.id
            await w.sessions.count_message(session.id, now)
            if file.kind is FileKind.DOCUMENT:
                await w.jobs.add(JobKind.INDEX_DOCUMENT, {"file_id": file.id}, f"index:{file.id}", now)
            undo.pop_all()
            await w.commit()
        return Uploaded(file, session.id, message.id)

    async def _wait_for_index(self, file: StoredFile) -> None:
        """Up to `index_wait_s`, so that most clients hear at once that their document is ready."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.index_wait_s
        while file.rag_status is IndexState.PENDING and loop.time() < deadline:
            await asyncio.sleep(POLL_S)
            with suppress(StorageUnavailable):  # the upload has succeeded, whatever happens now
                file.rag_status, file.rag_error = await self.reading.index_state(file.id)


async def _name(w: Work, user: UserId, file: StoredFile) -> None:
    """Names that clash with none of the owner's other files."""
    stored = f"{file.created_at:%Y%m%d_%H%M%S}_{file.original_name}"
    file.stored_name = _free(stored, await w.files.stored_names_like(user, stored))
    if file.kind is FileKind.DOCUMENT:
        indexed = index_name(file.original_name)
        file.index_name = _free(indexed, await w.files.index_names_like(user, indexed))


def _free(name: str, taken: set[str]) -> str:
    n = 1
    while numbered(name, n) in taken:
        n += 1
    return numbered(name, n)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


async def _content(path: Path, digest: "hashlib._Hash") -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            digest.update(piece)
            yield piece
