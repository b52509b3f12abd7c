"""Two hundred streams over four workers, whose readers come and go as they like: nobody hears anything twice,
nobody misses anything. Then the same while workers are killed."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest
from redis import Redis
from typing_extensions import override

from tests.conftest import Valkey
from tests.integration.house import PASSWORD, User
from tests.integration.served import NO_AVATARS, Served, children_of, served
from tests.postgresql import fresh_database
from tests.servers.http import Exchange
from tests.servers.llm_service import LlmServiceServer

WORKERS, STREAMS, USERS = 4, 200, 8
PIECES, GAP_S = 50, 0.12
SETTLED_S = 5.0
PATIENCE_S = 90.0


class Counting(LlmServiceServer):
    """Says to each question a text of its own, and counts who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: dict[str, int] = {}

    @override
    async def play(self, text: str, exchange: Exchange) -> None:
        self.questions[text] = self.questions.get(text, 0) + 1
        await exchange.start("text/event-stream", {})
        for piece in pieces_of(text):
            await exchange.send(b"data: " + json.dumps(self.piece(piece)).encode() + b"\n\n", 0)
            await asyncio.sleep(GAP_S)
        for event in self.closing():
            await exchange.send(b"data: " + json.dumps(event).encode() + b"\n\n", 0)
        await exchange.end()


def pieces_of(question: str) -> list[str]:
    return [f"{question}/{n} " for n in range(PIECES)]


@dataclass(frozen=True, slots=True)
class Installation:
    workers: list[Served]
    users: list[str]  # their tokens
    llm: Counting
    redis: Redis
    database: str

    def user(self, number: int, worker: Served) -> User:
        return User(worker.house, self.users[number % len(self.users)])

    async def streaming(self) -> set[int]:
        """The replies that nobody has settled yet."""
        connection = await asyncpg.connect(self.database)
        try:
            rows = await connection.fetch("select id from message where state = 'streaming'")
        finally:
            await connection.close()
        return {row["id"] for row in rows}

    def generated_by(self, pid: int) -> set[int]:
        """The replies that this process is generating."""
        found = set()
        for key in self.redis.scan_iter("chat:run:*"):
            run = json.loads(self.redis.get(key) or b"{}")
            if f"-{pid}-" in run.get("worker", "") and run.get("message"):
                found.add(run["message"])
        return found


@pytest.fixture(scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, postgresql: str
) -> AsyncIterator[Installation]:
    """Four servers on one PostgreSQL and one Valkey. Some do not survive the last test."""
    folder, redis_url = tmp_path_factory.mktemp("readers"), f"{valkey.url}?db=7"
    database = (await fresh_database(postgresql)).replace("+asyncpg", "")
    async with Counting() as llm, AsyncExitStack() as stack:
        redis = stack.enter_context(Redis.from_url(redis_url))
        redis.flushdb()
        shared = {
            "DATABASE_URL": database,
            "REDIS_URL": redis_url,
            "LLM_URL": llm.url,
            "SECRET_KEY": "s" * 40,
            "JWT_SECRET_KEY": "j" * 40,
            "SINGLE_SESSION": "false",
            **NO_AVATARS,
        }
        first = await stack.enter_async_context(served(folder / "0", **shared))
        others = await asyncio.gather(
            *(stack.enter_async_context(served(folder / str(n), **shared)) for n in range(1, WORKERS))
        )
        users = []
        for n in range(USERS):
            await first.house.register(f"u{n}@example.org")
            users.append((await first.house.login(f"u{n}@example.org", PASSWORD)).token)
        yield Installation([first, *others], users, llm, redis, database)


@dataclass(slots=True)
class Heard:
    """What one reader was told over all its visits."""

    question: str
    message: int = 0
    last: str | None = None
    numbers: list[int] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    end: dict[str, object] | None = None
    visits: int = 0

    def take(self, frame: bytes) -> None:
        id, data = frame.split(b"\n")
        self.last = id[4:].decode()
        self.numbers.append(int(self.last.rpartition("-")[2]))
        event = json.loads(data[6:])
        if event["status"] == "streaming":
            self.chunks.append(event["chunk"])
        elif event["status"] == "complete":
            self.end = event


