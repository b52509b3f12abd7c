import asyncio
from dataclasses import dataclass

from application.avatars.stopping import stop
from application.ports.avatar_leases import (
    Books,
    CallKind,
    CallState,
    Holdings,
    Keeper,
    LastStart,
    ManagerCall,
    ManagerCalls,
)
from application.ports.avatar_pool import (
    AvatarPool,
    PoolBusy,
    PoolFailed,
    PoolRefused,
    PoolTimeout,
    PoolUnreachable,
)
from application.ports.clock import Clock
from domain.avatar import Lease

EVERY_S = 1200.0  # a manager ends an instance 1800 s after its last start, whoever is watching


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """Instances of one manager on which there are live leases are started once more in time, and
    disconnected at once, so that their count stays as it is."""

    keeper: Keeper
    holdings: Holdings
    calls: ManagerCalls
    pool: AvatarPool
    clock: Clock
    every_s: float = EVERY_S

    async def __call__(self, manager: str) -> None:
        if not await self.keeper.is_ours():
            return
        books = await self.holdings.books()
        due = {
            lease.avatar: lease
            for lease in books.leases
            if lease.instance.manager == manager
            and lease.number not in books.lapsed
            and self._now() - _last(books, lease) >= self.every_s
        }
        await asyncio.gather(*(self._keep(lease) for lease in due.values()))

    async def _keep(self, lease: Lease) -> None:
        """Whatever fails is tried again with the next look: there are ten minutes left."""
        call = ManagerCall(
            number=lease.number,
            user=lease.user,
            manager=lease.instance.manager,
            avatar=lease.avatar,
            kind=CallKind.PAIR,
            state=CallState.OPEN,
            since=self._now(),
        )
        begun = await self.calls.begin(call, call.since)
        if begun is None:  # an earlier one has no certain end yet
            return
        try:
            instance = await self.pool.start(call.manager, call.user, call.avatar)
        except (PoolBusy, PoolRefused, PoolUnreachable):
            await self.calls.close(begun)
        except (PoolTimeout, PoolFailed):
            await self.calls.doubt(begun, self._now())
        else:
            at = LastStart(at=self._now(), pid=instance.pid, start_time=instance.start_time)
            owed = await self.calls.owe(begun, at.at, at)
            if owed and (stopping := await self.calls.begin(owed, self._now())):
                await stop(self.pool, self.calls, self.clock, stopping)

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _last(books: Books, lease: Lease) -> float:
    last = books.starts.get((lease.instance.manager, lease.avatar))
    return max(last.at if last else 0.0, lease.started_at)
