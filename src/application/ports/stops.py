from collections.abc import AsyncGenerator
from typing import Protocol

from domain.user import UserId


class StopOrders(Protocol):
    """Orders to end running replies, told to every worker. A worker that is cut off misses them: who gives
    one sees to it by other means that nothing remains."""

    async def stop_user(self, user: UserId) -> None:
        """End whatever is being generated for this user. Raises StorageUnavailable."""
        ...

    def orders(self) -> AsyncGenerator[UserId]:
        """The orders as they come, from all workers; ends never, reconnects by itself."""
        ...
