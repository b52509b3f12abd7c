"""The whole application on real servers, over HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, a_house
from tests.servers.llm_service import LlmServiceServer


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    """Empty when the test begins."""
    with Redis.from_url(valkey.url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    return valkey.url


@pytest.fixture(scope="session")
async def llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


@pytest.fixture
async def house(tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer) -> AsyncIterator[House]:
    """A fresh installation: SQLite, Valkey, our own index, an LLM service."""
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url) as house:
        yield house
