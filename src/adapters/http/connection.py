import asyncio
from typing import cast

import h11
import httpx
from typing_extensions import override

from adapters.http.framing import Framing, framing

HEAD_MAX = 64 * 1024
READY_MAX = 256 * 1024  # read ahead for a slow reader; asyncio reads at most as much again at a time


class Connection(asyncio.Protocol):
    """One request and its response over one socket.

    The socket is closed as soon as the response has ended, has failed, or is closed here. While the reader is
    behind, nothing is read from it, so that the sender has to wait.
    """

    def __init__(self, method: str, idle_s: float | None) -> None:
        self.head: h11.Response | None = None
        self._method = method
        self._idle_s = idle_s
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self._loop = asyncio.get_running_loop()
        self._body: Framing | None = None
        self._ready: list[bytes] = []
        self._size = 0
        self._reads = True
        self._ended = False
        self._error: httpx.RequestError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._since = 0.0  # when the waiter began to wait
        self._alarm: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()

    # What the reader does.

    async def send(self, request: httpx.Request) -> None:
        """Returns when the request was written, or when nobody takes the rest any more: the answer, or its
        absence, says why."""
        within_s = request.extensions.get("timeout", {}).get("write")
        pending = self._sent(
            h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        )
        async for piece in cast(httpx.AsyncByteStream, request.stream):
            await self._write(pending + self._sent(h11.Data(data=piece)), within_s)
            if self.head or self._ended:
                return
            pending = b""
        await self._write(pending + self._sent(h11.EndOfMessage()), within_s)

    async def answer(self) -> h11.Response:
        """The head. All of it must come within the idle time."""
        try:
            async with asyncio.timeout(self._idle_s):
                while not self.head:
                    if self._error:
                        raise self._error
                    await self._wake_up()
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time") from error
        return self.head

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> bytes:
        """All of the body that has come since; waits at most the idle time for more."""
        while not self._ready:
            if self._error:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._since = self._loop.time()
            if self._alarm is None and self._idle_s is not None:
                self._alarm = self._loop.call_at(self._since + self._idle_s, self._look)
            self._waiter = self._loop.create_future()
            try:  # not through `_wake_up`: this is the hot path
                await self._waiter
            finally:
                self._waiter = None
        piece = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
        self._size = 0
        if not self._reads and not self._ended:
            self._reads = True
            self._transport.resume_reading()
        return piece

    def close(self) -> None:
        self._end(httpx.ReadError("closed"))

    # What the event loop does.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()

    @override
    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            if self._body is None:
                data = self._behind_head(data)
            if self._body is None:
                return
            piece = self._body.feed(data)
        except (h11.RemoteProtocolError, httpx.RemoteProtocolError) as error:
            return self._end(httpx.RemoteProtocolError(str(error)))
        if piece:
            self._ready.append(piece)
            self._size += len(piece)
        if self._body.done:
            self._end()
        elif self._size > READY_MAX and self._reads:
            self._reads = False
            self._transport.pause_reading()
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if exc:
            self._end(httpx.ReadError(str(exc)))
        elif self._body is None:
            self._end(httpx.RemoteProtocolError("closed without an answer"))
        else:
            try:
                self._body.closed()
            except httpx.RemoteProtocolError as error:
                self._end(error)
            self._end()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    def _behind_head(self, data: bytes) -> bytes:
        self._h11.receive_data(data)
        while isinstance(event := self._h11.next_event(), h11.InformationalResponse):
            pass
        if isinstance(event, h11.Response):
            self.head, self._body = event, framing(self._method, event)
        return bytes(self._h11.trailing_data[0]) if self.head else b""

    def _sent(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> bytes:
        try:
            return self._h11.send(event) or b""
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error

    async def _write(self, data: bytes, within_s: float | None) -> None:
        if self._ended:
            return
        self._transport.write(data)
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(within_s):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpx.WriteTimeout("nobody reads the request") from error

    async def _wake_up(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """Whether the reader has waited too long. One timer that goes after him serves the whole stream: one
        for each of his waits would cost as much as reading does."""
        self._alarm = None
        if self._ended or self._idle_s is None:
            return
        now = self._loop.time()
        due = (self._since if self._waiter else now) + self._idle_s
        if due > now:
            self._alarm = self._loop.call_at(due, self._look)
        else:
            self._end(httpx.ReadTimeout("nothing more in time"))

    def _end(self, error: httpx.RequestError | None = None) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        if self._alarm:
            self._alarm.cancel()
        self._transport.abort()
        self._writable.set()
        self._wake()
