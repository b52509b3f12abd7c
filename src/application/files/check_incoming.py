import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from application.files.fair_slots import FairSlots
from application.files.pixels import MAX_PIXELS, TOO_MANY_PIXELS, pixels
from application.files.sniff import HEAD, check_media
from application.ports.extraction import Extractor
from application.ports.scanner import Scanner
from domain.document import (
    BadFile,
    FileKind,
    clean_filename,
    kind_of,
    require_size,
)
from domain.user import UserId

AT_ONCE = 4  # documents that are looked into: each may take long, and much of the memory


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file as it arrived, on this machine's disk."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Named:
    """What is known of a file as soon as it has a name, which is cleaned here."""

    name: str
    kind: FileKind
    extension: str
    max_mb: int

    def require_size(self, size: int) -> None:
        """Raises FileTooLarge."""
        require_size(size, self.max_mb, self.kind)


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
    """Name, extension, size and content of a file, in this order, before anything is made of it. The scanner
    sees the content before anybody else looks into it."""

    scanner: Scanner
    extractor: Extractor
    max_mb: Mapping[FileKind, int]
    _slots: FairSlots[UserId] = field(default_factory=lambda: FairSlots(AT_ONCE), init=False)

    def named(self, name: str, *kinds: FileKind) -> Named:
        """`kinds` are the ones that are welcome; all of them where none is named. Raises Invalid,
        FileTypeNotAllowed."""
        cleaned = clean_filename(name)
        kind, extension = kind_of(cleaned, *kinds)
        return Named(cleaned, kind, extension, self.max_mb[kind])

    async def __call__(self, owner: UserId, incoming: Incoming, *kinds: FileKind) -> Checked:
        """Raises what `named` does, BadFile, FileTooLarge, FileInfected, ScannerUnavailable."""
        file = self.named(incoming.name, *kinds)
        if incoming.size == 0:
            raise BadFile("File is empty")
        file.require_size(incoming.size)
        await self.scanner.scan(incoming.path)
        if file.kind is FileKind.DOCUMENT:
            async with self._slots.turn(owner):
                await self.extractor.check(incoming.path, file.extension)
        else:
            await asyncio.to_thread(_check_media, incoming.path, file.kind, file.extension)
        return Checked(file.name, file.kind, file.extension, incoming.path, incoming.size)


def _check_media(path: Path, kind: FileKind, extension: str) -> None:
    with path.open("rb") as file:
        check_media(file.read(HEAD), extension)
        if kind is FileKind.IMAGE and pixels(file) > MAX_PIXELS:
            raise BadFile(TOO_MANY_PIXELS)
