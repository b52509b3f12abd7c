"""An order to end replies reaches every worker that listens."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from redis.asyncio import Redis

from adapters.redis.client import connect
from adapters.redis.stops import CHANNEL, RedisStopOrders
from application.ports.stops import StopOrders
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.conftest import Valkey
from tests.fakes.stops import FakeStopOrders

ANN, BEN, PROBE = UserId(7), UserId(8), UserId(0)


@pytest.fixture
def stops(kind: str, redis: Redis) -> StopOrders:
    return FakeStopOrders() if kind == "memory" else RedisStopOrders(redis, redis)


@asynccontextmanager
async def listener(stops: StopOrders) -> AsyncIterator[list[UserId]]:
    """What a worker hears."""
    heard: list[UserId] = []

    async def listen() -> None:
        async for user in stops.orders():
            heard.append(user)  # noqa: PERF401 (it never ends)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_heard(stops: StopOrders, *listeners: list[UserId]) -> None:
    """Once everybody listens: an order given before that is missed."""
    async with asyncio.timeout(10):
        while not all(PROBE in heard for heard in listeners):
            await give(stops, PROBE)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    for heard in listeners:
        heard.clear()


async def give(stops: StopOrders, user: UserId) -> None:
    try:
        await stops.stop_user(user)
    except StorageUnavailable:
        await asyncio.sleep(0.05)


async def hears(heard: list[UserId], *users: UserId) -> bool:
    async with asyncio.timeout(2):
        while len(heard) < len(users):  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.005)
    return heard == list(users)


async def test_every_worker_hears_each_order_in_its_turn(stops: StopOrders) -> None:
    async with listener(stops) as one, listener(stops) as other:
        await until_heard(stops, one, other)
        await stops.stop_user(ANN)
        await stops.stop_user(BEN)
        assert await hears(one, ANN, BEN)
        assert await hears(other, ANN, BEN)


async def test_an_order_nobody_hears_is_no_error(stops: StopOrders) -> None:
    await stops.stop_user(ANN)


class TestValkey:
    async def test_who_listens_goes_on_when_the_server_comes_back(self, own_valkey: Valkey) -> None:
        async with connect(own_valkey.url) as redis, connect(own_valkey.url) as line:
            stops = RedisStopOrders(redis, line)
            async with listener(stops) as heard:
                await until_heard(stops, heard)
                own_valkey.stop()
                with pytest.raises(StorageUnavailable):
                    await stops.stop_user(ANN)
                own_valkey.start()
                await until_heard(stops, heard)
                await stops.stop_user(BEN)
                assert await hears(heard, BEN)

    async def test_a_server_that_falls_silent_is_left_and_found_again(self, own_valkey: Valkey) -> None:
        async with connect(own_valkey.url, answer_s=0.5) as redis, connect(own_valkey.url) as line:
            stops = RedisStopOrders(redis, line, quiet_s=0.1)
            async with listener(stops) as heard:
                await until_heard(stops, heard)
                with frozen(own_valkey):
                    await asyncio.sleep(1)
                await until_heard(stops, heard)
                await stops.stop_user(BEN)
                assert await hears(heard, BEN)

    async def test_a_quiet_line_stays(self, redis: Redis) -> None:
        stops = RedisStopOrders(redis, redis, quiet_s=0.05)
        async with listener(stops) as heard:
            await until_heard(stops, heard)
            before = await redis.client_list(_type="pubsub")
            await asyncio.sleep(0.5)
            after = await redis.client_list(_type="pubsub")
            assert [client["id"] for client in before] == [client["id"] for client in after]
            await stops.stop_user(ANN)
            assert await hears(heard, ANN)

    @pytest.mark.parametrize("noise", ["", "null", "[]", "{}", '{"user": "x"}', '{"user": null}', "\xff"])
    async def test_what_is_no_order_is_passed_over(self, redis: Redis, noise: str) -> None:
        stops = RedisStopOrders(redis, redis)
        async with listener(stops) as heard:
            await until_heard(stops, heard)
            await redis.publish(CHANNEL, noise)
            await stops.stop_user(ANN)
            assert await hears(heard, ANN)

    async def test_an_outage_is_said(self, no_redis: Redis) -> None:
        with pytest.raises(StorageUnavailable):
            await RedisStopOrders(no_redis, no_redis).stop_user(ANN)


@contextmanager
def frozen(server: Valkey) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
