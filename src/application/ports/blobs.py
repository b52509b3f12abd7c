import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from domain.errors import Unavailable

BLOB_NAME = re.compile(r"[0-9a-f]{32}")  # `uuid4().hex`


class BlobStoreUnavailable(Unavailable):
    code = "storage_unavailable"
    msg = "Failed to save file"


class BlobUnreadable(BlobStoreUnavailable):
    """What is kept cannot be had for now."""

    msg = "File cannot be read right now"


class BlobNotFound(Exception):
    """No bytes under that name."""


@dataclass(frozen=True, slots=True)
class KeptBlob:
    name: str
    since: datetime  # by the store's clock


class Blobs(Protocol):
    """Bytes under opaque names that we made (BLOB_NAME). Raises BlobStoreUnavailable when the store refuses,
    has no room left or does not answer; BlobUnreadable where bytes were to be read. Whatever is kept here and
    named by no row is swept away (`application.files.sweep_orphans`)."""

    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        """Keep the content durably under a fresh name; what stands under a name is complete. A failure
        half-way leaves nothing behind, or what `tidy` removes; if the store did not answer in the end, the
        blob may be there nevertheless: erase it."""
        ...

    def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes in pieces of bounded size. Raises BlobNotFound."""
        ...

    async def gone(self, names: Sequence[str]) -> set[str]:
        """Those of these under which nothing is kept, where that can be told at once: a list that somebody
        looks at must not cost a question to another machine for each."""
        ...

    def local(self, name: str) -> AbstractAsyncContextManager[Path]:
        """The bytes as a read-only file on this machine while the context lasts. Raises BlobNotFound."""
        ...

    async def erase(self, name: str) -> None:
        """Remove the bytes; removing what is not there changes nothing."""
        ...

    def inventory(self) -> AsyncGenerator[KeptBlob]:
        """Everything that is kept, in order of the names' characters. What comes or goes meanwhile may be
        told or not."""
        ...

    async def tidy(self, before: datetime) -> int:
        """Remove what puts and readers that died before that moment have left half-way; how much."""
        ...

    async def check(self) -> str | None:
        """Whether blobs can be put here, without leaving any; what its operator should know of it, if
        anything, as the end of a sentence about the store."""
        ...
