"""SQLite lets one writer in and keeps the others waiting without any order: here they queue."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.errors import StorageBusy

PATIENCE_S = 5.0
NEWEST = 0.1  # the weight of the last turn in what a turn takes


@dataclass(eq=False, slots=True)
class Turns:
    """One at a time, in the order of asking. Who could not have his turn within `patience_s`, going by what
    turns have taken lately, is refused at once and told when to come again: to wait in vain helps nobody."""

    patience_s: float = PATIENCE_S
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _queue: int = field(default=0, init=False)  # with whoever has the turn
    _turn_s: float = field(default=0.0, init=False)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Our turn, as long as the context lasts. Raises StorageBusy."""
        expected_s = self._queue * self._turn_s
        if expected_s > self.patience_s:
            raise StorageBusy(math.ceil(expected_s))
        self._queue += 1
        try:
            await self._wait()
            began = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._lock.release()
                took = asyncio.get_running_loop().time() - began
                self._turn_s += NEWEST * (took - self._turn_s)
        finally:
            self._queue -= 1

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.patience_s):
                await self._lock.acquire()
        except TimeoutError as late:
            raise StorageBusy(math.ceil(max(self._queue * self._turn_s, 1))) from late
