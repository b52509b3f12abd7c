from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from domain.errors import Unavailable


class ArchiveFailed(Unavailable):
    """There is no room for it on this machine."""

    code = "storage_unavailable"


class Archive(Protocol):
    """A zip archive in the making. Raises ArchiveFailed."""

    async def add(self, name: str, content: AsyncIterator[bytes]) -> None:
        """Another file under a name of its own."""
        ...

    def packed(self) -> AsyncIterator[bytes]:
        """The finished archive in pieces of bounded size; nothing can be added any more."""
        ...


class Archives(Protocol):
    def new(self, made_at: datetime) -> AbstractAsyncContextManager[Archive]:
        """An empty one on this machine's disk, never whole in memory, never blocking the event loop. Nothing
        of it is left when the context ends, nor when the process dies."""
        ...
