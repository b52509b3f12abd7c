from dataclasses import dataclass
from datetime import timedelta

from application.avatars.confirm import UseLease
from application.avatars.moved import moved
from application.ports.avatar_instances import AvatarInstances, InstanceUnreachable, OfferAnswer
from application.ports.avatar_leases import AvatarLeases
from application.ports.throttle import Limit, Throttle
from domain.avatar import Lease, NoAvatar
from domain.errors import RateLimited

OFFERS = Limit("offers", 60, timedelta(minutes=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOffer:
    """A viewer connects. The rtc session he gets is his, on this lease only, and his speech goes there; what
    is answered to a lease that has ended meanwhile is not told."""

    leases: AvatarLeases
    instances: AvatarInstances
    throttle: Throttle
    use_lease: UseLease

    async def __call__(self, lease: Lease, sdp: str) -> OfferAnswer:
        wait = await self.throttle.take(OFFERS, str(lease.user))
        if wait:
            raise RateLimited(retry_after=wait)
        try:
            return await self._offered(lease, sdp)
        except InstanceUnreachable as error:
            return await self._offered(await moved(self.use_lease, lease, error), sdp)

    async def _offered(self, lease: Lease, sdp: str) -> OfferAnswer:
        if not await self.leases.renew(lease):
            raise NoAvatar
        answer = await self.instances.offer(lease, sdp)
        if not await self.leases.capture(lease, answer.rtc):
            raise NoAvatar
        return answer
