from dataclasses import dataclass

from application.avatars.confirm import corrected
from application.ports.avatar_leases import Holdings, Keeper
from application.ports.avatar_pool import AvatarPool, PoolFailed, PoolTimeout, PoolUnreachable
from application.ports.clock import Clock

UNCONFIRMED_S = 45.0  # before anybody has to ask who wants to use one


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileLeases:
    """Leases are compared with what one manager has: what has moved is corrected, what is gone is dropped,
    and none is ever made of what a manager says."""

    keeper: Keeper
    holdings: Holdings
    pool: AvatarPool
    clock: Clock

    async def __call__(self, manager: str) -> None:
        if not await self.keeper.is_ours():
            return
        asked_at = self.clock.now().timestamp()
        due = [
            lease
            for lease in (await self.holdings.books()).leases
            if lease.instance.manager == manager
            and (asked_at - lease.confirmed_at >= UNCONFIRMED_S or not lease.instance.running)
        ]
        if not due:
            return
        try:
            found = await self.pool.running(manager)
        except (PoolUnreachable, PoolTimeout, PoolFailed):
            return
        for lease in due:
            await corrected(self.holdings, lease, found, asked_at)
