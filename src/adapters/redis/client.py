"""Connections to Redis or Valkey, and where its errors stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from domain.errors import StorageUnavailable

CONNECT_S = 2.0
ANSWER_S = 2.0


def connect(url: str, max_connections: int = 64, answer_s: float = ANSWER_S) -> Redis:
    """A client for `redis://`, `rediss://`, `unix://` or `redis+sentinel://host:port[,host:port]/service`.

    Waits its turn when all connections are in use; an outage is noticed within seconds, and reconnecting
    needs no restart.
    """
    retry = Retry(ExponentialBackoff(cap=0.2, base=0.02), retries=2)
    options = {
        "decode_responses": False,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": answer_s,
        "health_check_interval": 15,
        "retry": retry,
    }
    if url.startswith("redis+sentinel://"):
        parts = urlsplit(url)
        hosts = [
            (host, int(port or 26379))
            for host, _, port in (spot.rpartition("@")[2].partition(":") for spot in parts.netloc.split(","))
        ]
        service = parts.path.strip("/") or "mymaster"
        sentinel = Sentinel(hosts, password=parts.password, **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
        master: Redis = sentinel.master_for(service)
        return master
    pool = BlockingConnectionPool.from_url(url, max_connections=max_connections, timeout=CONNECT_S, **options)
    return Redis.from_pool(pool)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StorageUnavailable from error
