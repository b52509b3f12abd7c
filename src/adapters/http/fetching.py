import asyncio
from dataclasses import dataclass

import httpx

from adapters.http.answers import ANSWER_MAX, require_plain
from adapters.http.errors import BadAnswer


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    content_type: str  # without parameters, in lower case
    body: bytes


async def fetched(
    client: httpx.AsyncClient, request: httpx.Request, *, within_s: float, limit: int = ANSWER_MAX
) -> Fetched:
    """An answer with its type, where that matters. Raises what httpx raises, TimeoutError, and BadAnswer when
    the body is too large."""
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
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(response.status_code, content_type, bytes(body))
