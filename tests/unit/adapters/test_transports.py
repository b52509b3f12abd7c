"""What both transports promise when the other side, or the network, does what it should not."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from adapters.http.client import http_client
from adapters.http.lean import LeanTransport
from adapters.http.trust import trusted
from tests.servers.http import reset
from tests.servers.tls import loopback_certificate
from tests.transports import TRANSPORTS, client_over

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
ENDLESS = HEAD + b"transfer-encoding: chunked\r\n\r\n"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Line:
    """One end of a wire: what arrived there, and when it was cut."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.written = 0
        self.cut = asyncio.Event()

    async def is_cut(self, within_s: float = 0.2) -> None:
        async with asyncio.timeout(within_s):
            await self.cut.wait()


@asynccontextmanager
async def listening(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, Line]]:
    """A server that answers each request's head by hand, and sees the client go."""
    line = Line()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            line.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(reader, writer)
            await reader.read()
            line.cut.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            line.cut.set()
        except asyncio.CancelledError:
            pass  # the server stops
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://localhost:{port}", line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*parts: bytes, then_close: bool = True) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_close:
            writer.close()

    return answer


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


@pytest.fixture(params=TRANSPORTS)
async def client(request: pytest.FixtureRequest) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_over(request.param) as made:
        yield made


async def pieces_of(client: httpx.AsyncClient, url: str, times: httpx.Timeout | float = 5) -> list[bytes]:
    async with client.stream("GET", url, timeout=times) as response:
        return [piece async for piece in response.aiter_raw()]


async def test_a_body_is_handed_on_as_it_comes(client: httpx.AsyncClient) -> None:
    more = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ENDLESS + b"5\r\nhello\r\n")
        await more.wait()
        writer.write(b"5\r\nworld\r\n0\r\n\r\n")

    async with listening(answer) as (url, _), client.stream("GET", url) as response:
        pieces = response.aiter_raw()
        async with asyncio.timeout(1):
            assert await anext(pieces) == b"hello"
            more.set()
            assert b"".join([piece async for piece in pieces]) == b"world"


async def test_closing_in_the_middle_is_seen_at_once(client: httpx.AsyncClient) -> None:
    async with listening(saying(ENDLESS, b"5\r\nhello\r\n", then_close=False)) as (url, line):
        async with client.stream("GET", url) as response:
            await anext(response.aiter_raw())
        await line.is_cut()


@pytest.mark.parametrize("said", [b"", HEAD, ENDLESS, ENDLESS + b"5\r\nhel"])
async def test_giving_up_at_any_moment_is_seen_at_once(client: httpx.AsyncClient, said: bytes) -> None:
    async with listening(saying(said, then_close=False)) as (url, line):
        waiting = asyncio.create_task(pieces_of(client, url))
        while not line.heads:  # noqa: ASYNC110 (what it waits for happens in a server, without an event)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)

        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        await line.is_cut()


async def test_giving_up_while_connecting_is_seen_at_once(client: httpx.AsyncClient) -> None:
    """A server that takes the connection and never says a word of TLS."""
    cut, taken = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        with suppress(ConnectionError):
            await reader.read()
        cut.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        waiting = asyncio.create_task(client.get(url))
        await taken.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(0.2):
            await cut.wait()

        with pytest.raises(httpx.ConnectTimeout):
            await client.get(url, timeout=httpx.Timeout(5, connect=0.1))


async def test_a_sender_waits_for_a_slow_reader(client: httpx.AsyncClient) -> None:
    """What the kernel and we take in on the way is bounded; nothing of it depends on how much is sent."""
    line: Line

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.write(ENDLESS)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            line.written += 65536

    async with listening(flood) as (url, line), client.stream("GET", url) as response:
        pieces = response.aiter_raw()
        await anext(pieces)
        await asyncio.sleep(0.3)
        held = line.written
        await asyncio.sleep(0.3)
        assert line.written == held < 12 * 1024 * 1024

        read = 0
        async for piece in pieces:  # and it goes on when we do
            read += len(piece)
            if read > held + 1024 * 1024:
                break
        assert line.written > held


