"""ClamAV's daemon, spoken to as its manual has it (clamd(8), INSTREAM)."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from application.ports.scanner import FileInfected, Scanner, ScannerUnavailable

PIECE = 128 * 1024
CONNECT_S, VERDICT_S = 5.0, 60.0

Address = tuple[str, int] | Path  # a server, or its socket on this machine


class NoVerdict(Exception):
    """What it said was neither yes nor no: the file is above its limit, or it is in trouble."""


@dataclass(frozen=True, slots=True)
class ClamdScanner(Scanner):
    address: Address
    connect_s: float = CONNECT_S
    verdict_s: float = VERDICT_S  # the sending included

    @override
    async def scan(self, file: Path) -> None:
        with _translated():
            content = await asyncio.to_thread(file.open, "rb")
        with content, _translated():
            verdict = await self._verdict(content)
        if verdict.endswith(b" FOUND"):
            raise FileInfected
        if verdict != b"stream: OK":
            raise ScannerUnavailable from NoVerdict(verdict.decode(errors="replace"))

    async def check(self) -> None:
        """Returns when it can be asked. Raises ScannerUnavailable."""
        with _translated():
            async with self._line() as (reader, writer):
                writer.write(b"zPING\0")
                await reader.readuntil(b"PONG\0")

    async def _verdict(self, content: BinaryIO) -> bytes:
        async with self._line() as (reader, writer):
            return await _asked(content, reader, writer)

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        async with asyncio.timeout(self.connect_s):
            reader, writer = await self._connected()
        try:
            async with asyncio.timeout(self.verdict_s):
                yield reader, writer
        finally:
            writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.address, Path):
            return await asyncio.open_unix_connection(self.address)
        return await asyncio.open_connection(*self.address)


async def _asked(content: BinaryIO, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """It may give its verdict before it has heard everything."""
    sending = asyncio.ensure_future(_send(content, writer))
    try:
        return (await reader.readuntil(b"\0"))[:-1]
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(content: BinaryIO, writer: asyncio.StreamWriter) -> None:
    """Each piece goes with its size before it; an empty one is the last."""
    writer.write(b"zINSTREAM\0")
    piece = b"-"
    while piece:
        piece = await asyncio.to_thread(content.read, PIECE)
        writer.write(struct.pack("!L", len(piece)) + piece)
        await writer.drain()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
        raise ScannerUnavailable from error
