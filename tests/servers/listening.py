"""What all servers in this process have in common: they listen on loopback, and let go of everybody at the
end."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self


class Listening(ABC):
    """`async with Server() as server: server.port`. A subclass says how to `converse`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.connections = 0  # accepted so far
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @abstractmethod
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """With one client, until it leaves or the connection shall be closed."""
        ...

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            # the client left, or the server stops
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.converse(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()
