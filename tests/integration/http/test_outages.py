"""Redis or the database is away (1.7, 9, DU-3, DU-8, OB-7): closed, quickly, and open again by itself."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from entrypoints.http.policy import Policy
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.listening import events, listening
from tests.integration.http.routes import protected
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy

AWAY = (503, "Service temporarily unavailable", "storage_unavailable")
SOON_S = 10.0  # a silent Redis costs a wait for a connection and one for its answer


@pytest.fixture
async def own_house(tmp_path: Path, own_valkey: Valkey, llm: LlmServiceServer) -> AsyncIterator[House]:
    async with a_house(tmp_path, REDIS_URL=own_valkey.url, LLM_URL=llm.url) as house:
        yield house


async def everything_is_closed(ann: User) -> None:
    """Every route that needs storage says so within seconds; nothing is let through."""
    client = ann.house.client

    async def tried(method: str, path: str, **options: object) -> None:
        began = time.perf_counter()
        answer = await client.request(method, path, **options)  # type: ignore[arg-type]  # whatever httpx takes
        took = time.perf_counter() - began
        assert refusal(answer) == AWAY, path
        assert took < SOON_S, (path, took)

    login = {"email": "ann@example.org", "password": PASSWORD}
    calls = [
        tried(route.method, route.path, headers=ann.headers)
        for route in protected(ann.house)
        if route.policy not in (Policy.STATUS, Policy.SIGNED)
    ]
    calls += [
        tried("POST", "/api/login", json=login),
        tried("POST", "/api/send_verification", json={"email": "x@example.org"}),
        tried("POST", "/api/register", json={**login, "email": "x@example.org", "code": "123456"}),
        tried(
            "POST", "/api/reset_password", json={**login, "code": "123456", "new_password": "a good horse"}
        ),
        tried("POST", "/api/chat/stream", headers=ann.headers, data={"message": "x"}),
    ]
    await asyncio.gather(*calls)


async def logging_out_is_refused(ann: User) -> None:
    began = time.perf_counter()
    assert refusal(await ann.post("/api/logout")) == AWAY
    assert time.perf_counter() - began < SOON_S


async def the_exceptions_answer(ann: User, *, database: str, redis: str) -> None:
    client = ann.house.client
    began = time.perf_counter()
    status = await ann.get("/api/token_status")
    assert status.status_code == 200, status.text
    assert 0 < status.json()["expires_in_seconds"] <= 18_000
    assert time.perf_counter() - began < SOON_S
    assert (await client.get("/api/token_status")).status_code == 401
    assert (
        await client.get("/api/token_status", headers={"Authorization": "Bearer a.b.c"})
    ).status_code == 422
    assert (await client.get("/api/ping")).text == "pong"
    assert (await client.get("/api/health/live")).status_code == 200

    began = time.perf_counter()
    health = await client.get("/api/health")
    assert time.perf_counter() - began < 2
    assert refusal(health) == AWAY
    assert {k: health.json()[k] for k in ("status", "service", "database", "redis")} == {
        "status": "unhealthy",
        "service": "backend",
        "database": database,
        "redis": redis,
    }
    ready = await client.get("/api/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
    assert ready.json()["msg"]
    detailed = await client.get("/api/health/detailed")
    assert (detailed.status_code, detailed.json()["status"]) == (503, "unhealthy")
    assert "checks" not in detailed.json()


async def it_works_again(ann: User, within: float = 5.0) -> None:
    deadline = time.perf_counter() + within
    while (answer := await ann.get("/api/chat/history")).status_code == 503:
        assert time.perf_counter() < deadline, "no recovery"
        await asyncio.sleep(0.1)
    assert answer.status_code == 200, answer.text
    while (await ann.house.client.get("/api/health/ready")).status_code == 503:
        assert time.perf_counter() < deadline, "not ready again"
        await asyncio.sleep(0.1)
    assert (await ann.ask("again")).kinds == ["streaming", "finished", "complete"]


async def test_redis_is_down(own_house: House, own_valkey: Valkey) -> None:
    ann = await own_house.user()
    own_valkey.stop()
    await asyncio.sleep(1.1)  # a health result is shared for a second
    await everything_is_closed(ann)
    await logging_out_is_refused(ann)
    await the_exceptions_answer(ann, database="connected", redis="disconnected")
    own_valkey.start()
    await it_works_again(ann)


async def test_redis_is_frozen(own_house: House, own_valkey: Valkey) -> None:
    ann = await own_house.user()
    own_valkey.freeze()
    try:
        await asyncio.sleep(1.1)
        await everything_is_closed(ann)
        await logging_out_is_refused(ann)
        await the_exceptions_answer(ann, database="connected", redis="disconnected")
    finally:
        own_valkey.thaw()
    await it_works_again(ann)


async def test_a_dead_token_stays_dead_after_an_outage(own_house: House, own_valkey: Valkey) -> None:
    ann = await own_house.user()
    await ann.post("/api/logout")
    own_valkey.stop()
    assert refusal(await ann.get("/api/chat/history")) == AWAY
    own_valkey.start()
    deadline = time.perf_counter() + 5
    while (answer := await ann.get("/api/chat/history")).status_code == 503:
        assert time.perf_counter() < deadline
        await asyncio.sleep(0.1)
    assert answer.status_code == 401


async def test_redis_goes_away_in_mid_stream(own_house: House, own_valkey: Valkey) -> None:
    """What is being said is said to its end and stored."""
    ann = await own_house.user()
    async with listening(ann, "x [[gap=0.02]]") as stream:
        await stream.chunk()
        own_valkey.stop()
        found = events(await stream.chunks())
    assert found[-1]["status"] == "complete"
    own_valkey.start()
    await it_works_again(ann)
    assert (await ann.messages(stream.session))[1]["content"] == found[-1]["text"]


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Somebody else holds the (SQLite) database's write lock."""
    file = "/" + house.settings.sqlalchemy_url.rpartition("///")[2].lstrip("/")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_locked_database_stops_writers_and_not_readers(house: House) -> None:
    ann = await house.user()
    session = await ann.new_session()
    with await asyncio.to_thread(locked, house):
        began = time.perf_counter()
        writing = asyncio.create_task(ann.post("/api/chat/new", json={"title": "late"}))
        for _ in range(5):
            assert (await ann.get("/api/chat/history")).status_code == 200
            assert await ann.messages(session) == []
        assert (await ann.get("/api/token_status")).status_code == 200
        assert (await house.client.get("/api/health")).status_code == 200
        assert time.perf_counter() - began < 3
        assert refusal(await writing) == AWAY
        assert time.perf_counter() - began < 10
    assert await ann.new_session() > session


