import asyncio
from contextlib import suppress

from typing_extensions import override

from application.ports.wakeup import Wakeup


class FakeWakeup(Wakeup):
    """One ring wakes one sleeper, also one that only goes to sleep afterwards."""

    def __init__(self) -> None:
        self.rings = 0
        self._bell = asyncio.Semaphore(0)

    @override
    async def ring(self) -> None:
        self.rings += 1
        self._bell.release()

    @override
    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.acquire()
