from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from domain.errors import Unavailable
from domain.user import UserId


class PicturesBusy(Unavailable):
    """So many pictures wait to be decoded that one more would wait too long."""

    code = "capacity"
    retry_after = 10


class Pictures(Protocol):
    """Profile pictures, served to everybody under `/static/avatars/`. Raises BlobStoreUnavailable."""

    async def keep(self, user: UserId, file: Path, extension: str) -> str:
        """Decode the picture, free it of metadata, fit it into 1024 x 1024 and keep it under a fresh name,
        which is returned: `user_{id}_{8 hex}.jpg`, `.png` for a png. Never blocks the event loop. Raises
        BadFile: not such a picture, broken, or above 40 megapixels; PicturesBusy: too many wait already.
        Those that wait take no memory."""
        ...

    async def read(self, name: str) -> bytes | None:
        """The bytes of a picture; None when there is none of that name."""
        ...

    async def erase(self, name: str) -> None:
        """Remove it; removing what is not there changes nothing."""
        ...

    def of(self, user: UserId) -> AsyncIterator[str]:
        """The names of every picture of the user's that is kept, also such that no profile names any more."""
        ...

    async def tidy(self, user: UserId, current: str) -> None:
        """Remove every picture of the user's but the current one and such as may just be coming in."""
        ...
