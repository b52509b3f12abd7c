"""Reads plain text only; a form feed begins a new page in what calls itself a pdf."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from application.indexing.chunking import pieces
from application.ports.extraction import Extractor, Page, Piece
from application.ports.progress import Progress, untold
from domain.document import BadFile


@dataclass(eq=False)
class FakeExtractor(Extractor):
    max_pages: int = 1000

    @override
    async def pieces(self, file: Path, extension: str, told: Progress = untold) -> list[Piece]:
        pages = await self._pages(file, extension)
        for number in range(1, len(pages) + 1):
            told(number, len(pages))
        return list(pieces(pages))

    @override
    async def check(self, file: Path, extension: str) -> None:
        await self._pages(file, extension)

    async def _pages(self, file: Path, extension: str) -> list[Page]:
        try:
            text = (await asyncio.to_thread(file.read_bytes)).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadFile("File content does not match its type") from error
        if "\x00" in text:
            raise BadFile("File content does not match its type")
        if not text.strip():
            raise BadFile("Document cannot be read")
        if extension != "pdf":
            return [Page(None, text)]
        parts = text.split("\x0c")
        if len(parts) > self.max_pages:
            raise BadFile(f"Document has too many pages (max {self.max_pages})")
        return [Page(number, part) for number, part in enumerate(parts, 1)]
