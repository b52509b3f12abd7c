"""The line between viewers and their avatars."""

from dishka import Provider, Scope, provide, provide_all

from adapters.http.avatar_instance import HttpAvatarInstances
from application.accounts.authenticate import Caller
from application.avatars.confirm import UseLease
from application.avatars.ice_servers import TellIceServers
from application.avatars.make_offer import MakeOffer
from application.avatars.pass_on import PassOn
from application.ports.avatar_instances import AvatarInstances
from application.ports.clock import Clock
from domain.avatar import Lease
from entrypoints.settings import Settings
from entrypoints.wiring.gateways import AvatarHttp


class WebRtcProvider(Provider):
    scope = Scope.APP
    plain = provide_all(MakeOffer, PassOn)

    @provide
    def instances(self, http: AvatarHttp, settings: Settings) -> AvatarInstances:
        return HttpAvatarInstances(http, settings.embedded_avatars)

    @provide(scope=Scope.REQUEST)
    async def lease(self, caller: Caller, use_lease: UseLease) -> Lease:
        return await use_lease(caller.account.id)

    @provide
    def ice_servers(self, settings: Settings, clock: Clock) -> TellIceServers:
        return TellIceServers(servers=settings.ice_servers, secret=settings.turn_secret, clock=clock)
