from pathlib import Path
from typing import Protocol

from domain.document import BadFile
from domain.errors import Unavailable


class FileInfected(BadFile):
    code = "infected"
    msg = "File was refused by the virus scanner"


class ScannerUnavailable(Unavailable):
    """It cannot be reached, or gave no verdict."""

    code = "scanner_unavailable"
    msg = "File could not be checked for viruses"


class Scanner(Protocol):
    async def scan(self, file: Path) -> None:
        """Returns when nothing bad is known of the file. Raises FileInfected, ScannerUnavailable."""
        ...
