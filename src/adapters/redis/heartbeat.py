"""`worker:{id}`: this process is alive. Renewed from a thread of its own: a busy loop is not a death."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import redis

from adapters.redis.client import connect_blocking

EVERY_S, LIFE_S = 0.5, 2


@contextmanager
def heartbeat(url: str, worker: str) -> Iterator[None]:
    """Beats as long as the context lasts; an unreachable Redis is tried again with the next beat."""
    stop = threading.Event()
    with connect_blocking(url) as client:
        beat = _Beat(client, f"worker:{worker}", f"{time.time():.3f}")
        beat.once()  # alive before the first claim
        thread = threading.Thread(target=beat.until, args=(stop,), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=2)
            with suppress(redis.RedisError):  # it expires by itself
                client.delete(beat.key)


@dataclass(frozen=True, slots=True)
class _Beat:
    client: "redis.Redis"
    key: str
    since: str

    def until(self, stop: threading.Event) -> None:
        while not stop.wait(EVERY_S):
            self.once()

    def once(self) -> None:
        with suppress(redis.RedisError):  # the next beat tries again; being taken for dead is safe
            self.client.set(self.key, self.since, ex=LIFE_S)
