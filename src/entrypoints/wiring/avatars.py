"""Who holds which avatar, where avatars run, and what is seen to beside the requests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import httpx
from dishka import AnyOf, AsyncContainer, Provider, Scope, provide, provide_all
from redis.asyncio import Redis

from adapters.http.avatar_manager import AvatarManagers
from adapters.redis.avatar_holdings import RedisHoldings
from adapters.redis.avatar_keeper import RedisKeeper
from adapters.redis.avatar_leases import RedisAvatarLeases
from application.avatars.confirm import ConfirmLease, UseLease
from application.avatars.disconnect import DisconnectAvatar
from application.avatars.keep_alive import KeepAlive
from application.avatars.reap import ReapLapsed
from application.avatars.reconcile import ReconcileLeases
from application.avatars.release import ReleaseAvatar
from application.avatars.settle_calls import SettleCalls
from application.avatars.start import StartAvatar
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.avatar_leases import AvatarLeases, Claims, Holdings, Keeper, ManagerCalls
from application.ports.avatar_pool import AvatarPool, PoolUnreachable
from application.ports.clock import Clock
from application.speech.voices import Voices
from entrypoints.settings import Settings
from entrypoints.wiring.gateways import AvatarHttp
from entrypoints.wiring.shared_state import WorkerId

Chore = tuple[str, float, Callable[[], Awaitable[object]]]  # its name, how often, and what

SETTLE_EVERY_S = REAP_EVERY_S = 1.0
RECONCILE_EVERY_S = 5.0
KEEP_ALIVE_EVERY_S = 30.0


def pool_of(http: httpx.AsyncClient, settings: Settings) -> AvatarPool:
    """The managers of the settings; our own, where that is to run and does, and else none."""
    if settings.avatars_are_embedded:
        url, secret = settings.embedded_avatars or ("", None)
        return AvatarManagers(http, (url,) if url else (), secret=secret)
    managers = tuple(dict.fromkeys(url.rstrip("/") for url in settings.avatar_manager_url))
    host = settings.avatar_host if len(managers) == 1 else None
    return AvatarManagers(http, managers, host=host, base_port=settings.avatar_base_port)


async def check_managers(pool: AvatarPool) -> None:
    """Returns when all of them can be asked; raises what the first one has to say that cannot."""
    if not pool.managers:
        raise PoolUnreachable
    await asyncio.gather(*(pool.check(manager) for manager in pool.managers))


class AvatarProvider(Provider):
    scope = Scope.APP
    plain = provide_all(
        ConfirmLease,
        DisconnectAvatar,
        ReapLapsed,
        ReconcileLeases,
        UseLease,
    )

    @provide
    def pool(self, http: AvatarHttp, settings: Settings) -> AvatarPool:
        return pool_of(http, settings)

    @provide
    def leases(self, redis: Redis, settings: Settings) -> AvatarLeases:
        return RedisAvatarLeases(redis, settings.avatar_idle_seconds)

    @provide
    def holdings(self, redis: Redis, settings: Settings) -> AnyOf[Claims, ManagerCalls, Holdings]:
        return RedisHoldings(redis, settings.avatar_idle_seconds)

    @provide
    def keeper(self, redis: Redis, worker: WorkerId) -> Keeper:
        return RedisKeeper(redis, worker)

    @provide
    def start_avatar(
        self,
        leases: AvatarLeases,
        claims: Claims,
        calls: ManagerCalls,
        holdings: Holdings,
        pool: AvatarPool,
        catalogue: AvatarCatalogue,
        confirm: ConfirmLease,
        clock: Clock,
    ) -> StartAvatar:
        return StartAvatar(
            leases=leases,
            claims=claims,
            calls=calls,
            holdings=holdings,
            pool=pool,
            catalogue=catalogue,
            confirm=confirm,
            clock=clock,
        )

    @provide
    def release_avatar(self, holdings: Holdings, voices: Voices, clock: Clock) -> ReleaseAvatar:
        return ReleaseAvatar(holdings=holdings, hush=voices.hush, clock=clock)

    @provide
    def settle_calls(
        self, keeper: Keeper, holdings: Holdings, calls: ManagerCalls, pool: AvatarPool, clock: Clock
    ) -> SettleCalls:
        return SettleCalls(keeper=keeper, holdings=holdings, calls=calls, pool=pool, clock=clock)

    @provide
    def keep_alive(
        self, keeper: Keeper, holdings: Holdings, calls: ManagerCalls, pool: AvatarPool, clock: Clock
    ) -> KeepAlive:
        return KeepAlive(keeper=keeper, holdings=holdings, calls=calls, pool=pool, clock=clock)


async def avatar_chores(container: AsyncContainer) -> Sequence[Chore]:
    """Of every manager by itself: one that hangs holds up no other."""
    managers = (await container.get(AvatarPool)).managers
    reap = await container.get(ReapLapsed)
    each: list[tuple[str, float, Callable[[str], Awaitable[None]]]] = [
        ("avatar calls", SETTLE_EVERY_S, await container.get(SettleCalls)),
        ("avatar leases", RECONCILE_EVERY_S, await container.get(ReconcileLeases)),
        ("avatars kept alive", KEEP_ALIVE_EVERY_S, await container.get(KeepAlive)),
    ]
    of_each = [(name, every, partial(do, manager)) for name, every, do in each for manager in managers]
    return [("idle avatars", REAP_EVERY_S, reap), *of_each]