async def hear(installation: Installation, name: str, number: int, chance: random.Random) -> Heard:
    """Ask at some worker, leave in the middle, come back at another, until the end was told."""
    heard = Heard(f"{name}{number}")
    async with asyncio.timeout(PATIENCE_S):
        while heard.end is None:
            heard.visits += 1
            user = installation.user(number, chance.choice(installation.workers))
            with suppress(httpx.TransportError):
                async with visit(user, heard) as response:
                    if response.status_code == 204:
                        return heard
                    if response.status_code != 200:
                        await asyncio.sleep(0.2)
                        continue
                    heard.message = int(response.headers["x-message-id"])
                    await listen(response, heard, chance.randrange(1, 40))
            await asyncio.sleep(chance.random() * 0.3)
    return heard


@asynccontextmanager
async def visit(user: User, heard: Heard) -> AsyncIterator[httpx.Response]:
    client = user.house.client
    if not heard.message:
        headers = {**user.headers, "Idempotency-Key": heard.question}
        asking = client.stream("POST", "/api/chat/stream", headers=headers, data={"message": heard.question})
        async with asking as response:
            yield response
        return
    headers = {**user.headers, **({"Last-Event-ID": heard.last} if heard.last else {})}
    async with client.stream("GET", f"/api/chat/stream/{heard.message}", headers=headers) as response:
        yield response


async def listen(response: httpx.Response, heard: Heard, most: int) -> None:
    rest = b""
    async for piece in response.aiter_raw():
        *frames, rest = (rest + piece).split(b"\n\n")
        for frame in frames:
            if not frame.startswith(b":"):
                heard.take(frame)
                most -= 1
        if most <= 0 and heard.end is None:
            return


async def test_every_reader_hears_everything_once(installation: Installation) -> None:
    chance = random.Random(4)
    readers = [hear(installation, "calm", n, random.Random(chance.random())) for n in range(STREAMS)]
    everybody = await asyncio.gather(*readers)
    assert set(installation.llm.questions.values()) == {1}
    for heard in everybody:
        whole = "".join(pieces_of(heard.question))
        assert heard.numbers == list(range(1, len(heard.numbers) + 1)), heard.question
        assert "".join(heard.chunks) == whole
        assert heard.end is not None
        assert (heard.end["text"], heard.end.get("interrupted")) == (whole, None)
    assert sum(heard.visits for heard in everybody) > 2 * STREAMS
    assert await installation.streaming() == set()


async def test_whoever_dies_takes_nothing_with_him(installation: Installation) -> None:
    chance = random.Random(9)
    readers = asyncio.gather(
        *(hear(installation, "deadly", n, random.Random(chance.random())) for n in range(STREAMS))
    )
    try:
        killed = 0
        for worker in installation.workers[1:]:
            await asyncio.sleep(1.5)
            (pid,) = serving(worker)
            orphaned = installation.generated_by(pid)
            os.kill(pid, signal.SIGKILL)
            killed += len(orphaned)
            await all_settled(installation, orphaned)
        everybody = await readers
    finally:
        readers.cancel()
    assert killed > WORKERS  # there was something to lose
    stored = await texts(installation)
    for heard in everybody:
        whole = "".join(pieces_of(heard.question))
        text, state = stored[heard.message]
        assert whole.startswith(text)
        assert (state, text) == ("final", whole) or state in ("interrupted", "failed")
        assert heard.end is not None
        assert heard.end["text"] == text
        if state == "final":
            assert "".join(heard.chunks) == whole
            assert heard.numbers == list(range(1, len(heard.numbers) + 1))
        else:
            assert heard.end["interrupted"] is True
    assert any(stored[heard.message][1] for heard in everybody if stored[heard.message][0] != "final")
    assert await installation.streaming() == set()


def serving(worker: Served) -> set[int]:
    """The processes that answer requests: children of the server's own child."""
    below = {grandchild for child in children_of_one(worker.pid) for grandchild in children_of_one(child)}
    return {pid for pid in below if b"entrypoints.server" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def children_of_one(pid: int) -> set[int]:
    return {child for child in children_of(pid) if parent_of(child) == pid}


def parent_of(pid: int) -> int:
    with suppress(OSError):
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


async def all_settled(installation: Installation, messages: set[int]) -> None:
    """Within five seconds of the death of who generated them."""
    deadline = asyncio.get_running_loop().time() + SETTLED_S
    while open_ones := messages & await installation.streaming():
        assert asyncio.get_running_loop().time() < deadline, f"not settled: {open_ones}"
        await asyncio.sleep(0.1)


async def texts(installation: Installation) -> dict[int, tuple[str, str]]:
    connection = await asyncpg.connect(installation.database)
    try:
        rows = await connection.fetch("select id, content, state from message where role = 'assistant'")
    finally:
        await connection.close()
    return {row["id"]: (row["content"] or "", row["state"]) for row in rows}
