import logging
from dataclasses import dataclass
from pathlib import Path

from application.ports.scanner import Scanner, ScannerUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What comes in is shown to the scanner, where there is one, before anybody else looks into it."""

    scanner: Scanner | None = None
    accept_when_down: bool = False

    async def __call__(self, file: Path) -> None:
        """Raises FileInfected; ScannerUnavailable, unless files are accepted then."""
        if self.scanner is None:
            return
        try:
            await self.scanner.scan(file)
        except ScannerUnavailable as error:
            if not self.accept_when_down:
                raise
            log.warning("a file was accepted unscanned", extra={"cause": type(error.__cause__).__name__})
