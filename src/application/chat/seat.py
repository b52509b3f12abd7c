"""Where somebody sits who reads a stream: he waits for news, leaves by himself, or is shown out."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True, kw_only=True)
class Seat(ABC):
    """`leave` is what ends the reading from outside, when it is too slow."""

    patience_s: float = 15.0  # how long it goes without a word
    leave: Callable[[], object] | None = None
    left: bool = False  # it reads no further
    dropped: bool = False  # because it was too slow
    since: float = 0.0  # `time.monotonic()` when it began to wait, or to be busy with what it took
    _waiter: "asyncio.Future[None] | None" = field(default=None, init=False)

    @property
    def finished(self) -> bool:
        """Nothing more is read here."""
        return self.left

    @property
    def behind(self) -> int:
        """How many events wait for it."""
        return 0

    @property
    def waiting(self) -> bool:
        """It has taken everything there is."""
        return self._waiter is not None

    @abstractmethod
    async def next(self) -> bytes:
        """The events it has not taken yet, so many in one piece; waits for the next one when there is none.
        Empty when it was woken without news, and at the end."""

    def wake(self) -> None:
        if self._waiter is not None:
            ring(self._waiter)

    def quit(self) -> None:
        """It reads no further."""
        self.left = True
        self.wake()

    def drop(self) -> None:
        """It reads too slowly: its place is given up. It may come back for the rest."""
        if not self.dropped:
            self.dropped = True
            self.quit()
            if self.leave is not None:
                self.leave()

    async def rest(self) -> None:
        """Until it is woken."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.since = time.monotonic()


def ring(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
