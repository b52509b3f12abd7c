import asyncio
from collections.abc import AsyncGenerator

from typing_extensions import override

from application.ports.stops import StopOrders
from domain.errors import StorageUnavailable
from domain.user import UserId


class FakeStopOrders(StopOrders):
    """Everybody who listens hears each order; who does not listen misses it. `down`: none can be given."""

    def __init__(self) -> None:
        self.down = False
        self.given: list[UserId] = []
        self._listening: list[asyncio.Queue[UserId]] = []

    @override
    async def stop_user(self, user: UserId) -> None:
        if self.down:
            raise StorageUnavailable
        self.given.append(user)
        for line in self._listening:
            line.put_nowait(user)

    @override
    async def orders(self) -> AsyncGenerator[UserId]:
        line: asyncio.Queue[UserId] = asyncio.Queue()
        self._listening.append(line)
        try:
            while True:
                yield await line.get()
        finally:
            self._listening.remove(line)
