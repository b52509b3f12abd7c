from dataclasses import dataclass

from application.avatars.stopping import stop
from application.ports.avatar_leases import CallState, Holdings, ManagerCalls
from application.ports.avatar_pool import AvatarPool
from application.ports.clock import Clock
from domain.avatar import AvatarName
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class Parted:
    """`told`: the manager knows; else it will be told as soon as it can be."""

    avatar: AvatarName
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectAvatar:
    """A user gives his avatar back; one that is just being started for him is not for him any more."""

    holdings: Holdings
    calls: ManagerCalls
    pool: AvatarPool
    clock: Clock

    async def __call__(self, user: UserId) -> Parted | None:
        """None: he had none."""
        call = await self.holdings.give_up(user, self.clock.now().timestamp(), CallState.OPEN)
        if call is None:
            return None
        return Parted(call.avatar, await stop(self.pool, self.calls, self.clock, call))
