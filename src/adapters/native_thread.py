import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 1.0


class NativeThread(Generic[T]):
    """One thread for a library that computes: a long document keeps at most one core busy. What the library
    needs is loaded with the first piece of work.

    Patient work is done a piece at a time, and lets the other go first, but waits no longer than a second for
    that: it must come to an end some day."""

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._load = load
        self._loaded: T | None = None
        self._patient = asyncio.Lock()
        self._pressing = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def run(self, work: Callable[[T], R], *, patient: bool = False) -> R:
        """Each piece should be short: nothing stops one that has begun."""
        if not patient:
            return await self._at_once(work)
        async with self._patient:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._quiet.wait()
            except TimeoutError:
                pass
            return await self._do(work)

    def close(self) -> None:
        """Let the thread end; what it is doing is finished first."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _at_once(self, work: Callable[[T], R]) -> R:
        self._pressing += 1
        self._quiet.clear()
        try:
            return await self._do(work)
        finally:
            self._pressing -= 1
            if not self._pressing:
                self._quiet.set()

    async def _do(self, work: Callable[[T], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_thread, work)

    def _in_thread(self, work: Callable[[T], R]) -> R:
        # Only ever runs in the one thread: no lock is needed around the lazy loading.
        if self._loaded is None:
            self._loaded = self._load()
        return work(self._loaded)
