"""The small server under our children, over real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from adapters.loopback import (
    BODY_MAX,
    CONNECTIONS,
    FIRST_S,
    SECRET_HEADER,
    Answer,
    Asked,
    LoopbackServer,
    Refusal,
    Route,
    instance_secret,
)
from adapters.processes.ports import loopback_listener

SECRET = "s" * 32


async def echo(asked: Asked) -> Answer:
    return Answer.json({"rest": asked.rest, "body": asked.json()})


async def form(asked: Asked) -> Answer:
    fields, files = asked.form()
    return Answer.json({**fields, **{key: [file.name, len(file.content)] for key, file in files.items()}})


async def fail(asked: Asked) -> Answer:
    raise ZeroDivisionError


async def refuse(asked: Asked) -> Answer:
    raise Refusal(400, "No.", {"Retry-After": "7"})


ROUTES = (
    Route("POST", "/echo", echo),
    Route("POST", "/echo/", echo),
    Route("PUT", "/echo/", refuse),
    Route("POST", "/form", form, body_max=1024 * 1024),
    Route("POST", "/fail", fail),
    Route("POST", "/refuse", refuse, ignores_body=True),
)


def worded(refusal: Refusal) -> Answer:
    return Answer.json({"no": refusal.message}, refusal.status, refusal.headers)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    listener = loopback_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    headers = {SECRET_HEADER: SECRET}
    async with (
        LoopbackServer(listener, SECRET, ROUTES, worded),
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10) as client,
    ):
        yield client


@asynccontextmanager
async def connected(
    client: httpx.AsyncClient,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_it_answers_again_and_again_over_one_connection(client: httpx.AsyncClient) -> None:
    for n in range(3):
        answer = await client.post("/echo", json={"n": n})
        assert (answer.status_code, answer.json()) == (200, {"rest": "", "body": {"n": n}})


async def test_requests_may_be_sent_ahead(client: httpx.AsyncClient) -> None:
    body, told = b'{"n":1}', b'{"rest":"","body":{"n":1}}'
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {SECRET}\r\nContent-Length: {len(body)}"
    async with connected(client) as (reader, writer):
        writer.write((head.encode() + b"\r\n\r\n" + body) * 2)
        for _ in range(2):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(len(told)) == told


async def test_a_path_may_end_in_one_segment_more(client: httpx.AsyncClient) -> None:
    told = await client.post("/echo/a%20b?c=d", json={})
    assert told.json() == {"rest": "a b", "body": {}}
    for path in ("/echo/a/b", "/echo/a%2Fb", "/nothing", "/echo//"):
        assert (await client.post(path, json={})).status_code == 404
    wrong = await client.get("/echo/a")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, PUT")


@pytest.mark.parametrize("path", ["/", "/echo/x", "/nothing", "/refuse"])
@pytest.mark.parametrize("shown", [None, "", "x", SECRET[:-1], SECRET + "s", "ß"])
async def test_without_the_secret_nothing_is_told(
    client: httpx.AsyncClient, path: str, shown: str | None
) -> None:
    del client.headers[SECRET_HEADER]
    headers = {} if shown is None else {SECRET_HEADER: shown.encode()}

    answer = await client.post(path, content=b"{", headers=headers)  # type: ignore[arg-type]  # bytes or text

    assert (answer.status_code, answer.json()) == (403, {"no": "X-Avatar-Secret is missing or wrong"})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"1", b"\xff", b"[" * 60000, b'{"a":\x00}'])
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("/echo", content=body)).status_code == 400


async def test_forms_of_both_kinds_are_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/form", data={"name": "Zoë", "empty": ""})).json() == {
        "name": "Zoë",
        "empty": "",
    }
    files = {"face": ("a.mp4", b"x" * 70_000), "voice": ("", b"")}
    told = await client.post("/form", data={"name": "Zoë"}, files=files)
    assert told.json()["name"] == "Zoë"
    assert told.json()["face"] == ["a.mp4", 70_000]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\nv'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n\xff\r\n--b--',
        ),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 2000)),
    ],
)
async def test_a_broken_form_is_refused(client: httpx.AsyncClient, kind: str, body: bytes) -> None:
    answer = await client.post("/form", content=body, headers={"content-type": kind})

    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or body.startswith(b"a=1")


async def test_a_body_over_the_limit_is_refused_however_it_is_sent(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b"x" * 1024

    assert (await client.post("/echo", content=b"x" * (BODY_MAX + 1))).status_code == 413
    assert (await client.post("/echo", content=pieces())).status_code == 413
    assert (await client.post("/echo", json={})).status_code == 200


async def test_who_sends_much_in_vain_still_hears_the_answer(client: httpx.AsyncClient) -> None:
    for path, status in (("/refuse", 400), ("/nothing", 404), ("/echo", 413)):
        answer = await client.post(path, content=b"x" * 20_000_000)
        assert (answer.status_code, answer.headers["connection"]) == (status, "close")
    assert (await client.post("/refuse")).headers["retry-after"] == "7"


async def test_a_failure_is_told_and_logged_and_harms_nobody(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.post("/fail", json={})

    assert answer.status_code == 500
    assert "a request failed: POST /fail" in caplog.text
    assert (await client.post("/echo", json={})).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"403"),
    ],
)
async def test_broken_requests_are_refused(client: httpx.AsyncClient, sent: bytes, status: bytes) -> None:
    async with connected(client) as (reader, writer):
        writer.write(sent)
        assert (await reader.readline()).split()[1] == status


async def test_who_waits_to_be_asked_for_the_body_is_asked(client: httpx.AsyncClient) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {SECRET}\r\n"
    async with connected(client) as (reader, writer):
        writer.write(f"{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"100"
        writer.write(b"{}")
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200"


async def test_who_leaves_in_the_middle_harms_nobody(client: httpx.AsyncClient) -> None:
    for sent in (b"", b"POST /ec", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
        async with connected(client) as (_, writer):
            writer.write(sent)
    assert (await client.post("/echo", json={})).status_code == 200


async def test_who_connects_and_asks_nothing_keeps_nobody_out(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(f"POST /refuse HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {SECRET}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"400"
        await reader.readexactly(len(b'{"no":"No."}'))
        async with AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(connected(client)) for _ in range(CONNECTIONS + 8)]
            assert (await client.post("/echo", json={})).status_code == 200
            async with asyncio.timeout(2):
                assert await silent[0][0].read() == b""  # the oldest made room
            writer.write(f"GET /nothing HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {SECRET}\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"404"  # who has asked before stays


async def test_who_connects_and_asks_nothing_is_let_go_soon(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(b"GET /")
        async with asyncio.timeout(FIRST_S + 2):
            assert await reader.read() == b""


def test_the_secrets_of_instances_tell_nothing_of_each_other() -> None:
    told = {instance_secret(secret, port) for secret in (SECRET, "t" * 32) for port in (8615, 8616)}
    assert len(told) == 4
    assert instance_secret(SECRET, 8615) == instance_secret(SECRET, 8615)
    assert {len(secret) for secret in told} == {64}
