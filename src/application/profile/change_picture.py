from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from application.accounts.limits import PICTURES
from application.ports.blobs import BlobStoreUnavailable
from application.ports.clock import Clock
from application.ports.persistence import Reading, WorkFactory
from application.ports.pictures import Pictures
from application.ports.scanner import Scanner
from application.ports.throttle import Throttle
from domain.document import FileTypeNotAllowed, require_size
from domain.errors import MissingField, RateLimited, StorageUnavailable
from domain.user import TokenDead, UserId

PLACE = "/static/avatars/"
EXTENSIONS = frozenset({"png", "jpg", "jpeg"})


@dataclass(frozen=True, slots=True)
class IncomingPicture:
    """A picture as it arrived, on this machine's disk."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePicture:
    """Somebody shows another face. Whatever goes wrong, his profile names a picture that is there, and of
    his pictures only that one stays."""

    work: WorkFactory
    reading: Reading
    pictures: Pictures
    scanner: Scanner
    throttle: Throttle
    clock: Clock
    max_mb: int

    def welcome(self, name: str) -> Callable[[int], None]:
        """Refuses a picture that is still coming: for its name at once, for its size as soon as it is too
        large."""
        _extension(name)
        return self._require_size

    async def __call__(self, id: UserId, incoming: IncomingPicture | None) -> str:
        """Where the new picture is served. Raises FileTypeNotAllowed, FileTooLarge, RateLimited,
        FileInfected, ScannerUnavailable, PicturesBusy, BadFile."""
        if incoming is None:
            raise MissingField("No file part in the request")
        extension = _extension(incoming.name)
        self._require_size(incoming.size)
        if wait := await self.throttle.take(PICTURES, str(id)):
            raise RateLimited(retry_after=wait)
        await self.scanner.scan(incoming.path)
        async with AsyncExitStack() as undo:
            name = await self.pictures.keep(id, incoming.path, extension)
            undo.push_async_callback(self._drop_unless_shown, id, name)
            former = await self._show(id, PLACE + name)
            undo.pop_all()
        await self._clear_away(id, former, name)
        return PLACE + name

    def _require_size(self, size: int) -> None:
        require_size(size, self.max_mb, "image")

    async def _show(self, id: UserId, url: str) -> str:
        """The profile names it; where the former one is served."""
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None:
                raise TokenDead
            profile = user.own_profile(now)
            former = profile.avatar_url
            await w.log.record(user, "update", user, now, profile.change({"avatar_url": url}, now))
            await w.commit()
        return former

    async def _drop_unless_shown(self, id: UserId, name: str) -> None:
        """After a failure. A commit whose answer never came may have happened all the same: what cannot be
        asked about stays, and goes with the next upload."""
        with suppress(StorageUnavailable, BlobStoreUnavailable):
            card = await self.reading.profile(id)
            if card is None or card.avatar_url != PLACE + name:
                await self.pictures.erase(name)

    async def _clear_away(self, id: UserId, former: str, current: str) -> None:
        """What remains when this fails goes with the next upload."""
        with suppress(BlobStoreUnavailable):
            if former.startswith(f"{PLACE}user_{id}_"):  # the shipped one, and what is somebody else's, stay
                await self.pictures.erase(former.removeprefix(PLACE))
            await self.pictures.tidy(id, current)


def _extension(name: str) -> str:
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension not in EXTENSIONS:
        raise FileTypeNotAllowed("Invalid file type.")
    return extension
