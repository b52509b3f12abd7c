"""What one worker has activated every worker knows."""

import pytest
from redis.asyncio import Redis

from adapters.redis.active_model import RedisActiveModel
from application.ports.active_model import ActiveModel
from domain.errors import StorageUnavailable
from tests.fakes.active_model import FakeActiveModel

SERVER = "http://localhost:8100"


@pytest.fixture
def active(kind: str, redis: Redis) -> ActiveModel:
    return FakeActiveModel() if kind == "memory" else RedisActiveModel(redis, SERVER)


async def test_nothing_is_known_at_first(active: ActiveModel) -> None:
    assert await active.noted() is None


async def test_the_last_note_counts(active: ActiveModel) -> None:
    await active.note("a:1")
    await active.note("模型")
    assert await active.noted() == "模型"


async def test_another_server_has_its_own(redis: Redis) -> None:
    await RedisActiveModel(redis, SERVER).note("a")
    assert await RedisActiveModel(redis, SERVER).noted() == "a"
    assert await RedisActiveModel(redis, "http://localhost:8610").noted() is None


async def test_an_outage_is_told(no_redis: Redis) -> None:
    with pytest.raises(StorageUnavailable):
        await RedisActiveModel(no_redis, SERVER).noted()
