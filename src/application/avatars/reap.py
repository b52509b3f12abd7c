import asyncio
import logging
from dataclasses import dataclass

from application.avatars.stopping import stop
from application.ports.avatar_leases import CallState, Holdings, Keeper, ManagerCalls
from application.ports.avatar_pool import AvatarPool
from application.ports.clock import Clock
from domain.avatar import Lease

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapLapsed:
    """Avatars that nobody has used for the idle time are given back, and so are leases on managers that the
    settings do not name any more."""

    keeper: Keeper
    holdings: Holdings
    calls: ManagerCalls
    pool: AvatarPool
    clock: Clock

    async def __call__(self) -> int:
        """How many there were."""
        if not await self.keeper.is_ours():
            return 0
        books = await self.holdings.books()
        lapsed = [lease for lease in books.leases if lease.number in books.lapsed]
        strange = [lease for lease in books.leases if lease.instance.manager not in self.pool.managers]
        for lease in strange:
            await self.holdings.drop(lease, self._now(), None)
        await asyncio.gather(*(self._reap(lease) for lease in lapsed))
        return len(lapsed) + len(strange)

    async def _reap(self, lease: Lease) -> None:
        if call := await self.holdings.drop(lease, self._now(), CallState.OPEN):
            log.info("an idle avatar is given back", extra={"user_id": lease.user, "avatar": lease.avatar})
            await stop(self.pool, self.calls, self.clock, call)

    def _now(self) -> float:
        return self.clock.now().timestamp()
