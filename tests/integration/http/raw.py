"""Bytes on a socket, as no well-behaved client would send them."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


async def exchange(url: str, sent: str | bytes, within: float = 5.0) -> bytes:
    """All that comes back until the other side closes, or until `within` seconds have passed."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    got = bytearray()
    try:
        with suppress(ConnectionError):
            writer.write(sent.encode() if isinstance(sent, str) else sent)
            await writer.drain()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within):
                while piece := await reader.read(65536):
                    got += piece
    finally:
        writer.close()
    return bytes(got)
