import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from application.files.pixels import MAX_PIXELS, TOO_MANY_PIXELS, pixels
from application.files.scan import Scan
from application.files.sniff import HEAD, check_media
from application.ports.extraction import Extractor
from domain.document import (
    MB,
    BadFile,
    FileKind,
    FileTooLarge,
    clean_filename,
    kind_of,
)
from domain.user import UserId

OF_ONE = 2  # documents of one user that are looked into at once: whose many take long does not hold up others


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file as it arrived, on this machine's disk."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be kept, under its cleaned name."""

    name: str
    kind: FileKind
    extension: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIncoming:
    """Name, extension, size and content of a file, in this order, before anything is made of it."""

    scan: Scan
    extractor: Extractor
    max_mb: Mapping[FileKind, int]
    _turns: "WeakValueDictionary[UserId, asyncio.Semaphore]" = field(
        default_factory=WeakValueDictionary, init=False
    )

    async def __call__(self, owner: UserId, incoming: Incoming, *kinds: FileKind) -> Checked:
        """`kinds` are the ones that are welcome; all of them where none is named. Raises Invalid,
        FileTypeNotAllowed, BadFile, FileTooLarge, FileInfected, ScannerUnavailable."""
        name = clean_filename(incoming.name)
        kind, extension = kind_of(name, *kinds)
        if incoming.size == 0:
            raise BadFile("File is empty")
        if incoming.size > self.max_mb[kind] * MB:
            raise FileTooLarge(f"File too large. Maximum size for {kind} files is {self.max_mb[kind]} MB")
        await self.scan(incoming.path)
        if kind is FileKind.DOCUMENT:
            async with self._turn_of(owner):
                await self.extractor.check(incoming.path, extension)
        else:
            await asyncio.to_thread(_check_media, incoming.path, kind, extension)
        return Checked(name, kind, extension, incoming.path, incoming.size)

    def _turn_of(self, owner: UserId) -> asyncio.Semaphore:
        return self._turns.setdefault(owner, asyncio.Semaphore(OF_ONE))


def _check_media(path: Path, kind: FileKind, extension: str) -> None:
    with path.open("rb") as file:
        check_media(file.read(HEAD), extension)
        if kind is FileKind.IMAGE and pixels(file) > MAX_PIXELS:
            raise BadFile(TOO_MANY_PIXELS)
