import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.ports.avatar_leases import CallState, Holdings
from application.ports.clock import Clock
from domain.errors import StorageUnavailable
from domain.user import UserId

log = logging.getLogger(__name__)

Hush = Callable[[UserId], Awaitable[None]]  # what it says to the user ends; raises nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAvatar:
    """Somebody is gone: what he held is free at once. The manager is told by whoever settles what is owed, so
    that nobody waits for it."""

    holdings: Holdings
    hush: Hush
    clock: Clock

    async def __call__(self, user: UserId) -> None:
        await asyncio.gather(self.hush(user), self._give_up(user))

    async def _give_up(self, user: UserId) -> None:
        try:
            await self.holdings.give_up(user, self.clock.now().timestamp(), CallState.OWED)
        except StorageUnavailable:  # then the lease goes by its time limit
            log.warning("an avatar not given back", extra={"user_id": user})