async def test_a_short_lock_is_waited_for(house: House) -> None:
    ann = await house.user()
    with await asyncio.to_thread(locked, house):
        writing = asyncio.create_task(ann.post("/api/chat/new"))
        await asyncio.sleep(1)
    assert (await writing).status_code == 201


async def test_a_stream_that_ends_while_the_database_is_locked_is_stored_afterwards(house: House) -> None:
    ann = await house.user()
    async with listening(ann, "x [[gap=0.01]]") as stream:
        await stream.chunk()
        with await asyncio.to_thread(locked, house):
            await asyncio.sleep(2)
        found = events(await stream.chunks())
    assert [e["status"] for e in found[-2:]] == ["finished", "complete"]
    assert (await ann.messages(stream.session))[1]["content"] == found[-1]["text"]


@pytest.fixture
async def pg_house(
    tmp_path: Path, postgresql_database: str, redis: object, valkey_url: str, llm: LlmServiceServer
) -> AsyncIterator[tuple[House, TcpProxy]]:
    """On PostgreSQL, behind a network that can be made bad."""
    url, proxy = behind_a_proxy(postgresql_database, tmp_path)
    async with proxy, a_house(tmp_path, DATABASE_URL=url, REDIS_URL=valkey_url, LLM_URL=llm.url) as house:
        yield house, proxy


def behind_a_proxy(postgresql: str, folder: Path) -> tuple[str, TcpProxy]:
    parts = urlsplit(postgresql)
    socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    proxy = TcpProxy(socket, folder / ".s.PGSQL.5432")
    return postgresql.replace(str(socket.parent), str(folder)), proxy


async def test_the_database_is_away(pg_house: tuple[House, TcpProxy]) -> None:
    house, proxy = pg_house
    ann = await house.user()
    await proxy.refuse()
    await asyncio.sleep(1.1)
    await everything_is_closed(ann)
    await the_exceptions_answer(ann, database="disconnected", redis="connected")
    await proxy.accept()
    await it_works_again(ann)


async def test_the_database_goes_away_in_mid_stream(pg_house: tuple[House, TcpProxy]) -> None:
    house, proxy = pg_house
    ann = await house.user()
    async with listening(ann, "x [[gap=0.02]]") as stream:
        await stream.chunk()
        await proxy.refuse()
        found = events(await stream.chunks())
    assert [e["status"] for e in found[-2:]] == ["error", "complete"]
    assert found[-2]["code"] == "storage_unavailable"
    assert found[-1]["interrupted"] is True
    await proxy.accept()
    await it_works_again(ann)
