"""Profile pictures in a local folder."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import ParamSpec, TypeVar

from typing_extensions import override

from adapters.pictures.reencoding import reencoded
from application.ports.blobs import BlobStoreUnavailable
from application.ports.pictures import Pictures
from domain.user import UserId

SETTLED_S = 3600.0  # no upload takes that long
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.(png|jpg)")
_PART = ".part"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DiskPictures(Pictures):
    """One folder for all, which several hosts may share. `shipped` holds those that come with the product.
    `pool` has one thread: pictures are decoded one after another, so that memory stays bounded."""

    folder: Path
    shipped: Path
    pool: ThreadPoolExecutor

    @override
    async def keep(self, user: UserId, file: Path, extension: str) -> str:
        name = f"user_{user}_{token_hex(4)}.{'png' if extension == 'png' else 'jpg'}"
        with _translated():
            content = await asyncio.to_thread(file.read_bytes)
        picture = await self._in_turn(reencoded, content, extension)
        try:
            with _translated():
                await self._in_turn(_publish, self.folder, name, picture)
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

    async def _in_turn(self, call: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        running = asyncio.get_running_loop().run_in_executor(self.pool, lambda: call(*arguments, **more))
        return await running


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobStoreUnavailable from error


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
