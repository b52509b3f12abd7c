from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page; `number` is 1-based, None where the format has no pages."""

    number: int | None
    text: str


class Extractor(Protocol):
    async def pages(self, file: Path, extension: str) -> list[Page]:
        """The text of a pdf, docx, txt or md file, page by page. Runs apart from the server, bounded in time
        and memory. Raises BadFile: `Document cannot be read`, `Document has too many pages (max N)`."""
        ...

    async def check(self, file: Path, extension: str) -> None:
        """Refuses what `pages` would refuse, as fast as the format allows, without reading all the text.
        Raises BadFile: also `File content does not match its type`."""
        ...
