"""Text out of documents, read by a process apart that may crash, hang or eat memory without harm."""

import asyncio
import math
import os
import socket
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing, suppress
from pathlib import Path

import msgspec
from typing_extensions import override

from adapters.extraction.reading import Limits, Why
from adapters.extraction.wire import ENCODER, LINE_MAX, LINES, Found, Line, PagesRead, Refusal, Request
from adapters.niceness import put_behind
from application.ports.extraction import ExtractionUnavailable, Extractor, Piece
from application.ports.progress import Progress, untold
from domain.document import MISMATCH, BadFile

PATIENCE = 2  # times as long as a document may take, since others may need the processor too
READERS = 4
BYTES_MAX = 100_000_000  # a child that read something evil may say anything
_CODE = Path(__file__).resolve().parents[2]  # where the child finds our packages


class ProcessExtractor(Extractor):
    """Each document gets a fresh process with little memory, no files to write and a limit of computing time,
    which is shorter for checks: somebody waits for them."""

    def __init__(
        self,
        *,
        max_pages: int = 1000,
        max_archive_ratio: int = 100,
        max_archive_mb: int = 200,
        timeout_s: float = 60.0,
        check_timeout_s: float = 15.0,
        memory_mb: int = 512,
    ) -> None:
        self._limits = Limits(max_pages, max_archive_ratio, max_archive_mb)
        self._timeout = timeout_s
        self._check_timeout = min(check_timeout_s, timeout_s)
        self._memory = memory_mb
        self._readers = asyncio.Semaphore(READERS)

    @override
    async def pieces(self, file: Path, extension: str, told: Progress = untold) -> list[Piece]:
        async with self._readers:
            return await self._ask(file, extension, self._timeout, told)

    @override
    async def check(self, file: Path, extension: str) -> None:
        await self._ask(file, extension, self._check_timeout, check_only=True)

    async def _ask(
        self,
        file: Path,
        extension: str,
        seconds: float,
        told: Progress = untold,
        *,
        check_only: bool = False,
    ) -> list[Piece]:
        request = Request(
            file=os.path.abspath(file),  # noqa: PTH100, ASYNC240 (a name only)
            extension=extension,
            check_only=check_only,
            limits=self._limits,
            memory_mb=self._memory,
            seconds=math.ceil(seconds),
        )
        found: list[Piece] = []
        try:
            async with (
                asyncio.timeout(PATIENCE * seconds),
                _child() as child,
                aclosing(_lines(*child, request)) as lines,
            ):
                async for line in lines:
                    if isinstance(line, Found):
                        found.append(line.piece)
                    elif isinstance(line, PagesRead):
                        told(line.done, line.of)
                    elif isinstance(line, Refusal):
                        raise self._refusal(line.why)
                    else:
                        return found
        except TimeoutError as error:
            raise self._refusal(Why.UNREADABLE) from error
        raise self._refusal(Why.UNREADABLE)

    def _refusal(self, why: Why) -> BadFile:
        return BadFile(
            {
                Why.MISMATCH: MISMATCH,
                Why.UNREADABLE: "Document cannot be read",
                Why.TOO_LONG: f"Document has too many pages (max {self._limits.pages})",
                Why.SCAN: "Document is a scan without text",
            }[why]
        )


async def _lines(hears: StreamReader, says: StreamWriter, request: Request) -> AsyncGenerator[Line]:
    """What the child says, as long as it makes sense; one that dies, or says what it should not, could not
    read its document."""
    left = BYTES_MAX
    with suppress(ConnectionError, msgspec.DecodeError, ValueError):
        says.write(ENCODER.encode(request) + b"\n")
        while left > 0:
            said = await hears.readline()
            left -= len(said)
            yield LINES.decode(said)


@asynccontextmanager
async def _child() -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """The ends of our conversation with it; it does not survive the context."""
    try:
        child, line = _started()
    except OSError as error:
        raise ExtractionUnavailable from error
    try:
        put_behind(child.pid)  # by the time that it could do so itself it has done most of its work
        async with _conversation(line) as ends:
            yield ends
    finally:
        child.kill()
        await asyncio.shield(asyncio.to_thread(child.wait))


def _started() -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Not by the event loop: uvloop copies our whole memory map for it, and stands still for 25 ms where this
    takes less than one."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "adapters.extraction.child"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": str(_CODE), "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd="/",
            )
    except BaseException:
        ours.close()
        raise
    return child, ours


@asynccontextmanager
async def _conversation(line: socket.socket) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    with closing(line):
        hears, says = await asyncio.open_unix_connection(sock=line, limit=LINE_MAX)
        try:
            yield hears, says
        finally:
            says.close()
            with suppress(ConnectionError):
                await says.wait_closed()
