"""Reading what upstreams answer, whole or as a stream of events, always bounded in size and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import httpx

from adapters.http.errors import BadAnswer, Busy
from adapters.http.retry_after import asked_to_wait
from adapters.http.sse import EventData

BUSY = (429, 503)
ANSWER_MAX = 1024 * 1024
STREAM_MAX = 256 * 1024 * 1024  # on the wire: a token's event may be a hundred times its text


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    content_type: str  # without parameters, in lower case
    body: bytes


async def fetched(
    client: httpx.AsyncClient, request: httpx.Request, *, within_s: float, limit: int = ANSWER_MAX
) -> Fetched:
    """A whole answer. Raises what httpx raises, TimeoutError, and BadAnswer when the body is too large."""
    body = bytearray()
    async with asyncio.timeout(within_s):
        response = await client.send(request, stream=True)
        try:
            require_plain(response)
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > limit:
                    raise BadAnswer("oversized answer")
        finally:
            await response.aclose()
    return Fetched(response.status_code, _type_of(response), bytes(body))


async def whole(
    client: httpx.AsyncClient, request: httpx.Request, *, within_s: float, limit: int = ANSWER_MAX
) -> tuple[int, bytes]:
    """As `fetched`, where the type says nothing: status and body."""
    found = await fetched(client, request, within_s=within_s, limit=limit)
    return found.status, found.body


async def status_of(client: httpx.AsyncClient, request: httpx.Request, *, within_s: float) -> int:
    """The status alone; the body is not read."""
    async with asyncio.timeout(within_s):
        response = await client.send(request, stream=True)
        await response.aclose()
    return response.status_code


class EventBatches:
    """The data of a stream's events, together what arrived together, until the stream ends."""

    def __init__(self, response: httpx.Response, idle_s: float, deadline: float) -> None:
        self._idle_s = idle_s
        self._deadline = deadline
        self._now = asyncio.get_running_loop().time
        # The stream itself: nothing is compressed, so aiter_raw would only be one more layer on the hot path.
        self._pieces = aiter(cast(httpx.AsyncByteStream, response.stream))
        self._parser = EventData()
        self._size = 0
        self._heard = self._now()

    async def next(self) -> list[bytes]:
        """Never empty but at the end. Raises what httpx raises, TimeoutError (no event for `idle_s`, no end
        in time), and BadAnswer (too large)."""
        # after the reader took the last: his slowness is not the upstream's
        now = self._heard = self._now()
        while True:
            until = min(self._heard + self._idle_s, self._deadline)
            if until <= now:  # a timeout scope would let a flood through: it never waits
                raise TimeoutError
            try:
                if now == self._heard and until < self._deadline:  # the transport's own timeout costs less
                    piece = await self._pieces.__anext__()
                else:
                    async with asyncio.timeout_at(until):
                        piece = await self._pieces.__anext__()
            except StopAsyncIteration:
                return self._parser.end()
            self._size += len(piece)
            if self._size > STREAM_MAX:
                raise BadAnswer("oversized stream")
            if batch := self._parser.feed(piece):
                return batch
            now = self._now()


@asynccontextmanager
async def events(
    client: httpx.AsyncClient, request: httpx.Request, *, idle_s: float, total_s: float
) -> AsyncIterator[EventBatches]:
    """The events of the answer, as long as the context lasts; its end closes the connection.

    Raises what httpx raises, TimeoutError (no end after `total_s`), Busy, and BadAnswer (not a stream of
    events). The request's own read timeout must be `idle_s`.
    """
    deadline = asyncio.get_running_loop().time() + total_s
    async with asyncio.timeout_at(deadline):
        response = await client.send(request, stream=True)
    try:
        require_events(response)
        yield EventBatches(response, idle_s, deadline)
    finally:
        await response.aclose()


def require_plain(response: httpx.Response) -> None:
    """We ask for uncompressed answers; what is compressed all the same could swell without bound."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadAnswer("compressed answer")


def require_events(response: httpx.Response) -> None:
    if response.status_code in BUSY:
        raise Busy(asked_to_wait(response.headers.get("retry-after"), datetime.now(UTC)))
    if response.status_code != 200:
        raise BadAnswer(f"status {response.status_code}")
    if _type_of(response) != "text/event-stream":
        raise BadAnswer("not a stream of events")
    require_plain(response)


def _type_of(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
