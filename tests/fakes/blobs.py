"""Blobs in memory."""

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from application.ports.blobs import BlobNotFound, Blobs, BlobStoreUnavailable, BlobUnreadable, KeptBlob

PIECE = 64 * 1024


@dataclass(eq=False)
class FakeBlobs(Blobs):
    kept: dict[str, bytes] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    full: bool = False  # nothing more fits
    away: bool = False  # nothing can be read
    stuck: dict[str, Exception] = field(default_factory=dict)  # what becomes of erasing them

    @override
    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        data = b"".join([piece async for piece in content])
        if self.full or name in self.kept:
            raise BlobStoreUnavailable
        self.kept[name] = data
        self.since[name] = datetime.now(UTC)

    @override
    async def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        data = self._data(name)[start:]
        data = data if length is None else data[:length]
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]

    @override
    async def gone(self, names: Sequence[str]) -> set[str]:
        if self.away:
            raise BlobUnreadable
        return set(names) - self.kept.keys()

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
        if failure := self.stuck.get(name):
            raise failure
        self.kept.pop(name, None)

    @override
    async def inventory(self) -> AsyncGenerator[KeptBlob]:
        for name in sorted(self.kept):
            yield KeptBlob(name, self.since[name])

    @override
    async def tidy(self, before: datetime) -> int:
        return 0  # there is never half a blob here

    @override
    async def check(self) -> str | None:
        if self.full:
            raise BlobStoreUnavailable
        return None

    def _data(self, name: str) -> bytes:
        if self.away:
            raise BlobUnreadable
        if name not in self.kept:
            raise BlobNotFound(name)
        return self.kept[name]
