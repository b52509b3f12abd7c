from dataclasses import dataclass

from application.avatars.confirm import UseLease
from application.avatars.moved import moved
from application.ports.avatar_instances import AvatarInstances, InstanceUnreachable, Passed, ProxyCall
from application.ports.avatar_leases import AvatarLeases
from domain.avatar import Lease, NoAvatar, NotYourSession, RtcSessionGone


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOn:
    """A checked call goes to the caller's own instance. Instances are shared: that the rtc session it names
    was captured for him, on this lease, is the only wall between viewers."""

    leases: AvatarLeases
    instances: AvatarInstances
    use_lease: UseLease

    async def __call__(self, lease: Lease, call: ProxyCall) -> Passed:
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
