"""Profile pictures in a local folder."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from typing_extensions import override

from adapters.pictures.reencoding import reencoded
from application.ports.blobs import BlobStoreUnavailable
from application.ports.pictures import Pictures, PicturesBusy
from domain.user import UserId

SETTLED_S = 3600.0  # no upload takes that long
LINE = 32  # pictures in line, the one in hand included: each may take a second
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.(png|jpg)")
_PART = ".part"


@dataclass(frozen=True, slots=True)
class DiskPictures(Pictures):
    """One folder for all, which several hosts may share. `shipped` holds those that come with the product.
    `pool` has one thread: pictures are read and decoded one after another, so that memory stays bounded."""

    folder: Path
    shipped: Path
    pool: ThreadPoolExecutor
    _line: set[Future[None]] = field(default_factory=set)

    @override
    async def keep(self, user: UserId, file: Path, extension: str) -> str:
        name = f"user_{user}_{token_hex(4)}.{'png' if extension == 'png' else 'jpg'}"
        if len(self._line) >= LINE:
            raise PicturesBusy
        turn = self.pool.submit(_keep, file, extension, self.folder, name)
        self._line.add(turn)
        turn.add_done_callback(self._line.discard)
        try:
            with _translated():
                await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            # nobody waits for it any more, but its thread may go on: it goes away after that
            self.pool.submit(_remove, self.folder / name)
            raise
        return name

    @override
    async def read(self, name: str) -> bytes | None:
        if not _NAME.fullmatch(name):
            return None
        with _translated():
            return await asyncio.to_thread(_first_of, self.folder / name, self.shipped / name)

    @override
    async def erase(self, name: str) -> None:
        if not _NAME.fullmatch(name.removeprefix(".").removesuffix(_PART)):
            return  # names are ours; one that is not must never become a path
        with _translated():
            await asyncio.to_thread(_remove, self.folder / name)

    @override
    async def of(self, user: UserId) -> AsyncIterator[str]:
        with _translated():
            names = await asyncio.to_thread(_names_of, self.folder, user)
        for name in names:
            yield name

    @override
    async def tidy(self, user: UserId, current: str) -> None:
        with _translated():
            await asyncio.to_thread(_tidy, self.folder, user, current)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobStoreUnavailable from error


def _keep(file: Path, extension: str, folder: Path, name: str) -> None:
    _publish(folder, name, reencoded(file.read_bytes(), extension))


def _publish(folder: Path, name: str, content: bytes) -> None:
    """What stands under a name is complete, also after a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}{_PART}"
    try:
        with part.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.rename(folder / name)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _first_of(*places: Path) -> bytes | None:
    for place in places:
        if place.is_file() and not place.is_symlink():  # a link could lead out of the folder
            with suppress(FileNotFoundError):  # it was replaced this very moment
                return place.read_bytes()
    return None


def _remove(place: Path) -> None:
    place.unlink(missing_ok=True)


def _names_of(folder: Path, user: UserId) -> list[str]:
    """Whole ones, and halves that a crash has left."""
    if not folder.is_dir():
        return []
    mine = re.compile(rf"\.?user_{user}_[0-9a-f]{{8}}\.(png|jpg)({re.escape(_PART)})?")
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if mine.fullmatch(entry.name))


def _tidy(folder: Path, user: UserId, current: str) -> None:
    settled = time.time() - SETTLED_S
    for name in _names_of(folder, user):
        place = folder / name
        if name != current and place.stat().st_mtime < settled:
            place.unlink(missing_ok=True)
