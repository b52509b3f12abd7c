"""Blobs in memory."""

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from application.ports.blobs import BlobNotFound, Blobs, BlobStoreUnavailable

PIECE = 64 * 1024


@dataclass(eq=False)
class FakeBlobs(Blobs):
    kept: dict[str, bytes] = field(default_factory=dict)
    full: bool = False  # nothing more fits

    @override
    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        data = b"".join([piece async for piece in content])
        if self.full or name in self.kept:
            raise BlobStoreUnavailable
        self.kept[name] = data

    @override
    async def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        data = self._data(name)[start:]
        data = data if length is None else data[:length]
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]

    @override
    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        data = self._data(name)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / name
            place.write_bytes(data)
            yield place

    @override
    async def erase(self, name: str) -> None:
        self.kept.pop(name, None)

    def _data(self, name: str) -> bytes:
        if name not in self.kept:
            raise BlobNotFound(name)
        return self.kept[name]
