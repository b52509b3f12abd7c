"""The least a relay in Python costs: plain asyncio streams behind Granian, nothing parsed.

The upstream request is HTTP/1.0: its answer has no chunked framing to take off and ends with the
connection, so every read is passed on as it came.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

LLM = ("127.0.0.1", 18011)
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")],
}
REQUEST = b"POST %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body = await whole(receive)
    reader, writer = await asyncio.open_connection(*LLM)
    try:
        writer.write(REQUEST % (scope["path"].encode(), len(body), body))
        await reader.readuntil(b"\r\n\r\n")
        await send(HEAD)
        while data := await reader.read(65536):
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        writer.close()
