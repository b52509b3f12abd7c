"""A stream ends soon after the login of its reader was ended (TK-15), and not for anything else."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dishka import Provider, Scope
from redis import Redis

from entrypoints.http.event_stream import REVOCATION_CHECK_S, StreamTimes
from tests.conftest import Valkey
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.listening import Listening, events, listening
from tests.integration.http.test_refresh import claims_of, past_half, successor_in
from tests.servers.llm_service import LlmServiceServer

LONG = "x [[gap=0.05]]"  # some seconds
SOON = Provider(scope=Scope.APP)
SOON.provide(lambda: StreamTimes(2.0, 0.1), provides=StreamTimes, override=True)


@pytest.fixture
async def watchful(
    tmp_path: Path, redis: Redis, valkey_url: str, llm: LlmServiceServer
) -> AsyncIterator[House]:
    async with a_house(tmp_path, SOON, REDIS_URL=valkey_url, LLM_URL=llm.url) as house:
        yield house


async def ends_soon(ann: User, stream: Listening) -> None:
    """Cleanly, in the middle of the answer; the answer itself is finished and kept."""
    began = time.perf_counter()
    found = events(await stream.chunks())
    assert time.perf_counter() - began < 1
    assert "complete" not in [event["status"] for event in found]
    stored = await final_answers(ann.house, 1)
    assert len(stored[0]) > len("".join(e["chunk"] for e in found if e["status"] == "streaming"))


async def final_answers(house: House, number: int) -> list[str]:
    for _ in range(100):
        stored = "SELECT content FROM message WHERE role = 'assistant' AND state = 'final'"
        found = [text for (text,) in await house.sql(stored)]
        if len(found) == number:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("the answers were not finished")


async def goes_on(stream: Listening) -> None:
    assert events(await stream.chunks())[-1]["status"] == "complete"


def test_twenty_seconds_are_soon_enough_for_a_minute() -> None:
    assert REVOCATION_CHECK_S <= 20


@pytest.mark.parametrize("way", ["/api/logout", "/api/logout_all"])
async def test_logging_out_ends_it(watchful: House, way: str) -> None:
    ann = await watchful.user()
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        await ann.post(way)
        await ends_soon(ann, stream)
    assert refusal(await ann.get("/api/chat/history"))[0] == 401


async def test_so_does_another_login(watchful: House) -> None:
    ann = await watchful.user()
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        await watchful.login("ann@example.org")
        await ends_soon(ann, stream)


async def test_and_what_only_the_database_knows(watchful: House) -> None:
    ann = await watchful.user()
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        await watchful.sql("UPDATE user SET status = 'banned'")
        await ends_soon(ann, stream)


async def test_a_silent_stream_ends_too(watchful: House) -> None:
    ann = await watchful.user()
    async with listening(ann, "x [[gap=3]]") as stream:
        await stream.chunk()
        await ann.post("/api/logout")
        began = time.perf_counter()
        await stream.chunks()
        assert time.perf_counter() - began < 1


async def test_a_refreshed_login_keeps_it_though_the_older_token_is_dead(
    watchful: House, redis: Redis
) -> None:
    ann = past_half(await watchful.user())
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        newer = successor_in(await ann.get("/api/chat/history"), ann)
        await newer.get("/api/chat/history")
        redis.delete(f"token:{claims_of(ann.token)['jti']}")  # its minute is over
        assert refusal(await ann.get("/api/chat/history"))[0] == 401
        await goes_on(stream)


async def test_until_the_newer_token_is_logged_out(watchful: House, redis: Redis) -> None:
    ann = past_half(await watchful.user())
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        newer = successor_in(await ann.get("/api/chat/history"), ann)
        await newer.get("/api/chat/history")
        redis.delete(f"token:{claims_of(ann.token)['jti']}")
        await asyncio.sleep(0.5)
        await newer.post("/api/logout")
        await ends_soon(ann, stream)


async def test_watching_is_no_activity(watchful: House, redis: Redis) -> None:
    ann = await watchful.user()
    key = f"token:{claims_of(ann.token)['jti']}"
    async with listening(ann, LONG) as stream:
        await stream.chunk()
        redis.expire(key, 1000)
        await goes_on(stream)
    assert redis.ttl(key) <= 1000


async def test_an_outage_of_redis_shows_nobody_out(
    tmp_path: Path, own_valkey: Valkey, llm: LlmServiceServer
) -> None:
    async with a_house(tmp_path, SOON, REDIS_URL=own_valkey.url, LLM_URL=llm.url) as house:
        ann = await house.user()
        async with listening(ann, LONG) as stream:
            await stream.chunk()
            own_valkey.stop()
            await goes_on(stream)
        own_valkey.start()


async def test_bytes_of_other_readers_are_not_touched(watchful: House) -> None:
    ann, bob = await watchful.user("ann@example.org"), await watchful.user("bob@example.org")
    async with listening(ann, LONG) as anns, listening(bob, LONG) as bobs:
        await anns.chunk()
        await ann.post("/api/logout")
        await goes_on(bobs)
    assert len(await final_answers(watchful, 2)) == 2
