"""One installation for all tests of a file that do not change it, and two people who use it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from jwt import decode, encode
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, User, a_house
from tests.integration.http.following import Workers, two_workers
from tests.integration.http.logged import Logged, logged
from tests.servers.llm_service import LlmServiceServer


@pytest.fixture(scope="module")
def home_redis(valkey: Valkey) -> Iterator[Redis]:
    with Redis.from_url(f"{valkey.url}?db=1") as client:
        client.flushdb()
        yield client


@pytest.fixture(scope="module")
async def home(
    tmp_path_factory: pytest.TempPathFactory, home_redis: object, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[House]:
    """Shared by a file's tests; its keys lie apart, so that a test's fresh house leaves them alone."""
    folder = tmp_path_factory.mktemp("home")
    async with a_house(folder, REDIS_URL=f"{valkey.url}?db=1", LLM_URL=llm.url) as house:
        yield house


@pytest.fixture(scope="module")
async def ann(home: House) -> User:
    return await home.user("ann@example.org")


@pytest.fixture(scope="module")
async def bob(home: House) -> User:
    return await home.user("bob@example.org")


@pytest.fixture(scope="module")
async def workers(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[Workers]:
    """Two of another installation."""
    folder = tmp_path_factory.mktemp("workers")
    async with two_workers(folder, f"{valkey.url}?db=2", LLM_URL=llm.url) as both:
        yield both


@pytest.fixture(scope="module")
async def cleo(workers: Workers) -> User:
    """Logged in at the first of them, hence at both."""
    return await workers[0].user("cleo@example.org")


@pytest.fixture
def logs() -> Iterator[Logged]:
    with logged() as found:
        yield found


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.txt"
    path.write_text("The mitochondrion makes the energy of the cell.", "utf-8")
    return path


def forged(
    user: User, *, key: str | None = None, headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    """The user's token with other claims (None takes one away), signed with the house's key or another."""
    fields = {**decode(user.token, options={"verify_signature": False}), **claims}
    payload = {name: value for name, value in fields.items() if value is not None}
    return encode(payload, key or user.house.settings.jwt_secret_key, algorithm="HS256", headers=headers)
