import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from application.ports.archives import Archive, ArchiveFailed, Archives


@dataclass(eq=False)
class FakeArchives(Archives):
    """Zip archives in memory. `full`: nothing more fits."""

    full: bool = False
    open: int = 0

    @override
    @asynccontextmanager
    async def new(self, made_at: datetime) -> AsyncIterator[Archive]:
        self.open += 1
        try:
            yield _Archive(self)
        finally:
            self.open -= 1


@dataclass(eq=False)
class _Archive(Archive):
    house: FakeArchives
    files: dict[str, bytes] = field(default_factory=dict)

    @override
    async def add(self, name: str, content: AsyncIterator[bytes]) -> None:
        if self.house.full:
            raise ArchiveFailed
        assert name not in self.files
        self.files[name] = b"".join([piece async for piece in content])

    @override
    async def packed(self) -> AsyncIterator[bytes]:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in self.files.items():
                archive.writestr(name, content)
        data = packed.getvalue()
        for at in range(0, len(data), 100):
            yield data[at : at + 100]
