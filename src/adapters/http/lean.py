"""A transport under httpx for streams of many small pieces: a socket, h11 for the head, and little else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

import httpx
from typing_extensions import override

from adapters.http.connection import Connection
from adapters.http.trust import trusted

PORTS = {"http": 80, "https": 443}


class LeanTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 with a connection for each request, closed as soon as its response ends or is closed.

    No connection is used again: the other side may have closed a kept one the moment before, and a POST that
    met that could only be lost or sent twice. At most `max_connections` are open; whoever comes later waits
    in line. The request's timeouts are for waiting in line (pool), connecting (with TLS), the whole head and
    every further piece that somebody waits for (read), and handing on a piece of the request (write). While
    a reader does not read, the sender has to wait. No redirects, cookies, proxies or decompression.

    Raises what httpx raises.
    """

    def __init__(self, *, max_connections: int = 1000) -> None:
        self._room = asyncio.Semaphore(max_connections)
        self._open: set[Connection] = set()
        self._trusted = trusted()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        with ExitStack() as held:
            await self._enter(limits.get("pool"))
            held.callback(self._room.release)
            connection = await self._connected(request, limits.get("connect"), limits.get("read"))
            self._open.add(connection)
            held.callback(self._open.discard, connection)
            held.callback(connection.close)
            await connection.send(request)
            head = await connection.answer()
            return httpx.Response(
                head.status_code,
                headers=head.headers.raw_items(),
                stream=_Body(connection, held.pop_all().close),
                extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
            )

    @override
    async def aclose(self) -> None:
        for connection in self._open:
            connection.close()

    async def _enter(self, within_s: float | None) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._room.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("every connection is in use") from error

    async def _connected(
        self, request: httpx.Request, within_s: float | None, idle_s: float | None
    ) -> Connection:
        url = request.url
        if url.scheme not in PORTS:
            raise httpx.UnsupportedProtocol(f"{url.scheme} is not spoken here")
        try:
            async with asyncio.timeout(within_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(request.method, idle_s),
                    url.raw_host.decode(),
                    url.port or PORTS[url.scheme],
                    ssl=self._trusted if url.scheme == "https" else None,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        return connection


class _Body(httpx.AsyncByteStream):
    """The pieces of a body as they come. Closing it, at any time, closes the connection."""

    def __init__(self, connection: Connection, close: Callable[[], None]) -> None:
        self._connection = connection
        self._close = close

    @override
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return anext(self._connection)

    @override
    async def aclose(self) -> None:
        self._close()
