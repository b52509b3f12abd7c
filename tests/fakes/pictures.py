"""Pictures in memory. What begins like a PNG or a JPEG is one; it is kept as it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from typing_extensions import override

from application.ports.blobs import BlobStoreUnavailable
from application.ports.pictures import Pictures
from domain.document import BadFile
from domain.user import UserId

MAGIC = {"png": b"\x89PNG", "jpg": b"\xff\xd8\xff", "jpeg": b"\xff\xd8\xff"}


@dataclass(eq=False)
class FakePictures(Pictures):
    """`settled` are those whose upload is over. `full`: nothing more fits; `stuck`: nothing goes away."""

    kept: dict[str, bytes] = field(default_factory=lambda: {"default.png": b"shipped"})
    settled: set[str] = field(default_factory=set)
    full: bool = False
    stuck: bool = False

    @override
    async def keep(self, user: UserId, file: Path, extension: str) -> str:
        content = file.read_bytes()
        if not content.startswith(MAGIC[extension]) or len(content) < 20:
            raise BadFile("Invalid file type.")
        if self.full:
            raise BlobStoreUnavailable
        name = f"user_{user}_{token_hex(4)}.{'png' if extension == 'png' else 'jpg'}"
        self.kept[name] = content
        return name

    @override
    async def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    @override
    async def erase(self, name: str) -> None:
        self._movable()
        if name != "default.png":
            self.kept.pop(name, None)

    @override
    async def of(self, user: UserId) -> AsyncIterator[str]:
        for name in [name for name in self.kept if name.startswith(f"user_{user}_")]:
            yield name

    @override
    async def tidy(self, user: UserId, current: str) -> None:
        self._movable()
        async for name in self.of(user):
            if name != current and name in self.settled:
                del self.kept[name]

    def _movable(self) -> None:
        if self.stuck:
            raise BlobStoreUnavailable
