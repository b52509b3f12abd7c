import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from application.ports.avatar_leases import AvatarLeases, Holdings
from application.ports.avatar_pool import AvatarPool, PoolFailed, PoolTimeout, PoolUnreachable
from application.ports.clock import Clock
from domain.avatar import AvatarName, Instance, Lease, NoAvatar
from domain.user import UserId

log = logging.getLogger(__name__)

CONFIRMED_FOR_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmLease:
    """Whether a lease's instance still is where it was: launches end, and what is launched again may be at
    another port. While its manager cannot be asked, a lease counts as it stands."""

    pool: AvatarPool
    holdings: Holdings
    clock: Clock

    async def __call__(self, lease: Lease, *, doubted: bool = False) -> Lease | None:
        """The lease as it is now, None when its instance is gone and the lease with it. The manager is asked
        when it has said nothing for a minute or has called it down, or when the lease is `doubted` (somebody
        was refused there). Not to be awaited where tokens pass."""
        asked_at = self.clock.now().timestamp()
        fresh = asked_at - lease.confirmed_at < CONFIRMED_FOR_S
        if fresh and lease.instance.running and not doubted:
            return lease
        try:
            found = await self.pool.running(lease.instance.manager)
        except (PoolUnreachable, PoolTimeout, PoolFailed):
            return lease
        return await corrected(self.holdings, lease, found, asked_at)


async def corrected(
    holdings: Holdings, lease: Lease, found: Sequence[Instance], asked_at: float
) -> Lease | None:
    """The lease after its manager was asked, later than the lease was read, for what it has; None when it is
    gone."""
    instance = instance_of(lease.avatar, found)
    if instance is None:
        await holdings.drop(lease, asked_at, None)
        log.info("a lease is gone with its instance", extra={"user_id": lease.user, "avatar": lease.avatar})
        return None
    if not instance.running:  # about to be launched again, maybe elsewhere
        instance = replace(lease.instance, running=False)
    await holdings.correct(lease, instance, asked_at)  # unless somebody has looked later still
    return replace(lease, instance=instance, confirmed_at=asked_at)


def instance_of(avatar: AvatarName, found: Sequence[Instance]) -> Instance | None:
    of_it = [one for one in found if one.avatar == avatar]
    return next((one for one in of_it if one.running), of_it[0] if of_it else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseLease:
    """The user is about to do something with the avatar he holds."""

    leases: AvatarLeases
    confirm: ConfirmLease

    async def __call__(self, user: UserId, *, doubted: Lease | None = None) -> Lease:
        """His lease, confirmed and renewed. `doubted`: the one with which he has just been refused; it is
        looked up again, unless it has changed meanwhile. Raises NoAvatar."""
        lease = await self.leases.of(user)
        if lease is None:
            raise NoAvatar
        same = doubted is not None and lease.number == doubted.number and lease.instance == doubted.instance
        lease = await self.confirm(lease, doubted=same)
        if lease is None or not await self.leases.renew(lease):
            raise NoAvatar
        return lease
