"""A bare HTTP/1.1 server on loopback that shows what a client really did."""

import argparse
import asyncio
import json
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from tests.servers.listening import Listening

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> tuple[dict[str, str], dict[str, File]]:
        """Fields and files of a multipart or urlencoded body."""
        kind, _, rest = self.headers.get("content-type", "").partition(";")
        if kind == "multipart/form-data":
            return _multipart(self.body, rest.partition("boundary=")[2].strip().strip('"').encode())
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True)), {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a path does instead of working: be late, hang, reset the connection, or answer this."""

    delay: float = 0.0
    hang: bool = False
    reset: bool = False
    status: int | None = None
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """The answering side of one request."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.started = False
        self.ended = False

    async def answer(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        lines = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
        self._head(status, lines)
        self._writer.write(body)
        await self._writer.drain()
        self.ended = True

    async def json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        await self.answer(status, json.dumps(value, ensure_ascii=False).encode(), headers=headers)

    async def page(self, status: int, text: str) -> None:
        await self.answer(status, f"<html><body>{text}</body></html>".encode(), "text/html")

    async def start(self, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Begin a stream of unknown length."""
        self._head(200, {"content-type": content_type, "transfer-encoding": "chunked", **(headers or {})})
        await self._writer.drain()

    async def send(self, data: bytes, split: int = 0, drip: float = 0.0) -> None:
        """A piece of the stream, as one HTTP chunk or as many of `split` bytes, `drip` seconds apart."""
        for at in range(0, len(data), split or len(data) or 1):
            piece = data[at : at + split] if split else data
            self._writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await self._writer.drain()
            if split:
                await asyncio.sleep(drip)

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        self.ended = True

    def reset(self) -> None:
        """Cut the connection the hard way."""
        reset(self._writer)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.started = True
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


class HttpServer(Listening):
    """`async with Server() as server: server.url`. A subclass says how to `respond`."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.received: list[Received] = []
        self.abandoned: list[Received] = []  # the client left before the answer had ended
        self.faults: dict[str, Fault] = {}  # by path; "*" for all

    async def respond(self, request: Received, exchange: Exchange) -> None:
        await exchange.page(404, "Not Found")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool], within: float = 1.0) -> float:
        """Wait for something to be true here; the seconds it took. Fails when it takes longer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not condition():
            if loop.time() - began > within:
                raise AssertionError(f"not within {within} s")
            await asyncio.sleep(0.002)
        return loop.time() - began

    def asked(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]

    @override
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        early = b""
        while True:
            request = await _read(reader, early)
            self.received.append(request)
            exchange = Exchange(writer)
            early = await self._watched(request, exchange, reader)
            if not exchange.ended:
                return

    async def _watched(self, request: Received, exchange: Exchange, reader: asyncio.StreamReader) -> bytes:
        """Respond while watching whether the client is still there; what it sent early."""
        work = asyncio.create_task(self._respond(request, exchange))
        watch = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            early = b""
            if watch.done():
                with suppress(ConnectionError):
                    early = watch.result()
                if not early and not work.done():
                    self.abandoned.append(request)
                    return b""
            try:
                await work
            except ConnectionError:  # noticed while writing
                self.abandoned.append(request)
            return early
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _respond(self, request: Received, exchange: Exchange) -> None:
        fault = self.faults.get(request.path) or self.faults.get("*")
        if fault is None:
            return await self.respond(request, exchange)
        await asyncio.sleep(fault.delay)
        if fault.hang:
            await asyncio.Event().wait()
        elif fault.reset:
            exchange.reset()
        elif fault.status is not None:
            await exchange.answer(fault.status, fault.body, fault.content_type, fault.headers)
        else:
            await self.respond(request, exchange)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing() and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read(reader: asyncio.StreamReader, early: bytes) -> Received:
    head = early + await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    url = urlsplit(target)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, url.path, dict(parse_qsl(url.query)), headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _multipart(body: bytes, boundary: bytes) -> tuple[dict[str, str], dict[str, File]]:
    fields: dict[str, str] = {}
    files: dict[str, File] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        words = headers["Content-Disposition"].split("; ")[1:]
        named = {key: value.strip('"') for key, _, value in (word.partition("=") for word in words)}
        if "filename" in named:
            kind = headers.get("Content-Type", "")
            files[named["name"]] = File(named["filename"], kind, content)
        else:
            fields[named["name"]] = content.decode()
    return fields, files


def run(make: Callable[[int], HttpServer]) -> None:
    """Run a server as a process of its own: `--port N`, until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_run(make(parser.parse_args().port)))


async def _run(server: HttpServer) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with server:
        sys.stdout.write(f"{type(server).__name__} on {server.url}\n")
        sys.stdout.flush()
        await stop.wait()
