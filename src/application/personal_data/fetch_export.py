import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from application.ports.blobs import BlobNotFound, Blobs
from application.ports.clock import Clock
from application.ports.persistence import Work, WorkFactory
from domain.errors import DomainError
from domain.export import Export, ExportId, ExportNotFound
from domain.user import UserId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchExport:
    """A finished archive is handed out once: whoever begins to read it has it. Read to the end it is gone
    everywhere; let go before, it can be fetched again."""

    work: WorkFactory
    blobs: Blobs
    clock: Clock

    async def offered(self, user: UserId, id: ExportId) -> Export:
        """The archive as it could be fetched now. Raises ExportNotFound."""
        async with self.work() as w:
            return await self._offered(w, user, id)

    async def __call__(self, user: UserId, id: ExportId) -> tuple[Export, AsyncGenerator[bytes]]:
        """The archive, and its bytes: to be read or closed. Raises ExportNotFound."""
        async with self.work() as w:
            export = await self._offered(w, user, id)
            export.fetched_at = self.clock.now()
            await w.commit()
        content = self._handed_out(export)
        try:
            await anext(content)
        except BlobNotFound as error:
            await self._erase(export)
            raise ExportNotFound from error
        return export, content

    async def _offered(self, w: Work, user: UserId, id: ExportId) -> Export:
        export = await w.exports.get(id)
        if export is None or export.user_id != user or not export.fetchable(self.clock.now()):
            raise ExportNotFound
        return export

    async def _handed_out(self, export: Export) -> AsyncGenerator[bytes]:
        """First an empty piece: from then on whoever closes this settles what becomes of the archive."""
        left = export.size or 0
        try:
            async with aclosing(self.blobs.read(export.disk_name)) as content:
                piece = await anext(content, b"")
                yield b""
                while piece:
                    yield piece
                    left -= len(piece)  # asked for more: it was taken over
                    piece = await anext(content, b"")
        finally:  # shielded: whatever ends the transfer must not leave the archive in between
            await asyncio.shield(self._settled(export, whole=left <= 0))

    async def _settled(self, export: Export, *, whole: bool) -> None:
        try:
            await (self._erase(export) if whole else self._take_back(export))
        except DomainError as error:  # it expires with the day
            log.warning("an export stays", extra={"export_id": export.id, "error": type(error).__name__})

    async def _take_back(self, export: Export) -> None:
        async with self.work() as w:
            if kept := await w.exports.get(export.id):
                kept.fetched_at = None
                await w.commit()

    async def _erase(self, export: Export) -> None:
        await self.blobs.erase(export.disk_name)
        async with self.work() as w:
            await w.exports.remove(export.id)
            await w.commit()
