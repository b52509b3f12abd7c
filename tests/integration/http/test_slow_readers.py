"""Who reads slowly, or too much at once, is nobody else's trouble."""

import asyncio
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.integration.house import House, Told, User
from tests.integration.http.answers import refusal
from tests.integration.http.following import asking, followed
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

PIECES = [f"{n:05d} is a number of a piece " for n in range(36_000)]  # nearly all a reply may hold
TEXT = "".join(PIECES)


@pytest.fixture(autouse=True)
def script(llm: LlmServiceServer) -> Iterator[None]:
    yield
    llm.script = Script()


async def connected(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client whose machine takes next to nothing that it does not read."""
    parts = urlsplit(house.url)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (parts.hostname, parts.port))
    return await asyncio.open_connection(sock=line, limit=1 << 23)


async def test_a_reader_that_does_not_read_holds_up_nobody_and_hears_all_in_the_end(
    ann: User, llm: LlmServiceServer
) -> None:
    llm.script = Script(pieces=PIECES)
    async with asking(ann, "Tell me everything.") as good:
        message = good.told.message
        reader, writer = await connected(ann.house)
        writer.write(
            f"GET /api/chat/stream/{message} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {ann.token}\r\n\r\n".encode()
        )
        told = await good.to_the_end()
    assert told.text == TEXT
    async with asyncio.timeout(30):
        heard = await reader.readuntil(b'"text":"00000 ')
        heard += await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    assert heard.count(b'"complete"') == 1
    again = await followed(ann, message)
    assert (again.ids, again.events) == (told.ids, told.events)


async def test_forty_streams_are_enough_for_one_user(house: House, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=["one ", "two "], end="hang")
    cleo, dora = [await house.user(f"{name}@example.org") for name in ("cleo", "dora")]
    async with asking(cleo, "How?") as first:
        told = (await first.until(1)).told
        readers = [asyncio.create_task(followed(cleo, told.message)) for _ in range(39)]
        await asyncio.sleep(1)
        refused = await cleo.post("/api/chat/stream", data={"message": "And?"})
        assert refusal(refused) == (429, "Too many open streams. Please close some first.", "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        assert len(await cleo.messages(told.session)) == 1
        llm.script = Script()
        assert (await dora.ask("How?")).last["status"] == "complete"
        await cleo.post(f"/api/chat/{told.session}/stop")
        ends: list[Told] = await asyncio.gather(*readers)
    assert {end.text for end in ends} == {"one two "}
    assert (await cleo.ask("And?")).last["status"] == "complete"
