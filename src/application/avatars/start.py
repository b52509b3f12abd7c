import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from application.avatars.confirm import ConfirmLease
from application.avatars.stopping import stop
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.avatar_leases import (
    AvatarLeases,
    CallKind,
    CallState,
    Claims,
    Holdings,
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
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, UnknownAvatar
from domain.catalogue import Look
from domain.errors import DomainError, StorageUnavailable
from domain.user import UserId

log = logging.getLogger(__name__)

CLAIM_WAIT_S = 75.0  # for another start of the same user
CLAIM_AGAIN_S = 0.05  # then ever more slowly
CATALOGUE_S = 2.0
ELSEWHERE_S = 15.0  # after so long at managers that are full, no other is tried: the claim must not run out


@dataclass(frozen=True, slots=True)
class Started:
    """`is_new`: a process was launched for it, which may need a moment."""

    lease: Lease
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAvatar:
    """A user gets the avatar he names, in place of the one he has. Asking again for what he holds changes
    nothing; what several ask at once for one user is done one after the other."""

    leases: AvatarLeases
    claims: Claims
    calls: ManagerCalls
    holdings: Holdings
    pool: AvatarPool
    catalogue: AvatarCatalogue
    confirm: ConfirmLease
    clock: Clock
    claim_wait_s: float = CLAIM_WAIT_S

    async def __call__(self, user: UserId, avatar: AvatarName) -> Started:
        """Raises UnknownAvatar, PoolBusy, PoolRefused, PoolUnreachable, PoolTimeout, PoolFailed."""
        if lease := await self._still(user, avatar):
            return Started(lease, is_new=False)
        await self._require_known(avatar)
        async with self._claimed(user) as number:
            if lease := await self._still(user, avatar):  # somebody else's start was faster
                return Started(lease, is_new=False)
            if held := await self.claims.held(user):
                await self._part(held)
            return await self._start(user, avatar, number)

    async def _still(self, user: UserId, avatar: AvatarName) -> Lease | None:
        """What he holds already, renewed, if it is this avatar and it runs."""
        lease = await self.leases.of(user)
        if lease is None or lease.avatar != avatar:
            return None
        confirmed = await self.confirm(lease)
        if confirmed is None or not confirmed.instance.running or not await self.leases.renew(confirmed):
            return None
        return confirmed

    async def _require_known(self, avatar: AvatarName) -> None:
        """A catalogue that cannot be asked now forbids nothing."""
        known: Mapping[AvatarName, Look] = {}
        with suppress(DomainError, TimeoutError):
            async with asyncio.timeout(CATALOGUE_S):
                known = await self.catalogue.avatars()
        if known and avatar not in known:
            raise UnknownAvatar(avatar)

    @asynccontextmanager
    async def _claimed(self, user: UserId) -> AsyncIterator[LeaseNumber]:
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self.claim_wait_s, CLAIM_AGAIN_S
        while (number := await self.claims.claim(user)) is None:
            if loop.time() > deadline:
                raise PoolTimeout
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (no secret)
            pause = min(1.0, pause * 1.5)
        try:
            yield number
        finally:
            with suppress(StorageUnavailable):  # it ends by itself
                await asyncio.shield(self.claims.let_go(user, number))

    async def _part(self, held: Lease) -> None:
        if call := await self.holdings.drop(held, self._now(), CallState.OPEN):
            await stop(self.pool, self.calls, self.clock, call)

    async def _start(self, user: UserId, avatar: AvatarName, number: LeaseNumber) -> Started:
        refusal: DomainError = PoolUnreachable()
        loop = asyncio.get_running_loop()
        latest = loop.time() + ELSEWHERE_S
        for manager in await self.pool.order(avatar):
            if loop.time() > latest:
                break
            call = ManagerCall(
                number=number,
                user=user,
                manager=manager,
                avatar=avatar,
                kind=CallKind.START,
                state=CallState.OPEN,
                since=self._now(),
            )
            try:
                return await self._start_at(call)
            except PoolBusy as error:
                refusal = error
            except PoolUnreachable as error:
                refusal = refusal if isinstance(refusal, PoolBusy) else error
        raise refusal

    async def _start_at(self, call: ManagerCall) -> Started:
        last = await self.claims.last_start(call.manager, call.avatar)
        begun = await self.calls.begin(call, call.since)
        if begun is None:
            return await self._overtaken(call)
        instance = await self._asked(begun)
        now = self._now()
        lease = Lease(
            user=call.user,
            avatar=call.avatar,
            number=call.number,
            instance=instance,
            started_at=now,
            confirmed_at=now,
        )
        if not await self.claims.hold(lease):
            await self.calls.owe(begun, now)  # whoever settles what is owed gives it back
            return await self._overtaken(call)
        log.info("an avatar was started", extra={"user_id": lease.user, "avatar": lease.avatar})
        return Started(lease, is_new=_is_new(instance, last))

    async def _asked(self, call: ManagerCall) -> Instance:
        try:
            return await self.pool.start(call.manager, call.user, call.avatar)
        except (PoolBusy, PoolRefused, PoolUnreachable):
            await self.calls.close(call)
            raise
        except (PoolTimeout, PoolFailed):  # what comes of it is still wanted
            await self.calls.doubt(call, self._now(), wanted=True)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self.calls.doubt(call, self._now(), wanted=True))
            raise

    async def _overtaken(self, call: ManagerCall) -> Started:
        """Whatever the user holds now was wanted later."""
        lease = await self.leases.of(call.user)
        if lease is None or lease.avatar != call.avatar:
            raise PoolRefused
        return Started(lease, is_new=False)

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _is_new(instance: Instance, last: LastStart | None) -> bool:
    """By what the manager really did: its only viewer, or another process than the last start met."""
    if instance.connections == 1:
        return True
    if last is None:
        return False
    pairs = (instance.pid, last.pid), (instance.start_time, last.start_time)
    return any(now is not None and was is not None and now != was for now, was in pairs)
