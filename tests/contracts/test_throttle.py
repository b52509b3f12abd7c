"""Rates: exact, shared, and told when to come again."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adapters.redis.keyed import Keyed
from adapters.redis.throttle import RedisThrottle
from application.ports.throttle import Limit, Throttle
from domain.errors import StorageUnavailable
from tests.contracts.times import Time
from tests.fakes.throttle import FakeThrottle

HOURLY = Limit("code", 10, timedelta(hours=1))
BRISK = Limit("brisk", 2, timedelta(seconds=0.6))
ANN, BEN = "ann@example.org", "ben@example.org"


def keyed() -> Keyed:
    return Keyed.derived("s" * 32, "limits")


@pytest.fixture
def throttle(kind: str, time: Time, redis: Redis) -> Throttle:
    return FakeThrottle(time.clock) if kind == "memory" else RedisThrottle(redis, keyed())


async def take(throttle: Throttle, times: int, limit: Limit = HOURLY, subject: str = ANN) -> list[bool]:
    return [await throttle.take(limit, subject) == 0 for _ in range(times)]


async def test_so_many_pass_and_no_more(throttle: Throttle) -> None:
    assert await take(throttle, 12) == [True] * 10 + [False] * 2


async def test_parallel_ones_are_counted_exactly(throttle: Throttle) -> None:
    waits = await asyncio.gather(*(throttle.take(HOURLY, ANN) for _ in range(50)))
    assert waits.count(0) == 10


async def test_subjects_and_scopes_are_counted_apart(throttle: Throttle) -> None:
    await take(throttle, 10)
    assert await take(throttle, 1, subject=BEN) == [True]
    assert await take(throttle, 1, Limit("login", 10, timedelta(hours=1))) == [True]


async def test_it_tells_when_one_more_will_pass(throttle: Throttle, time: Time) -> None:
    await take(throttle, 10)
    assert 355 <= await throttle.take(HOURLY, ANN) <= 360


async def test_who_waited_as_told_passes(throttle: Throttle, time: Time) -> None:
    assert await take(throttle, 3, BRISK) == [True, True, False]
    assert await throttle.take(BRISK, ANN) == 1
    await time.pass_(1)
    assert await take(throttle, 3, BRISK) == [True, True, False]


async def test_a_refused_one_is_not_counted(throttle: Throttle, time: Time) -> None:
    assert await take(throttle, 20, BRISK) == [True] * 2 + [False] * 18
    await time.pass_(0.31)
    assert await take(throttle, 2, BRISK) == [True, False]


async def test_one_given_back_did_not_happen(throttle: Throttle) -> None:
    await take(throttle, 10)
    await throttle.give_back(HOURLY, ANN)
    assert await take(throttle, 2) == [True, False]


async def test_giving_back_what_was_never_taken_earns_nothing(throttle: Throttle) -> None:
    await throttle.give_back(HOURLY, ANN)
    assert await take(throttle, 12) == [True] * 10 + [False] * 2


async def test_giving_back_more_than_was_taken_earns_nothing(throttle: Throttle) -> None:
    await take(throttle, 1)
    for _ in range(5):
        await throttle.give_back(HOURLY, ANN)
    assert await take(throttle, 12) == [True] * 10 + [False] * 2


async def test_a_forgotten_subject_begins_anew(throttle: Throttle) -> None:
    await take(throttle, 10)
    await throttle.forget(HOURLY, ANN)
    await throttle.forget(HOURLY, BEN)
    assert await take(throttle, 11) == [True] * 10 + [False]


async def test_a_limit_of_nothing_limits_nothing(throttle: Throttle) -> None:
    off = Limit("chat", 0, timedelta(minutes=1))
    assert await take(throttle, 30, off) == [True] * 30
    await throttle.give_back(off, ANN)


async def test_an_outage_is_told(kind: str, time: Time, no_redis: Redis) -> None:
    memory = kind == "memory"
    down: Throttle = FakeThrottle(time.clock, down=True) if memory else RedisThrottle(no_redis, keyed())
    for ask in (down.take(HOURLY, ANN), down.give_back(HOURLY, ANN), down.forget(HOURLY, ANN)):
        with pytest.raises(StorageUnavailable):
            await ask


async def test_nothing_in_redis_tells_who_was_counted_and_it_expires(redis: Redis) -> None:
    throttle = RedisThrottle(redis, keyed())
    await take(throttle, 3)
    await throttle.give_back(HOURLY, ANN)
    (key,) = await redis.keys("*")
    assert isinstance(key, bytes)
    assert key.startswith(b"rl:code:")
    assert b"ann" not in key
    assert 700 <= await redis.ttl(key) <= 1080
