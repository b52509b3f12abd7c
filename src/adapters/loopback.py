"""A small HTTP/1.1 server for children of ours: on the loopback interface only, every request with the secret
of this launch, everything bounded. It costs a few megabytes where a web framework costs sixty."""

import asyncio
import hashlib
import hmac
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import h11
from multipart import MultipartError, MultipartParser, parse_options_header

SECRET_HEADER = "X-Avatar-Secret"  # noqa: S105 (a header's name)
HEAD_MAX = 16 * 1024
BODY_MAX = 64 * 1024  # unless a route takes more
PIECE = 64 * 1024
FIRST_S = 5.0  # who connects has something to ask
IDLE_S, BODY_S, WRITE_S = 75.0, 30.0, 30.0  # between requests; for the next piece; until the answer is taken
LINGER_S, LINGER_MAX = 2.0, 256 * 1024 * 1024
CONNECTIONS = 512

log = logging.getLogger(__name__)


def instance_secret(secret: str, port: int) -> str:
    """What opens the instance at that port alone: whoever takes its port when it is dead learns nothing that
    opens another one, or our manager. `secret` is the one of this launch."""
    return hmac.new(secret.encode(), f"instance:{port}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status, body, "application/json", headers or {})


class Refusal(Exception):
    """A request that cannot be answered as asked; the server words it in the shape of its protocol."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in, with its whole body."""

    method: str
    path: str
    rest: str  # what followed the route's own path, decoded
    content_type: str
    body: bytes

    def json(self) -> dict[str, object]:
        """Raises Refusal unless the body is a JSON object."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "The body must be JSON") from error
        if not isinstance(value, dict):
            raise Refusal(400, "The body must be a JSON object")
        return value

    def form(self) -> tuple[dict[str, str], dict[str, Upload]]:
        """Fields and files; of several with one name the last counts. Raises Refusal."""
        kind, options = parse_options_header(self.content_type)
        try:
            if kind == "multipart/form-data":
                return self._parts(options.get("boundary", ""))
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, errors="strict")
            return dict(pairs), {}
        except (MultipartError, ValueError) as error:
            raise Refusal(400, "The form cannot be read") from error

    def _parts(self, boundary: str) -> tuple[dict[str, str], dict[str, Upload]]:
        fields: dict[str, str] = {}
        files: dict[str, Upload] = {}
        size = len(self.body)
        parser = MultipartParser(BytesIO(self.body), boundary, size, spool_limit=size, memory_limit=size)
        for part in parser:
            if part.filename is None:
                fields[part.name] = part.value
            else:
                files[part.name] = Upload(part.filename, part.content_type, part.raw)
        return fields, files


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers `method path`. A path that ends in a slash takes one more segment."""

    method: str
    path: str
    answer: Callable[[Asked], Awaitable[Answer]]
    body_max: int = BODY_MAX
    ignores_body: bool = False  # the answer is the same whatever is sent


@dataclass(eq=False, slots=True)
class LoopbackServer:
    """`async with LoopbackServer(listener, secret, routes, refuse)`: answers until the end of the context."""

    listener: socket.socket
    secret: str  # empty: whoever may connect may ask
    routes: tuple[Route, ...]
    refuse: Callable[[Refusal], Answer]
    _held: "dict[asyncio.Task[None], _Conversation]" = field(default_factory=dict, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)

    async def __aenter__(self) -> "LoopbackServer":
        self._server = await asyncio.start_server(self._accept, sock=self.listener, limit=PIECE)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        tasks = tuple(self._held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self._has_room():
            return writer.close()
        conversation = self._held[task] = _Conversation(self, reader, writer)
        try:
            await conversation.hold()
        except (OSError, TimeoutError):
            pass  # the other side is gone, or has stopped in the middle
        except asyncio.CancelledError:
            pass  # we end
        finally:
            self._held.pop(task, None)
            writer.close()

    def _has_room(self) -> bool:
        """For one more, if need be in the place of one that asks nothing: first of those that never have."""
        if len(self._held) < CONNECTIONS:
            return True
        idle = [(held.has_asked, held.idle_since, task) for task, held in self._held.items() if held.is_idle]
        if not idle:
            return False
        *_, task = min(idle, key=lambda each: each[:2])
        del self._held[task]
        return task.cancel()

    async def respond(self, route: "Route | Refusal", asked: Asked) -> Answer:
        try:
            if isinstance(route, Refusal):
                raise route
            return await route.answer(asked)
        except Refusal as refusal:
            return self.refuse(refusal)
        except Exception:
            log.exception("a request failed: %s %s", asked.method, asked.path)
            return self.refuse(Refusal(500, "This should not have happened; the log says more"))

    def route(
        self, method: str, target: str, headers: Mapping[str, str]
    ) -> tuple["Route | Refusal", str, str]:
        """Who answers, the decoded path, and what followed the route's own."""
        try:
            path = unquote_to_bytes(urlsplit(target).path).decode()
        except ValueError:
            return Refusal(400, "The path cannot be read"), "", ""
        shown = headers.get(SECRET_HEADER.lower(), "")
        if self.secret and not hmac.compare_digest(shown.encode(), self.secret.encode()):
            return Refusal(403, f"{SECRET_HEADER} is missing or wrong"), path, ""
        methods = []
        for route in self.routes:
            rest = path.removeprefix(route.path) if route.path.endswith("/") else ""
            if path == route.path + rest and "/" not in rest and bool(rest) == route.path.endswith("/"):
                if method == route.method:
                    return route, path, rest
                methods.append(route.method)
        if methods:
            return Refusal(405, "Method not allowed", {"Allow": ", ".join(methods)}), path, ""
        return Refusal(404, "Not found"), path, ""


@dataclass(eq=False, slots=True)
class _Conversation:
    """One connection: a request and its answer, again and again."""

    server: LoopbackServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    wire: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX), init=False
    )
    has_asked: bool = field(default=False, init=False)
    is_idle: bool = field(default=True, init=False)  # no whole request is there
    idle_since: float = field(default_factory=time.monotonic, init=False)

    async def hold(self) -> None:
        try:
            while await self._exchange():
                self.wire.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if self.wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                status = error.error_status_hint
                await self._write(
                    self.server.refuse(Refusal(status, "This is not HTTP as it is spoken here"))
                )

    async def _exchange(self) -> bool:
        """Whether there may be another one."""
        request = await self._asked_for()
        if not isinstance(request, h11.Request):
            return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        method, target = request.method.decode("ascii"), request.target.decode("latin-1")
        route, path, rest = self.server.route(method, target, headers)
        body = b""
        if {"content-length", "transfer-encoding"}.isdisjoint(headers):
            await self._event(BODY_S)  # the end of the request
        elif isinstance(route, Route) and not route.ignores_body:
            try:
                body = await self._body(route.body_max)
            except Refusal as refusal:
                route = refusal
        asked = Asked(method, path, rest, headers.get("content-type", ""), body)
        await self._write(await self.server.respond(route, asked))
        if self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    async def _asked_for(self) -> object:
        """The head of the next request, or what came instead of it."""
        self.is_idle, self.idle_since = True, time.monotonic()
        within = IDLE_S if self.has_asked else FIRST_S
        async with asyncio.timeout(within):  # however slowly it drips in
            request = await self._event(within)
        self.is_idle, self.has_asked = False, True
        return request

    async def _body(self, most: int) -> bytes:
        body = bytearray()
        while isinstance(event := await self._event(BODY_S), h11.Data):
            body += event.data
            if len(body) > most:
                raise Refusal(413, "The body is too large")
        return bytes(body)

    async def _event(self, within: float) -> object:
        while (event := self.wire.next_event()) is h11.NEED_DATA:
            if self.wire.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self.writer.write(self.wire.send(go_on) or b"")
            async with asyncio.timeout(within):
                self.wire.receive_data(await self.reader.read(PIECE))
        return event

    async def _write(self, answer: Answer) -> None:
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        if self.wire.their_state is not h11.DONE:
            headers["Connection"] = "close"
        head = h11.Response(
            status_code=answer.status,
            headers=[*headers.items(), *answer.headers.items()],
            reason=HTTPStatus(answer.status).phrase,
        )
        for event in (head, h11.Data(data=answer.body), h11.EndOfMessage()):
            self.writer.write(self.wire.send(event) or b"")
        async with asyncio.timeout(WRITE_S):
            await self.writer.drain()

    async def _linger(self) -> None:
        """Who still sends would lose our answer if we closed at once."""
        self.writer.write_eof()
        left = LINGER_MAX
        while left > 0:
            async with asyncio.timeout(LINGER_S):
                piece = await self.reader.read(PIECE)
            if not piece:
                return
            left -= len(piece)
