"""Connections to Redis or Valkey, and where its errors stop."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.asyncio import BlockingConnectionPool, Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, RedisError

from domain.errors import StorageUnavailable

CONNECT_S = 2.0
ANSWER_S = 2.0
SENTINEL = "redis+sentinel://"


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """`redis+sentinel://[:password@]host[:port][,host[:port]…][/service[/database]]`"""

    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any]

    @classmethod
    def parse(cls, url: str) -> "SentinelAddress":
        parts = urlsplit(url)
        credentials, _, spots = parts.netloc.rpartition("@")
        hosts = tuple(
            (host, int(port or 26379)) for host, _, port in (s.partition(":") for s in spots.split(","))
        )
        service, _, number = parts.path.strip("/").partition("/")
        user, _, password = credentials.partition(":")
        options = {
            "username": unquote(user) or None,
            "password": unquote(password) or None,
            "db": int(number or 0),
        }
        return cls(hosts, service or "mymaster", options)


@asynccontextmanager
async def connect(url: str, max_connections: int = 64, answer_s: float = ANSWER_S) -> AsyncIterator[Redis]:
    """A client for `redis://`, `rediss://`, `unix://` or `redis+sentinel://`, as long as the context lasts.

    Waits its turn when all connections are in use; an outage is noticed within seconds, and reconnecting
    needs no restart.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": answer_s,
        "health_check_interval": 15,
        # once, for a connection that went stale; a silent server's time limits would add up
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.02), 1, supported_errors=(ConnectionError,)),
    }
    if not url.startswith(SENTINEL):
        pool = BlockingConnectionPool.from_url(
            url, max_connections=max_connections, timeout=CONNECT_S, **options
        )
        async with Redis.from_pool(pool) as client:
            yield client
        return
    address = SentinelAddress.parse(url)
    sentinel: Any = Sentinel(address.hosts, **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
    async with sentinel.master_for(address.service, **address.options, **options) as client:
        yield client
    for guard in sentinel.sentinels:
        await guard.aclose()


@contextmanager
def connect_blocking(url: str, answer_s: float = 1.0) -> "Iterator[redis.Redis]":
    """The same for a thread of its own."""
    options = {"socket_timeout": answer_s, "socket_connect_timeout": answer_s}
    if not url.startswith(SENTINEL):
        with redis.Redis.from_url(url, **options) as client:
            yield client
        return
    address = SentinelAddress.parse(url)
    sentinel: Any = redis.Sentinel(address.hosts, **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
    with sentinel.master_for(address.service, **address.options, **options) as client:
        yield client
    for guard in sentinel.sentinels:
        guard.close()


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StorageUnavailable from error