@pytest.mark.parametrize("said", [b"", ENDLESS, ENDLESS + b"5\r\nhello\r\n"])
async def test_silence_ends_in_a_timeout(client: httpx.AsyncClient, said: bytes) -> None:
    async with listening(saying(said, then_close=False)) as (url, line):
        async with asyncio.timeout(1):
            with pytest.raises(httpx.ReadTimeout):
                await pieces_of(client, url, httpx.Timeout(5, read=0.1))
        await line.is_cut()


async def test_a_reader_who_takes_his_time_is_no_silence(client: httpx.AsyncClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ENDLESS)
        for _ in range(4):
            writer.write(b"1\r\na\r\n")
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")

    read, times = b"", httpx.Timeout(5, read=0.15)
    async with listening(answer) as (url, _), client.stream("GET", url, timeout=times) as response:
        async for piece in response.aiter_raw():
            read += piece
            await asyncio.sleep(0.2)
    assert read == b"aaaa"


async def test_a_timeout_of_nobodys_own_cancellation_stays_a_cancellation(client: httpx.AsyncClient) -> None:
    async with listening(saying(ENDLESS, then_close=False)) as (url, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pieces_of(client, url)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"<html>\r\n\r\n",
        HEAD + b"x: " + b"a" * 200_000 + b"\r\n\r\n",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        HEAD + b"content-length: 5\r\n\r\nhell",
        HEAD + b"transfer-encoding: gzip\r\n\r\nhello",
        ENDLESS + b"5\r\nhello\r\n",
        ENDLESS + b"5\r\nhelloX\r\n0\r\n\r\n",
        ENDLESS + b"-5\r\nhello\r\n0\r\n\r\n",
        ENDLESS + b"0x5\r\nhello\r\n0\r\n\r\n",
        ENDLESS + b"5_0\r\nhello\r\n0\r\n\r\n",
        ENDLESS + b"f" * 30 + b"\r\nhello",
        ENDLESS + b"5;" + b"a" * 200_000,
    ],
)
async def test_what_is_no_http_is_refused(client: httpx.AsyncClient, said: bytes) -> None:
    async with listening(saying(said)) as (url, line):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await pieces_of(client, url)
        await line.is_cut()


