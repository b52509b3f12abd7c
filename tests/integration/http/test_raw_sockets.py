"""Any bytes on the socket (IN-3, IN-4, OV-8): no worker dies or stalls, and nothing is smuggled in."""

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.integration.house import House, User
from tests.integration.http.raw import connected, exchange

MALFORMED = [
    b"\r\n\r\n\r\n",
    b"\x00" * 1000,
    b"\xff\xfe\xfd" * 1000,
    bytes(range(256)) * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 50,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n Folded: y\r\n\r\n",
    b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://evil.example/api/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"get / http/1.1\r\nHost: x\r\n\r\n",
    b"G" * 100 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AA\r\n\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;"
    + b"x" * 100_000
    + b"\r\nhello\r\n0\r\n\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
    b"GET /api/%zz/%u0041 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/chat/history?%ff=%zz&limit=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
]


async def is_well(house: House) -> None:
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=house.url, timeout=2, trust_env=False) as fresh:
        assert (await fresh.get("/api/health")).status_code == 200
    assert time.perf_counter() - began < 2


async def test_malformed_requests_kill_nobody(home: House) -> None:
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(exchange(home.url, sent, within=0.5)) for sent in MALFORMED]
        for sent, answer in zip(MALFORMED, answers, strict=True):
            got = answer.result()
            assert not got or got.startswith(b"HTTP/1."), sent[:60]
            assert b" 500 " not in got.split(b"\r\n")[0], sent[:60]
            assert b"Traceback" not in got
        await is_well(home)


SMUGGLED = b"GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 50\r\n",
        b"Content-Length: 4, 50\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length : 4\r\n",
        b"Transfer-Encoding: identity, chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\nX: y\r\n",
    ],
)
async def test_ambiguous_lengths_smuggle_nothing(home: House, headers: bytes) -> None:
    """A second request that only one of two readings would see must not be answered."""
    body = b"0\r\n\r\n" + SMUGGLED
    answer = await exchange(
        home.url, b"POST /api/login HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + body, 1.0
    )

    if b"smuggled" in answer:  # then it was pipelined: our reading of the lengths must be the standard's
        assert headers.startswith((b"Transfer_Encoding", b"Transfer-Encoding: chunked\r\nContent-Length"))
    await is_well(home)


async def test_pipelined_requests_are_answered_in_order(home: House) -> None:
    sent = b"".join(b"GET /api/x%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(3))
    answer = await exchange(
        home.url, sent + b"GET /api/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 2
    )

    assert [answer.index(b"/api/x%d" % n) for n in range(3)] == sorted(
        answer.index(b"/api/x%d" % n) for n in range(3)
    )
    assert answer.endswith(b"pong")


async def test_an_absolute_form_names_no_other_host(home: House) -> None:
    answer = await exchange(
        home.url,
        b"GET http://evil.example/api/ping HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        2,
    )
    assert b"evil" not in answer


async def test_hundreds_of_half_open_connections_shut_nobody_out(ann: User) -> None:
    async with AsyncExitStack() as stack:
        for n in range(300):
            _, writer = await stack.enter_async_context(connected(ann.house.url))
            if n % 3:
                writer.write(
                    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n" + b"\r\n{" * (n % 3 - 1)
                )
        await is_well(ann.house)
        assert (await ann.get("/api/chat/history")).status_code == 200


async def test_a_client_that_leaves_in_its_body_is_no_bug(
    ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/api/login", "/api/chat/new", "/api/chat/stream", "/api/chat/upload"):
        async with connected(ann.house.url) as (_, writer):
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode()
            )
            await writer.drain()
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)
    await is_well(ann.house)
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


async def test_clients_that_leave_before_their_answer_leak_nothing(ann: User) -> None:
    """What they had asked is finished; what they held is given back."""
    for _ in range(60):
        async with connected(ann.house.url) as (_, writer):
            writer.write(
                "GET /api/chat/history HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {ann.token}\r\n\r\n".encode()
            )
            await writer.drain()
            writer.transport.abort()
    answers = await asyncio.gather(*(ann.get("/api/chat/history") for _ in range(40)))
    assert {a.status_code for a in answers} == {200}
