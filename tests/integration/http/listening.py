"""A reader of a stream that sees the bytes as they come: each HTTP chunk by itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote_plus, urlsplit

from tests.integration.house import User


class Listening:
    """The status line and the headers, then the chunks, each as one write of the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def head(self) -> None:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in filter(None, lines[1:]))
        }

    async def chunk(self) -> bytes:
        """The next write; b"" at the end."""
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    async def chunks(self) -> list[bytes]:
        """All that is left."""
        found = []
        while piece := await self.chunk():
            found.append(piece)
        return found

    async def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await self._reader.readexactly(int(self.headers["content-length"])))
        return body

    def leave(self) -> None:
        self._writer.transport.abort()

    @property
    def session(self) -> int:
        return int(self.headers["x-session-id"])

    @property
    def message(self) -> int:
        return int(self.headers["x-message-id"])


@asynccontextmanager
async def asked(
    user: User, message: str, *, version: str = "1.1", **fields: object
) -> AsyncIterator[Listening]:
    """The question is sent; `head()` waits for the status line."""
    parts = urlsplit(user.house.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 22)
    body = "&".join(
        f"{name}={quote_plus(str(value))}" for name, value in {"message": message, **fields}.items()
    )
    writer.write(
        f"POST /api/chat/stream HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    try:
        yield Listening(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def listening(user: User, message: str, **fields: Any) -> AsyncIterator[Listening]:
    """The status line is there."""
    async with asked(user, message, **fields) as stream:
        await stream.head()
        yield stream


def events(chunks: list[bytes]) -> list[dict[str, Any]]:
    """The events of whole writes; fails if one is torn or has another form than ours."""
    found = []
    for chunk in chunks:
        assert chunk.endswith(b"\n\n"), chunk
        for frame in chunk[:-2].split(b"\n\n"):
            if frame == b": ping":
                continue
            id, data = frame.split(b"\n")
            assert id.startswith(b"id: ")
            assert data.startswith(b'data: {"status":"')
            found.append(json.loads(data[6:]))
    return found
