import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.servers.http import reset

Address = tuple[str, int] | Path  # a port, or a unix socket


class TcpProxy:
    """Stands before any server and makes its network bad.

    `delay` seconds pass before each piece goes on, in either direction. `hang()` accepts and forwards nothing
    until `resume()`. `cut()` resets what is connected now. `refuse()` closes the door until `accept()`.
    It listens on a free loopback port (`port`), or on a unix socket if told so. With `tls` it speaks that for
    a server that does not.
    """

    def __init__(
        self, target: Address, listen: Path | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.target = target
        self.listen = listen
        self.tls = tls
        self.port = 0
        self.delay = 0.0
        self.connections = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()

    async def accept(self) -> None:
        if self._server is not None:
            return
        if self.listen is not None:
            self._server = await asyncio.start_unix_server(self._connected, self.listen)
        else:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self.tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """New connections are refused, those that are open are cut."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def hang(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        for writer in list(self._writers):
            reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.target, Path):
            far_reader, far_writer = await asyncio.open_unix_connection(self.target)
        else:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        self._writers.add(far_writer)
        try:
            ways = [self._copy(reader, far_writer), self._copy(far_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._writers.discard(far_writer)
            far_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
