"""Real databases and a real Valkey, made once; empty when a test begins."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis.client import connect
from adapters.s3.blobs import S3Blobs
from tests.buckets import client_at, fresh_blobs
from tests.conftest import Valkey
from tests.contracts.stores import FakeStore, SqlStore, Store, sql_store
from tests.contracts.times import RealTime, Time, ToldTime
from tests.migrated import migrated
from tests.postgresql import fresh_database
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
async def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlStore]:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'app.db'}"
    await asyncio.to_thread(migrated, url)
    async with sql_store(url) as store:
        yield store


@pytest.fixture(scope="session")
async def postgresql_store(postgresql: str) -> AsyncIterator[SqlStore]:
    url = await fresh_database(postgresql)
    await asyncio.to_thread(migrated, url)
    async with sql_store(url) as store:
        yield store


@pytest.fixture(scope="session")
async def s3_client(s3: S3Server) -> AsyncIterator[Any]:
    """One for all: making it takes longer than most that is done with it."""
    async with client_at(s3.url) as client:
        yield client


@pytest.fixture
async def s3_blobs(s3_client: Any, tmp_path: Path) -> S3Blobs:
    return await fresh_blobs(s3_client, tmp_path)


@pytest.fixture
def memory_store() -> FakeStore:
    return FakeStore()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
async def store(any_store: Store) -> Store:
    if isinstance(any_store, SqlStore):
        await any_store.clear()
    return any_store


@pytest.fixture(params=["sqlite", "postgresql"])
def any_sql_store(request: pytest.FixtureRequest) -> SqlStore:
    found: SqlStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
async def sql(any_sql_store: SqlStore) -> SqlStore:
    """For what only real databases can break."""
    await any_sql_store.clear()
    return any_sql_store


@pytest.fixture(scope="session")
async def one_redis(valkey: Valkey) -> AsyncIterator[Redis]:
    async with connect(valkey.url, answer_s=10) as client:
        yield client


@pytest.fixture
async def redis(one_redis: Redis) -> Redis:
    """Empty when the test begins."""
    await one_redis.flushdb()
    return one_redis


@pytest.fixture
async def no_redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """Nobody answers there."""
    async with connect(f"unix://{tmp_path}/nobody.sock") as client:
        yield client


@pytest.fixture(params=["memory", "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    """Of those stores that live in Redis."""
    return str(request.param)


@pytest.fixture
def time(kind: str) -> Time:
    return ToldTime() if kind == "memory" else RealTime()