@pytest.mark.parametrize("said", [b"", ENDLESS, ENDLESS + b"5\r\nhello\r\n"])
async def test_a_line_cut_the_hard_way_is_an_error(client: httpx.AsyncClient, said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(0.02)
        reset(writer)

    async with listening(answer) as (url, line):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await pieces_of(client, url)
        assert len(line.heads) == 1  # nothing is sent twice


async def test_nobody_there_is_a_connect_error(client: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(httpx.ConnectError):
        await client.get("http://nobody.invalid")
    with pytest.raises(httpx.UnsupportedProtocol):
        await client.get("ftp://127.0.0.1")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("HEAD", HEAD + b"content-length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
    ],
)
async def test_no_body_is_waited_for_where_there_is_none(
    client: httpx.AsyncClient, method: str, said: bytes
) -> None:
    async with listening(saying(said, then_close=False)) as (url, _):
        answer = await client.request(method, url, timeout=1)
    assert answer.content == b""


async def test_a_request_is_on_the_wire_as_it_was_made(client: httpx.AsyncClient) -> None:
    async with listening(saying(HEAD + b"content-length: 0\r\n\r\n")) as (url, line):
        await client.post(url.replace("//", "//ann:secret@") + "/a%20b?c=d", json={"a": 1})
    first, *fields = line.heads[0].lower().split(b"\r\n")
    assert first == b"post /a%20b?c=d http/1.1"
    named = [field.partition(b":")[0] for field in fields if field]
    assert len(named) == len(set(named))
    assert b"authorization: basic yw5uonnly3jlda==" in fields


async def test_a_body_that_breaks_off_says_why_and_cuts_the_line(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncGenerator[bytes]:
        yield b"a"
        raise KeyError("gone")

    async with listening(silence) as (url, line):
        with pytest.raises(KeyError):
            await client.post(url, content=body())
        await line.is_cut()


async def test_an_answer_before_the_end_of_the_request_counts() -> None:
    """With ours; the stock one sends all of it first."""
    sent = 0

    async def body() -> AsyncGenerator[bytes]:
        nonlocal sent
        for sent in range(2000):  # noqa: B007 (how far it came is what the test asks)
            yield b"x" * 65536

    too_large = saying(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno", then_close=False)
    async with client_over("lean") as client, listening(too_large) as (url, _):
        answer = await client.post(url, content=body())
    assert (answer.status_code, answer.content) == (413, b"no")
    assert sent < 1000


async def test_a_request_nobody_reads_is_given_up(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncGenerator[bytes]:
        while True:
            yield b"x" * 65536

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with listening(deaf) as (url, _):
        with pytest.raises((httpx.WriteTimeout, httpx.WriteError)):
            await client.post(url, content=body(), timeout=httpx.Timeout(5, write=0.2))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_place_goes_to_whoever_waited_longest(transport: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(HEAD + b"content-length: 0\r\n\r\n")

    async with client_over(transport, max_connections=1) as client, listening(answer) as (url, line):
        asking = []
        for n in range(5):
            asking.append(asyncio.create_task(client.get(f"{url}/{n}")))
            await asyncio.sleep(0.001)
        await asyncio.gather(*asking)
    assert [head.split()[1] for head in line.heads] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_place_is_lost_whatever_becomes_of_a_request(transport: str) -> None:
    async with client_over(transport, max_connections=2) as client:
        async with listening(saying(ENDLESS, then_close=False)) as (url, _):
            for _ in range(3):
                with pytest.raises(httpx.ReadTimeout):
                    await pieces_of(client, url, httpx.Timeout(5, read=0.02))
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await pieces_of(client, url)
            async with client.stream("GET", url), client.stream("GET", url):
                with pytest.raises(httpx.PoolTimeout):
                    await client.get(url, timeout=httpx.Timeout(5, pool=0.02))
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
        async with listening(saying(HEAD + b"content-length: 0\r\n\r\n")) as (url, _):
            assert (await client.get(url)).status_code == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_certificate_of_the_machine_is_trusted_and_no_other(transport: str, tmp_path: Path) -> None:
    offered, certificate = loopback_certificate()
    authorities = Path(tmp_path, "authorities.pem")
    authorities.write_bytes(certificate)
    async with listening(saying(HEAD + b"content-length: 5\r\n\r\nhello"), offered) as (url, _):
        os.environ["SSL_CERT_FILE"] = str(authorities)
        trusted.cache_clear()
        try:
            trusting = client_over(transport)
        finally:
            del os.environ["SSL_CERT_FILE"]
            trusted.cache_clear()
        async with trusting, client_over(transport) as careful:
            assert (await trusting.get(url)).content == b"hello"
            with pytest.raises(httpx.ConnectError):
                await careful.get(url)
            with pytest.raises(httpx.ConnectError):  # it is not called that
                await trusting.get(url.replace("localhost", "127.0.0.2"))


async def test_closing_the_client_ends_what_is_open() -> None:
    async with listening(saying(ENDLESS, then_close=False)) as (url, line):
        client = http_client(transport=LeanTransport())
        reading = asyncio.create_task(pieces_of(client, url))
        while not line.heads:  # noqa: ASYNC110 (what it waits for happens in a server, without an event)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        await client.aclose()
        with pytest.raises(httpx.ReadError):
            await reading
        await line.is_cut()


async def test_what_had_come_before_the_end_can_still_be_read_and_then_the_end_is_told() -> None:
    """Also by a reader who was so far behind that the socket was no longer read."""
    async with listening(saying(ENDLESS, b"80000\r\n" + b"x" * 0x80000, then_close=False)) as (url, _):
        client = http_client(transport=LeanTransport())
        async with client.stream("GET", url) as response:
            await asyncio.sleep(0.1)
            await client.aclose()
            pieces = response.aiter_raw()
            assert 256 * 1024 < len(await anext(pieces)) < 0x80000
            with pytest.raises(httpx.ReadError):
                await anext(pieces)
