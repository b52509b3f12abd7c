import asyncio
import logging
import os
from collections.abc import AsyncGenerator

import httpx
import pytest
from structlog.contextvars import bound_contextvars
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.errors import BadAnswer, translated
from domain.errors import DomainError, Unavailable, UpstreamFailed, UpstreamTimeout
from tests.servers.http import Exchange, Fault, HttpServer, Received
from tests.transports import TRANSPORTS, client_over


class Greeter(HttpServer):
    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        cookie = {"set-cookie": "session=of-somebody; Path=/"}
        await exchange.json(200, {"hello": "world"}, cookie)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def greeter() -> AsyncGenerator[Greeter]:
    async with Greeter() as server:
        yield server


async def test_no_cookie_is_kept_or_sent(transport: str, greeter: Greeter) -> None:
    async with client_over(transport) as client:
        for _ in range(2):
            await client.get(greeter.url)

        assert not client.cookies
    assert all("cookie" not in request.headers for request in greeter.received)


async def test_what_a_request_asks_for_carries_its_id_also_later(transport: str, greeter: Greeter) -> None:
    async with client_over(transport) as client:
        with bound_contextvars(request_id="ours-1"):
            asking = asyncio.create_task(client.get(greeter.url))
        await asking
        await client.get(greeter.url)

    assert [request.headers.get("x-request-id") for request in greeter.received] == ["ours-1", None]


async def test_no_redirect_is_followed(transport: str, greeter: Greeter) -> None:
    greeter.faults["/old"] = Fault(status=302, headers={"location": "/new"})

    async with client_over(transport) as client:
        answer = await client.get(greeter.url + "/old")

    assert answer.status_code == 302
    assert [request.path for request in greeter.received] == ["/old"]


async def test_every_call_gets_a_connection_of_its_own(transport: str, greeter: Greeter) -> None:
    async with client_over(transport) as client:
        for _ in range(5):
            await client.get(greeter.url)

    assert greeter.connections == 5


async def test_no_proxy_of_the_environment_is_used(transport: str, greeter: Greeter) -> None:
    os.environ["http_proxy"] = "http://127.0.0.1:9"
    try:
        async with client_over(transport) as client:
            assert (await client.get(greeter.url)).status_code == 200
    finally:
        del os.environ["http_proxy"]


async def test_addresses_are_not_logged(
    transport: str, greeter: Greeter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with client_over(transport) as client:
            await client.get(greeter.url)

    assert not caplog.records


async def test_a_full_pool_is_refused_soon(transport: str, greeter: Greeter) -> None:
    async with client_over(transport, max_connections=1) as client:
        request = client.build_request("GET", greeter.url, timeout=httpx.Timeout(5, pool=0.05))
        async with client.stream("GET", greeter.url):
            with (
                pytest.raises(Unavailable),
                translated(unreachable=Unavailable, timeout=UpstreamTimeout, failed=UpstreamFailed),
            ):
                await client.send(request)


async def test_an_answer_is_read_up_to_its_limit(transport: str, greeter: Greeter) -> None:
    greeter.faults["/large"] = Fault(status=200, body=b"x" * 2000)
    async with client_over(transport) as client:
        request = client.build_request("GET", greeter.url + "/large")
        assert await whole(client, request, within_s=1, limit=2000) == (200, b"x" * 2000)
        with pytest.raises(BadAnswer):
            await whole(client, client.build_request("GET", greeter.url + "/large"), within_s=1, limit=1999)


async def test_a_compressed_answer_is_refused(transport: str, greeter: Greeter) -> None:
    greeter.faults["*"] = Fault(status=200, body=b"x", headers={"content-encoding": "gzip"})
    async with client_over(transport) as client:
        with pytest.raises(BadAnswer):
            await whole(client, client.build_request("GET", greeter.url), within_s=1)
    assert greeter.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("foreign", "own"),
    [
        (httpx.ConnectError("http://10.0.0.7"), Unavailable),
        (httpx.ConnectTimeout("10.0.0.7"), Unavailable),
        (httpx.PoolTimeout("10.0.0.7"), Unavailable),
        (httpx.ReadTimeout("10.0.0.7"), UpstreamTimeout),
        (httpx.WriteTimeout("10.0.0.7"), UpstreamTimeout),
        (TimeoutError("10.0.0.7"), UpstreamTimeout),
        (httpx.ReadError("10.0.0.7"), UpstreamFailed),
        (httpx.RemoteProtocolError("10.0.0.7"), UpstreamFailed),
        (httpx.DecodingError("10.0.0.7"), UpstreamFailed),
        (httpx.InvalidURL("10.0.0.7"), UpstreamFailed),
        (httpx.StreamClosed(), UpstreamFailed),
        (OSError("10.0.0.7"), UpstreamFailed),
        (BadAnswer("10.0.0.7"), UpstreamFailed),
    ],
)
def test_foreign_errors_become_our_own_without_their_words(
    foreign: Exception, own: type[DomainError]
) -> None:
    with (
        pytest.raises(own) as caught,
        translated(unreachable=Unavailable, timeout=UpstreamTimeout, failed=UpstreamFailed),
    ):
        raise foreign

    assert "10.0.0.7" not in caught.value.msg + str(caught.value)


def test_our_own_errors_pass() -> None:
    with (
        pytest.raises(KeyError),
        translated(unreachable=Unavailable, timeout=UpstreamTimeout, failed=UpstreamFailed),
    ):
        raise KeyError
