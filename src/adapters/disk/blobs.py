"""Blobs in a local folder."""

import asyncio
import errno
import os
import re
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, ParamSpec, TypeVar

from typing_extensions import override

from application.ports.blobs import (
    BLOB_NAME,
    BlobNotFound,
    Blobs,
    BlobStoreUnavailable,
    BlobUnreadable,
    KeptBlob,
)

MB = 1024 * 1024
PIECE = 256 * 1024
LITTLE = 200 * MB  # left on its disk: ten of the largest documents
_FOLDER = re.compile(r"[a-z0-9-]{2}")
_HALF = re.compile(rf"\.{BLOB_NAME.pattern}\.[0-9a-f]{{8}}\.part")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DiskBlobs(Blobs):
    """One file a blob, spread over folders by the first characters of its name. What stands under a name is
    complete: bytes arrive in a temporary file, are forced to the disk and only then get their name."""

    root: Path

    @override
    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        place = self._place(name)
        with _translated():
            part = await _in_thread(_Part, place)
        try:
            async for piece in content:
                with _translated():
                    await _in_thread(part.write, piece)
            with _translated():
                await _in_thread(part.publish)
        finally:
            part.drop()

    @override
    async def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        with _translated(BlobUnreadable):
            file = await _in_thread(_opened, self._place(name))
        try:
            left = length
            with _translated(BlobUnreadable):
                await _in_thread(file.seek, start)
            while left is None or left > 0:
                size = PIECE if left is None else min(PIECE, left)
                with _translated(BlobUnreadable):
                    piece = await _in_thread(file.read, size)
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            file.close()

    @override
    async def gone(self, names: Sequence[str]) -> set[str]:
        with _translated(BlobUnreadable):
            return await _in_thread(self._missing, names)

    @override
    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        place = self._place(name)
        with _translated(BlobUnreadable):
            is_there = await _in_thread(place.is_file)
        if not is_there:
            raise BlobNotFound(name)
        yield place

    @override
    async def erase(self, name: str) -> None:
        place = self._place(name)
        with _translated():
            await _in_thread(_remove, place)

    @override
    async def inventory(self) -> AsyncGenerator[KeptBlob]:
        for folder in await self._folders():
            with _translated():
                found = await _in_thread(_files, folder, BLOB_NAME)
            for path, since in found:
                yield KeptBlob(path.name, since)

    @override
    async def tidy(self, before: datetime) -> int:
        removed = 0
        for folder in await self._folders():
            with _translated():
                left = await _in_thread(_files, folder, _HALF)
                for path, since in left:
                    if since < before:  # nobody has written to it for so long
                        await _in_thread(_remove, path)
                        removed += 1
        return removed

    @override
    async def check(self) -> str | None:
        with _translated():
            return await _in_thread(_check, self.root)

    async def _folders(self) -> list[Path]:
        with _translated():
            return await _in_thread(_folders, self.root)

    def _missing(self, names: Sequence[str]) -> set[str]:
        """None where the whole store is missing: it may not be mounted."""
        if not self.root.is_dir():
            return set()
        return {n for n in names if not (BLOB_NAME.fullmatch(n) and self._place(n).exists())}

    def _place(self, name: str) -> Path:
        # Names are ours; one that is not must never become a path.
        if not BLOB_NAME.fullmatch(name):
            raise ValueError("not a blob name")
        return self.root / name[:2] / name


class _Part:
    """A blob on its way in."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = place.with_name(f".{place.name}.{token_hex(4)}.part")
        self._file: BinaryIO = os.fdopen(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def publish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            os.link(self._path, self._place)  # unlike a rename it never replaces
        except OSError as error:
            if error.errno not in _NO_LINKS or self._place.exists():
                raise
            self._path.rename(self._place)
        try:
            _force(self._place.parent)
        except OSError:
            _remove(self._place)
            raise

    def drop(self) -> None:
        """The temporary name is not needed any more, or the blob was not wanted after all."""
        with suppress(OSError):  # a full disk complains once more
            self._file.close()
        _remove(self._path)


def _force(folder: Path) -> None:
    """Its names are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _opened(place: Path) -> BinaryIO:
    return place.open("rb")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _folders(root: Path) -> list[Path]:
    """In order, and none where nothing was ever kept."""
    try:
        with os.scandir(root) as entries:
            return sorted(root / entry.name for entry in entries if _FOLDER.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def _files(folder: Path, named: re.Pattern[str]) -> list[tuple[Path, datetime]]:
    """Those with such a name, in order, and when each was last written to."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if named.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # gone this very moment
                    written = entry.stat(follow_symlinks=False).st_mtime
                    found.append((folder / entry.name, datetime.fromtimestamp(written, UTC)))
    return sorted(found)


def _check(root: Path) -> str | None:
    place = next(each for each in (root, *root.parents) if each.exists())
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{place} is not writable")
    free = shutil.disk_usage(place).free
    return f"has only {free / MB:.0f} MB left" if free < LITTLE else None


@contextmanager
def _translated(refusal: type[BlobStoreUnavailable] = BlobStoreUnavailable) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFound(str(error)) from error
    except OSError as error:
        raise refusal from error


async def _in_thread(call: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Run a file operation off the event loop. A cancelled caller still waits for it: nobody may close or
    delete a file that a thread is using."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *arguments, **more))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if running.done() and not running.cancelled() and running.exception() is None:
            _close(running.result())
        raise


def _close(result: object) -> None:
    if isinstance(result, _Part):
        result.drop()
    elif hasattr(result, "close"):
        result.close()
