from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from domain.errors import Unavailable


class BlobStoreUnavailable(Unavailable):
    code = "storage_unavailable"
    msg = "Failed to save file"


class BlobNotFound(Exception):
    """No bytes under that name."""


class Blobs(Protocol):
    """Bytes under opaque names that we made. Raises BlobStoreUnavailable when the store refuses."""

    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        """Keep the content durably under a fresh name; a failure half-way leaves nothing behind."""
        ...

    def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes in pieces of bounded size. Raises BlobNotFound."""
        ...

    def local(self, name: str) -> AbstractAsyncContextManager[Path]:
        """The bytes as a read-only file on this machine while the context lasts. Raises BlobNotFound."""
        ...

    async def erase(self, name: str) -> None:
        """Remove the bytes; removing what is not there changes nothing."""
        ...
