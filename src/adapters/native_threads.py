import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from adapters.niceness import put_behind

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item")


class NativeThreads(Generic[T]):
    """Two threads for a library that computes and lets others do so meanwhile: one for what somebody waits
    for, one for patient work, which has the processor when nobody else wants it. Both use what is loaded with
    the first piece of work."""

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        self._pressing = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._patient = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-patient", initializer=_step_back)
        self._load = load
        self._loading = threading.Lock()
        self._loaded: T | None = None

    async def run(self, work: Callable[[T], R], *, patient: bool = False) -> R:
        """Each piece should be short: nothing stops one that has begun."""
        thread = self._patient if patient else self._pressing
        return await asyncio.get_running_loop().run_in_executor(thread, self._in_thread, work)

    async def in_batches(
        self, work: Callable[[T, Sequence[Item]], list[R]], items: Sequence[Item], size: int, *, patient: bool
    ) -> list[R]:
        """What comes of all items, in order; between the batches others get their turn."""
        done: list[R] = []
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            done += await self.run(partial(_with, work, batch), patient=patient)
        return done

    def close(self) -> None:
        """Let the threads end; what they are doing is finished first."""
        for thread in (self._pressing, self._patient):
            thread.shutdown(wait=True, cancel_futures=True)

    def _in_thread(self, work: Callable[[T], R]) -> R:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
        return work(self._loaded)


def _step_back() -> None:
    """Only Linux knows a priority of single threads; elsewhere patient work competes with all other."""
    if sys.platform == "linux":
        put_behind(threading.get_native_id())


def _with(work: Callable[[T, Sequence[Item]], list[R]], items: Sequence[Item], engine: T) -> list[R]:
    return work(engine, items)
