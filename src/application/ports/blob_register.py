from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.document import FileId


@dataclass(frozen=True, slots=True)
class RegisteredBlob:
    """A row names it. `file` is None where its loss would be nobody's: it belongs to an export, or to a file
    that is being erased anyway."""

    name: str
    since: datetime
    file: FileId | None


class BlobRegister(Protocol):
    """What the database says is among the blobs. Raises StorageUnavailable."""

    def everything(self) -> AsyncGenerator[RegisteredBlob]:
        """Every blob that some row names, in order of the names' characters. What comes or goes meanwhile may
        be told or not."""
        ...

    async def known(self, names: Sequence[str]) -> set[str]:
        """Those of these names that some row names now."""
        ...
