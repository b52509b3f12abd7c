"""Everything about a user, as one zip archive."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from application.ports.archives import Archive, Archives
from application.ports.blobs import BlobNotFound, Blobs
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.personal_data import PersonalRecords, RecordKind
from application.ports.pictures import Pictures
from domain.document import StoredFile, numbered
from domain.errors import DomainError
from domain.export import KEPT, Export, ExportId
from domain.job import JobKind
from domain.user import UserId

PIECE = 64 * 1024
SINGLE = {RecordKind.ACCOUNT: "account.json", RecordKind.PROFILE: "profile.json"}
LISTS = {
    RecordKind.CHAT_SESSION: "chat_sessions.json",
    RecordKind.MESSAGE: "messages.json",
    RecordKind.FILE: "files.json",
    RecordKind.NOTIFICATION: "notifications.json",
    RecordKind.TUTOR_REQUEST: "tutor_requests.json",
    RecordKind.SAFEGUARD: "safeguards.json",
    RecordKind.ACTION: "actions.json",
}
Records = AsyncIterator[Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAccount:
    """Makes the archive that was asked for, and tells its owner. Safe to run twice."""

    work: WorkFactory
    records: PersonalRecords
    blobs: Blobs
    pictures: Pictures
    archives: Archives
    clock: Clock

    async def __call__(self, id: ExportId, *, last_try: bool) -> None:
        """Raises what may go better another time; on the last try the owner is told that there is none."""
        async with self.work() as w:
            export = await w.exports.get(id)
        if export is None or export.ready_at is not None:
            return
        try:
            await self._finish(id, await self._made(export))
        except DomainError:
            if last_try:
                await self.give_up(id)
            raise

    async def give_up(self, id: ExportId) -> None:
        """It cannot be made. Its owner is told, and may ask for another one."""
        async with self.work() as w:
            export = await w.exports.get(id)
            if export is None or export.ready_at is not None:
                return
            await w.exports.remove(id)
            message = "Your data could not be put together. Please ask for it again."
            await w.notifications.add(
                export.user_id, "Your data is not ready", message, "error", self.clock.now()
            )
            await w.commit()
        await self.blobs.erase(export.disk_name)

    async def _made(self, export: Export) -> int:
        """The archive lies among the blobs; its size."""
        async with self.work() as w:
            files = [file for file in await w.files.personal_of(export.user_id) if file.deleted_at is None]
        size = 0
        async with self.archives.new(self.clock.now()) as archive:
            await self._fill(archive, export.user_id, files)

            async def counted() -> AsyncIterator[bytes]:
                nonlocal size
                async for piece in archive.packed():
                    size += len(piece)
                    yield piece

            await self.blobs.erase(export.disk_name)  # of a try that did not come to its end
            await self.blobs.put(export.disk_name, counted())
        return size

    async def _fill(self, archive: Archive, user: UserId, files: Sequence[StoredFile]) -> None:
        packed = await self._add_files(archive, files)
        async for name in self.pictures.of(user):
            if (picture := await self.pictures.read(name)) is not None:
                await archive.add(f"picture/{name}", _pieces(picture))
        for kind, name in SINGLE.items():
            records = [record async for record in self.records.records(user, kind)]
            await archive.add(name, _pieces(_json(records[0] if records else {})))
        for kind, name in LISTS.items():
            listed = self.records.records(user, kind)
            if kind is RecordKind.FILE:
                listed = _with_places(listed, packed)
            await archive.add(name, _json_list(listed))

    async def _add_files(self, archive: Archive, files: Sequence[StoredFile]) -> dict[object, str]:
        """Under which name each file is in the archive; one whose bytes are missing is not."""
        packed: dict[object, str] = {}
        taken: set[str] = set()
        for file in files:
            async with aclosing(self.blobs.read(file.disk_name)) as content:
                try:
                    first = await anext(content, b"")
                except BlobNotFound:
                    continue
                packed[file.id] = f"files/{_free(file.original_name, taken)}"
                await archive.add(packed[file.id], _chained(first, content))
        return packed

    async def _finish(self, id: ExportId, size: int) -> None:
        """The archive can be fetched; unless its owner has left meanwhile."""
        now = self.clock.now()
        async with self.work() as w:
            export = await w.exports.get(id)
            if export is None:
                return
            export.size, export.ready_at = size, now
            message = f"You can download it once, within {KEPT.total_seconds() / 3600:.0f} hours."
            await w.notifications.add(export.user_id, "Your data is ready", message, "success", now)
            await w.jobs.add(JobKind.EXPIRE_EXPORT, {"export_id": id}, f"expire:{id}", now + KEPT)
            await w.commit()


def _free(name: str, taken: set[str]) -> str:
    """The name, or a numbered variant that differs from all taken ones, also where case does not count."""
    n = 1
    while (variant := numbered(name, n)).casefold() in taken:
        n += 1
    taken.add(variant.casefold())
    return variant


async def _with_places(files: Records, packed: Mapping[object, str]) -> Records:
    async for file in files:
        yield {**file, "archived_as": packed.get(file["id"])}


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), PIECE):
        yield content[at : at + PIECE]


async def _json_list(records: Records) -> AsyncIterator[bytes]:
    """A JSON array in pieces of about PIECE bytes, one record a line."""
    piece, separator = bytearray(b"["), b"\n"
    async for record in records:
        piece += separator + _json(record)
        separator = b",\n"
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + b"\n]\n"


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()
