"""`worker:{id}`: this process is alive. Renewed from a thread of its own: a busy loop is not a death."""

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import redis

EVERY_S, LIFE_S = 0.5, 2


class Heartbeat:
    """Beats from `__enter__` to `__exit__`; an unreachable Redis is tried again with the next beat."""

    def __init__(self, url: str, worker: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._key = f"worker:{worker}"
        self._started = time.time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._once()  # alive before the first claim
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=2)
        with suppress(redis.RedisError):  # it expires by itself
            self._redis.delete(self._key)
        self._redis.close()

    def _beat(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._once()

    def _once(self) -> None:
        with suppress(redis.RedisError):  # the next beat tries again; being taken for dead is safe
            self._redis.set(self._key, f"{self._started:.3f}", ex=LIFE_S)
