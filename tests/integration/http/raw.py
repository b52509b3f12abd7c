"""Bytes on a socket, as no well-behaved client would send them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(url: str, sent: str | bytes, within: float = 5.0) -> bytes:
    """All that comes back until the other side closes, or until `within` seconds have passed."""
    got = bytearray()
    async with connected(url) as (reader, writer):
        with suppress(ConnectionError):
            writer.write(sent.encode() if isinstance(sent, str) else sent)
            await writer.drain()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within):
                while piece := await reader.read(65536):
                    got += piece
    return bytes(got)
