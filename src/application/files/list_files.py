from contextlib import suppress
from dataclasses import dataclass, replace

from application.ports.blobs import Blobs, BlobStoreUnavailable
from application.ports.persistence import FileLine, Listed, Reading
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles:
    """Somebody's personal files, newest first. Those whose bytes are gone are shown as empty, where the store
    can tell."""

    reading: Reading
    blobs: Blobs

    async def __call__(self, owner: UserId, limit: int, offset: int) -> Listed[FileLine]:
        listed = await self.reading.files(owner, limit, offset)
        gone = set[str]()
        with suppress(BlobStoreUnavailable):
            gone = await self.blobs.gone([line.disk_name for line in listed.items])
        shown = [replace(line, size=0) if line.disk_name in gone else line for line in listed.items]
        return Listed(listed.total, shown)
