"""Forms with files as we send them: streamed from disk, of a length that is known beforehand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class FilePart:
    """`name` and `media_type` are of our making: nothing that a client chose stands in a header."""

    path: Path
    size: int
    name: str
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Multipart:
    """Fields, then files, by their names, which are ours too. Its content may be read more than once."""

    fields: Mapping[str, str]
    files: Mapping[str, FilePart]
    _boundary: str = field(default_factory=lambda: token_hex(24))

    @property
    def headers(self) -> dict[str, str]:
        size = sum(len(self._head(name, file)) + file.size + 2 for name, file in self.files.items())
        size += len(self._texts()) + len(self._end())
        return {
            "content-type": f"multipart/form-data; boundary={self._boundary}",
            "content-length": str(size),
        }

    async def content(self) -> AsyncIterator[bytes]:
        """Raises OSError when a file is not what it was said to be."""
        yield self._texts()
        for name, file in self.files.items():
            yield self._head(name, file)
            left = file.size
            async for piece in _pieces(file.path):
                left -= len(piece)
                if left >= 0:
                    yield piece
            if left:  # the announced length would be wrong
                raise OSError("the file has changed")
            yield b"\r\n"
        yield self._end()

    def _texts(self) -> bytes:
        return "".join(
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self.fields.items()
        ).encode()

    def _head(self, name: str, file: FilePart) -> bytes:
        return (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file.name}"\r\n'
            f"Content-Type: {file.media_type}\r\n\r\n"
        ).encode()

    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
