"""The outermost layer, around the framework: what must hold for every answer, whoever gives it.

Paths are normalised, bodies bounded, CORS and security headers set, requests numbered and logged once - also
for answers that are given before or instead of routing.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from structlog.contextvars import bound_contextvars

from domain.document import MB
from domain.errors import Invalid, TooLarge
from entrypoints.http.errors import FRAMEWORK, body_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Answered = Callable[[str, str, int], None]  # told the method, the route and the status of every answer

log = logging.getLogger("http")

KB = 1024
LIMITS = {  # contract 1.4; everything else is a JSON route
    "/api/chat": MB,
    "/api/chat/stream": MB,
    "/api/chat/upload": 51 * MB,
    "/api/upload": 21 * MB,
    "/api/user/avatar": 6 * MB,
    "/api/avatar/add": 151 * MB,
    "/api/webrtc/humanaudio": 51 * MB,
}
JSON_LIMIT = 256 * KB
LINGER_BYTES, LINGER_S = 64 * MB, 5.0
DRAIN_S = 120.0  # at most, of a body whose sender was let begin
LEAST_BYTES_PER_S = 8 * KB  # of a body that takes longer than its grace; slow lines manage ten times as much

ALLOW_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
ALLOW_HEADERS = (
    "authorization, content-type, accept, x-request-time, sessionid, idempotency-key, last-event-id, "
    "x-request-id, cache-control"
)
EXPOSE_HEADERS = (
    "X-New-Token, X-Request-Id, X-Session-Id, X-Message-Id, X-Total-Count, Retry-After, Content-Disposition"
)
NAMED = "/upload/"  # what follows is the name of a file: people's own words, which no log keeps
WIRE = "wire"  # of a request's state: how the server itself sends, for whom the layers between cost too much
PREFLIGHT = b'{"status":"ok"}'
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Edge:
    app: App
    origins: tuple[str, ...]  # ("*",) for any
    answered: Answered
    body_grace_s: float = 30.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _first_values(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        sent = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or scope["path"]
        scope.setdefault("state", {}).update({"request_id": request_id, "path_as_sent": sent, WIRE: send})
        scope["path"] = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
        exchange = Exchange(self, scope, request_id, headers.get(b"origin", b"").decode("latin-1"), send)
        comes = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        body = Body(receive, LIMITS.get(scope["path"], JSON_LIMIT), comes, self.body_grace_s)
        with bound_contextvars(request_id=request_id):
            try:
                await self._serve(scope, body, exchange, headers)
            except Exception as error:  # the edge of the process towards HTTP
                log.error("a bug", exc_info=error)
                await exchange.answer(500, "Internal Server Error", "internal")
            finally:
                exchange.log()
                self.answered(*exchange.kind)
        # who waits for our word before the body, and was not let begin, sends none after a refusal
        if body.begun or b"expect" not in headers:
            await body.drain()

    async def _serve(
        self, scope: Scope, body: "Body", exchange: "Exchange", headers: dict[bytes, bytes]
    ) -> None:
        if scope["method"] == "OPTIONS":
            await exchange.preflight()
            return
        if headers.get(b"content-encoding", b"").strip().lower() not in (b"", b"identity"):
            await exchange.answer(415, "Content-Encoding is not supported", "unsupported_media_type")
            return
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit():
            await exchange.answer(400, *FRAMEWORK[400])
            return
        if int(announced) > body.limit:
            await exchange.answer(413, *FRAMEWORK[413])
            return
        if scope["method"] == "HEAD":
            scope["state"]["head"] = True
            scope["method"] = "GET"
        await self.app(scope, body, exchange.send)

    def cors(self, path: str, origin: str) -> list[tuple[bytes, bytes]]:
        """Also for requests without an origin: a cached answer may be read by a page later."""
        if path.startswith("/dev/"):
            return []
        exposed = (b"access-control-expose-headers", EXPOSE_HEADERS.encode())
        if "*" in self.origins:
            return [(b"access-control-allow-origin", b"*"), exposed]
        vary = (b"vary", b"Origin")
        if origin in self.origins:
            return [(b"access-control-allow-origin", origin.encode("latin-1")), exposed, vary]
        return [vary]


def wants_head(scope: Any) -> bool:
    """Whether the request that looks like a GET is a HEAD: what must not happen without a body, must not."""
    return bool(scope["state"].get("head"))


class Exchange:
    """One request and its answer, as the edge sees them."""

    def __init__(self, edge: Edge, scope: Scope, request_id: str, origin: str, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._request_id = request_id
        self._origin = origin
        self._send = send
        self._head = scope["method"] == "HEAD"
        self._method = scope["method"]
        self._began = time.perf_counter()
        self._status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._extra(message)]
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def preflight(self) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(PREFLIGHT))]
        allowed = self._edge.cors(self._scope["path"], self._origin)
        if any(name == b"access-control-allow-origin" for name, _ in allowed):
            headers += [
                (b"access-control-allow-methods", ALLOW_METHODS.encode()),
                (b"access-control-allow-headers", ALLOW_HEADERS.encode()),
                (b"access-control-max-age", b"600"),
            ]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": PREFLIGHT})

    async def answer(self, status: int, msg: str, code: str) -> None:
        """An error of our own, unless an answer has begun already."""
        if self._status:
            return
        body = json.dumps(body_of(msg, code, self._request_id)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    @property
    def kind(self) -> tuple[str, str, int]:
        """Method, route and status. What leads to no route is all the same, whatever its path and method."""
        route = self._scope.get("path_template")
        return (self._method, route, self._status) if route else ("", "", self._status)

    def log(self) -> None:
        before, named, _ = self._scope["path"].partition(NAMED)  # also where it leads to no route
        log.info(
            "request",
            extra={
                "method": self._method,
                "path": before + named + "{name}" if named else before,
                "status": self._status,
                "ms": round((time.perf_counter() - self._began) * 1000, 1),
            },
        )

    def _extra(self, message: Message) -> list[tuple[bytes, bytes]]:
        present = _first_values(message.get("headers", ()))
        extra = [
            (b"x-request-id", self._request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        if b"cache-control" not in present:
            extra.append((b"cache-control", b"no-store"))
        if successor := self._scope["state"].get("successor"):
            extra.append((b"x-new-token", successor.token.encode()))
        return extra + self._edge.cors(self._scope["path"], self._origin)


def _first_values(headers: Any) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        values.setdefault(name.lower(), value)
    return values


class BodyTooSlow(Invalid):
    msg = "Request body came too slowly"


class Body:
    """What the client sends, as the application receives it: a lying or absent Content-Length gets nobody
    past the limit, and who drips his body holds us for a while only."""

    def __init__(
        self, receive: Receive, limit: int, comes: bool, grace_s: float, linger_s: float = LINGER_S
    ) -> None:
        self.limit = limit
        self._receive = receive
        self._got = 0
        self._ended = not comes
        self._grace_s = grace_s
        self._linger_s = linger_s
        self._began = 0.0

    async def __call__(self) -> Message:
        message = await (self._receive() if self._ended else self._in_time())
        if self._got > self.limit:
            raise TooLarge
        return message

    @property
    def begun(self) -> bool:
        """The client was let send it."""
        return self._began > 0

    async def drain(self) -> None:
        """Swallow what an early answer left unread, within reason: a client that is still sending when the
        line is closed would never see the answer. Who was let begin may go on for a while as slowly as
        anybody."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._linger_s
        at_last = loop.time() + DRAIN_S
        with suppress(TimeoutError):
            while not self._ended and self._got < max(self.limit, LINGER_BYTES):
                async with asyncio.timeout_at(until):
                    await self._next()
                if self.begun:
                    until = min(at_last, max(until, min(self._due, loop.time() + self._linger_s)))

    @property
    def _due(self) -> float:
        """When more of it must be here."""
        return self._began + self._grace_s + self._got / LEAST_BYTES_PER_S

    async def _in_time(self) -> Message:
        self._began = self._began or asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._due):
                return await self._next()
        except TimeoutError as error:
            raise BodyTooSlow from error

    async def _next(self) -> Message:
        message = await self._receive()
        self._got += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)  # so it is after a disconnect
        return message
