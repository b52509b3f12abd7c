from collections import Counter
from dataclasses import dataclass, field

from application.avatars.confirm import UseLease
from application.avatars.moved import moved
from application.ports.avatar_instances import AvatarInstances, InstanceUnreachable, Passed, ProxyCall
from application.ports.avatar_leases import AvatarLeases
from domain.avatar import Lease, NoAvatar, NotYourSession, RtcSessionGone
from domain.errors import RateLimited
from domain.user import UserId

AT_ONCE, RETRY_S = 16, 1  # of one user, at one worker


class TooManyCalls(RateLimited):
    msg = "Too many calls to your avatar. Please wait for one to end."


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOn:
    """A checked call goes to the caller's own instance. Instances are shared: that the rtc session it names
    was captured for him, on this lease, is the only wall between viewers."""

    leases: AvatarLeases
    instances: AvatarInstances
    use_lease: UseLease
    _under_way: Counter[UserId] = field(default_factory=Counter, init=False)

    async def __call__(self, lease: Lease, call: ProxyCall) -> Passed:
        """Raises TooManyCalls beside the refusals of AvatarInstances."""
        if self._under_way[lease.user] >= AT_ONCE:
            raise TooManyCalls(retry_after=RETRY_S)
        self._under_way[lease.user] += 1
        try:
            return await self._pass_on(lease, call)
        finally:
            self._under_way[lease.user] -= 1
            if not self._under_way[lease.user]:
                del self._under_way[lease.user]

    async def _pass_on(self, lease: Lease, call: ProxyCall) -> Passed:
        if not await self.leases.renew(lease, call.rtc):
            current = await self.leases.of(lease.user)
            raise NotYourSession if current and current.number == lease.number else NoAvatar
        try:
            return await self.instances.pass_on(lease, call)
        except InstanceUnreachable as error:
            found = await moved(self.use_lease, lease, error)
            if call.rtc is not None:
                raise RtcSessionGone from None  # it has ended with the process that had it
            return await self.instances.pass_on(found, call)
        except RtcSessionGone:
            if call.rtc is not None:
                await self.leases.forget_rtc(lease, call.rtc)
            raise
