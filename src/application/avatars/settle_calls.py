"""Calls to managers that have no certain end: what is owed is made, what is doubtful is found out."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from application.avatars.confirm import instance_of
from application.avatars.stopping import stop
from application.ports.avatar_leases import (
    Books,
    CallKind,
    CallState,
    Holdings,
    Keeper,
    ManagerCall,
    ManagerCalls,
)
from application.ports.avatar_pool import AvatarPool, PoolFailed, PoolTimeout, PoolUnreachable
from application.ports.clock import Clock
from domain.avatar import AvatarName, Instance, Lease

log = logging.getLogger(__name__)

AT_ONCE = 8
AGAIN_S = 5.0  # after a stop that nobody has heard
ABANDONED_S = 100.0  # longer than anybody makes one call: who began it must be dead
QUEUED_S = 70.0  # so long a manager that is busy starting others may sit on a call
AWAITED_S = 300.0  # so long a start may still come about


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleCalls:
    """Makes one manager's count what it should be. A manager counts right when it counts as many as there are
    leases and owed stops; one more is what a doubtful call has left. That can be said only at a moment when
    nothing that concerns the avatar is under way."""

    keeper: Keeper
    holdings: Holdings
    calls: ManagerCalls
    pool: AvatarPool
    clock: Clock
    again_s: float = AGAIN_S
    abandoned_s: float = ABANDONED_S
    queued_s: float = QUEUED_S
    awaited_s: float = AWAITED_S

    async def __call__(self, manager: str) -> None:
        if not await self.keeper.is_ours():
            return
        books = await self.holdings.books()
        calls = [call for call in books.calls if call.manager == manager]
        for call in calls:
            if call.state is CallState.OPEN and self._age(call) > self.abandoned_s:
                await self.calls.doubt(call, self._now())
        await self._make([call for call in calls if call.state is CallState.OWED])
        if any(call.state is CallState.DOUBTFUL for call in calls):
            await self._find_out(manager)

    async def _make(self, owed: Iterable[ManagerCall]) -> None:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def make(call: ManagerCall) -> None:
            async with at_once:
                if begun := await self.calls.begin(call, self._now()):
                    await stop(self.pool, self.calls, self.clock, begun)

        await asyncio.gather(*(make(call) for call in owed))

    async def _find_out(self, manager: str) -> None:
        before = await self.holdings.books()
        asked_at = self._now()
        try:
            found = await self.pool.running(manager)
        except (PoolUnreachable, PoolTimeout, PoolFailed):
            return
        after = await self.holdings.books()
        for avatar in {call.avatar for call in before.calls if call.manager == manager}:
            about = _About.of(before, manager, avatar)
            if about.is_quiet and about == _About.of(after, manager, avatar):
                await self._judge(about, instance_of(avatar, found), asked_at)

    async def _judge(self, about: "_About", instance: Instance | None, asked_at: float) -> None:
        should = len(about.numbers) + sum(call.state is CallState.OWED for call in about.calls)
        surplus = 0
        if instance is not None:  # without a figure, one is too many only where none should be
            counted = instance.connections
            surplus = counted - should if counted is not None else int(should == 0)
        for call in about.calls:
            if call.state is not CallState.DOUBTFUL:
                continue
            if call.kind is not CallKind.START and self._age(call) < self.queued_s:
                continue
            if surplus > 0 and instance is not None:
                surplus -= 1
                await self._counted(call, instance, asked_at)
            elif call.kind is not CallKind.START or self._age(call) > self.awaited_s:
                await self.calls.close(call)

    async def _counted(self, call: ManagerCall, instance: Instance, asked_at: float) -> None:
        if call.kind is CallKind.START and instance.running:
            lease = Lease(
                user=call.user,
                avatar=call.avatar,
                number=call.number,
                instance=instance,
                started_at=call.since,
                confirmed_at=asked_at,
            )
            if await self.calls.adopt(call, lease):
                log.info("a late avatar has come", extra={"user_id": call.user, "avatar": call.avatar})
                return
        await self.calls.owe(call, self._now())

    def _age(self, call: ManagerCall) -> float:
        return self._now() - call.since

    def _now(self) -> float:
        return self.clock.now().timestamp()


@dataclass(frozen=True, slots=True)
class _About:
    """What is known of one avatar at one manager."""

    numbers: frozenset[int]  # of its leases
    calls: Sequence[ManagerCall]

    @classmethod
    def of(cls, books: Books, manager: str, avatar: AvatarName) -> "_About":
        here = (lease for lease in books.leases if lease.instance.manager == manager)
        calls = [call for call in books.calls if (call.manager, call.avatar) == (manager, avatar)]
        calls.sort(key=lambda call: (call.number, call.kind))
        return cls(frozenset(lease.number for lease in here if lease.avatar == avatar), calls)

    @property
    def is_quiet(self) -> bool:
        return not any(call.state is CallState.OPEN for call in self.calls)
