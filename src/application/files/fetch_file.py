from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from application.ports.blobs import BlobNotFound, Blobs
from application.ports.persistence import Account, FileRecord, Reading
from domain.document import FileId, FileNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFile:
    """A file as its owner (a public one: as anybody who teaches) gets it back. No connection to the database
    is held while its bytes are sent."""

    reading: Reading
    blobs: Blobs

    async def __call__(self, account: Account, id: FileId) -> FileRecord:
        """Raises FileNotFound, also for a file that is not open to the account."""
        file = await self.reading.file(id, account.id, teaches=account.role.teaches)
        if file is None:
            raise FileNotFound
        return file

    async def content(self, file: FileRecord, start: int, length: int) -> AsyncGenerator[bytes]:
        """A stretch of its bytes: to be read or closed. Raises FileNotFound when they are gone."""
        pieces = self._pieces(file, start, length)
        try:
            await anext(pieces)
        except BlobNotFound as error:
            raise FileNotFound from error
        return pieces

    async def _pieces(self, file: FileRecord, start: int, length: int) -> AsyncGenerator[bytes]:
        """First an empty piece: by then the bytes are known to be there."""
        async with aclosing(self.blobs.read(file.disk_name, start, length)) as content:
            piece = await anext(content, b"")
            yield b""
            while piece:
                yield piece
                piece = await anext(content, b"")
