from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from application.ports.progress import Progress, untold
from domain.errors import Unavailable


class ExtractionUnavailable(Unavailable):
    """No process could be started that reads the document: worth another try."""

    code = "capacity"


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page; `number` is 1-based, None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page that fits into an index: characters `start` to `end`, which are `text`; `heading` is
    the last one before or in it."""

    page: int | None
    start: int
    end: int
    heading: str
    text: str


class Extractor(Protocol):
    async def pieces(self, file: Path, extension: str, told: Progress = untold) -> list[Piece]:
        """The text of a pdf, docx, txt or md file, cut for the index, in order; `told` hears of the pages as
        they are read. Runs apart from the server, bounded in time and memory, and ends with whoever waits for
        it. Raises BadFile: `Document cannot be read`, `Document is a scan without text`, `Document has too
        many pages (max N)`; ExtractionUnavailable."""
        ...

    async def check(self, file: Path, extension: str) -> None:
        """Refuses what `pieces` would refuse, as fast as the format allows, without reading all the text. A
        scan passes: people can read it. Raises BadFile, also `File content does not match its type`;
        ExtractionUnavailable."""
        ...
