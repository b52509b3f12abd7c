"""Server-Sent Events (contract 10.1)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from application.accounts.still_in import StillIn
from application.chat.seat import Seat
from application.ports.credentials import Claims
from application.tasks import ended
from entrypoints.http.edge import WIRE, wants_head

HEARTBEAT = b": ping\n\n"
REVOCATION_CHECK_S = 20.0


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """How long the status line waits for the first word, and how often we ask whether readers are still
    logged in."""

    hold_s: float
    revocation_check_s: float = REVOCATION_CHECK_S


@dataclass(eq=False, slots=True)
class Logins:
    """An eye on the login sessions of all who read a stream in this process."""

    still_in: StillIn
    every_s: float
    _watched: "dict[object, tuple[Claims, Callable[[], None]]]" = field(default_factory=dict, init=False)

    @contextmanager
    def watch(self, claims: Claims, show_out: Callable[[], None]) -> Iterator[None]:
        """`show_out` is called once the login session was ended, as long as the context lasts."""
        place = object()
        self._watched[place] = (claims, show_out)
        try:
            yield
        finally:
            self._watched.pop(place, None)

    async def attend(self) -> None:
        """Asks about everybody in turn, for ever."""
        while True:
            watched = list(self._watched.items())
            pause_s = self.every_s / (len(watched) + 1)  # thousands at once would hold up everybody's tokens
            await asyncio.sleep(pause_s)
            for place, (claims, show_out) in watched:
                await asyncio.sleep(pause_s)
                if place not in self._watched:
                    continue
                now = await self.still_in(claims)
                if place not in self._watched:
                    continue
                if now is None:
                    del self._watched[place]
                    show_out()
                else:
                    self._watched[place] = (now, show_out)


@asynccontextmanager
async def watched(receive: Receive, seat: Seat) -> AsyncIterator[None]:
    """Whoever sits there leaves when the client does, as long as the context lasts."""

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        seat.quit()

    watching = asyncio.create_task(until_gone())
    try:
        yield
    finally:
        await ended(watching)


class EventStream(ASGIResponse):
    """Sends a reader what it is told, whole events, those that are ready together in one piece; a comment
    when nothing happens for long. `held` is released in the request's own task, whatever ends the stream: its
    end, a client that leaves, one that reads too slowly, or one whose login session is over. For the last it
    ends as if nothing more was said; the reply goes on and is stored."""

    _should_set_content_length = False

    def __init__(
        self,
        reader: Seat,
        held: AsyncExitStack,
        headers: Mapping[str, str] = MappingProxyType({}),
        sent: Callable[[], None] | None = None,
    ) -> None:
        """`sent` is told of each piece that has left."""
        super().__init__(
            status_code=200,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers},
        )
        self.reader = reader
        self.held = held
        self.sent = sent
        self._wire: Send

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("http_version") == "1.1":
            self.headers["connection"] = "keep-alive"
        if wants_head(scope):
            self.reader.quit()
        self._wire = scope["state"].get(WIRE, send)
        async with self.held:
            await super().__call__(scope, receive, send)

    @override
    async def send_body(self, send: Send, receive: Receive) -> None:
        sending = asyncio.current_task()
        self.reader.leave = sending.cancel if sending is not None else None
        try:
            await self._tell(self._wire)
        except asyncio.CancelledError:
            if not self.reader.dropped or sending is None:
                raise
            sending.uncancel()  # the connection is closed without an end: the client may come back

    async def _tell(self, send: Send) -> None:
        reader = self.reader
        while not reader.finished:
            piece = await reader.next()
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if self.sent is not None:
                    self.sent()
            elif not reader.finished:
                await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
