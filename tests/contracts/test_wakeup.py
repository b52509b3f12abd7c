"""A missed ring costs a second, never the job."""

import asyncio
import time as wall

import pytest
from redis.asyncio import Redis

from adapters.redis.wakeup import RedisWakeup
from application.ports.wakeup import Wakeup
from domain.errors import StorageUnavailable
from tests.fakes.wakeup import FakeWakeup


@pytest.fixture
def wakeup(kind: str, redis: Redis) -> Wakeup:
    return FakeWakeup() if kind == "memory" else RedisWakeup(redis)


async def waited(wakeup: Wakeup, seconds: float) -> float:
    begun = wall.monotonic()
    await wakeup.wait(seconds)
    return wall.monotonic() - begun


async def test_a_ring_wakes_a_sleeper(wakeup: Wakeup) -> None:
    sleeping = asyncio.create_task(waited(wakeup, 5))
    await asyncio.sleep(0.05)
    await wakeup.ring()
    assert await sleeping < 2


async def test_a_ring_before_sleep_is_not_missed(wakeup: Wakeup) -> None:
    await wakeup.ring()
    assert await waited(wakeup, 5) < 2


async def test_silence_ends_after_the_time_given(wakeup: Wakeup) -> None:
    assert 0.2 <= await waited(wakeup, 0.3) < 2


async def test_an_outage_swallows_the_ring_but_not_the_wait(no_redis: Redis) -> None:
    wakeup = RedisWakeup(no_redis)
    await wakeup.ring()
    with pytest.raises(StorageUnavailable):
        await wakeup.wait(0.1)
