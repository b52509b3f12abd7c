"""A response read by h11 alone, and by our connection over a socket pair, for comparison."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import h11
import httpx

from adapters.http.connection import HEAD_MAX, Connection


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int | None  # None: no head that could be read
    body: bytes
    refused: bool


def split(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return [wire[a:b] for a, b in pairwise(edges) if a < b]


def by_h11(wire: bytes) -> Outcome:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    status, body, closed = None, b"", False
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if closed:
                    return Outcome(status, body, refused=True)
                connection.receive_data(b"")
                closed = True
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return Outcome(status, body, refused=False)
            elif not isinstance(event, h11.InformationalResponse):
                return Outcome(status, body, refused=True)
    except h11.RemoteProtocolError:
        return Outcome(status, body, refused=True)


async def by_us(pieces: Sequence[bytes]) -> Outcome:
    """The pieces are written one by one, each after the one before has been taken."""
    far, near = socket.socketpair()
    with far, near:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection("GET", 5), sock=near)
        await connection.send(httpx.Request("GET", "http://a/"))
        body = b""
        try:
            for piece in pieces:
                try:
                    far.sendall(piece)
                except OSError:
                    break  # it has already refused, or has all it wants
                await asyncio.sleep(0)
            far.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            await connection.answer()
            async for part in connection:
                body += part
            refused = False
        except (httpx.RemoteProtocolError, httpx.ReadError):
            refused = True
        finally:
            connection.close()
            await asyncio.sleep(0)  # the loop lets go of the socket
        status = connection.head.status_code if connection.head else None
        return Outcome(status, body, refused)
