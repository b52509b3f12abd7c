"""Avatars without a network: one manager or several, one set of leases, and all that is done with them."""

import asyncio
from dataclasses import dataclass, field

from application.avatars.confirm import ConfirmLease, UseLease
from application.avatars.disconnect import DisconnectAvatar
from application.avatars.keep_alive import KeepAlive
from application.avatars.reap import ReapLapsed
from application.avatars.reconcile import ReconcileLeases
from application.avatars.release import ReleaseAvatar
from application.avatars.settle_calls import SettleCalls
from application.avatars.start import StartAvatar, Started
from application.ports.avatar_leases import CallState
from domain.avatar import AvatarName, Lease
from domain.user import UserId
from tests.fakes.avatar_catalogue import FakeAvatarCatalogue
from tests.fakes.avatar_leases import FakeAvatarLeases, FakeKeeper
from tests.fakes.avatar_pool import FakeAvatarPool
from tests.fakes.clock import FakeClock
from tests.fakes.speech_floor import nobody_speaks

ANN, BEN = UserId(7), UserId(8)
MIRA, OTTO, LENA = AvatarName("mira"), AvatarName("otto"), AvatarName("lena")


@dataclass(eq=False)
class Stage:
    clock: FakeClock = field(default_factory=FakeClock)
    pool: FakeAvatarPool = field(default_factory=FakeAvatarPool)
    keeper: FakeKeeper = field(default_factory=FakeKeeper)
    catalogue: FakeAvatarCatalogue = field(default_factory=FakeAvatarCatalogue)
    claim_wait_s: float = 0.3

    def __post_init__(self) -> None:
        self.leases = FakeAvatarLeases(1800, self.clock)
        leases, pool, clock = self.leases, self.pool, self.clock
        self.confirm = ConfirmLease(pool=pool, holdings=leases, clock=clock)
        self.use = UseLease(leases=leases, confirm=self.confirm)
        self.start = StartAvatar(
            leases=leases,
            claims=leases,
            calls=leases,
            holdings=leases,
            pool=pool,
            catalogue=self.catalogue,
            confirm=self.confirm,
            clock=clock,
            claim_wait_s=self.claim_wait_s,
        )
        self.disconnect = DisconnectAvatar(holdings=leases, calls=leases, pool=pool, clock=clock)
        self.release = ReleaseAvatar(holdings=leases, hush=nobody_speaks, clock=clock)
        self.reap = ReapLapsed(keeper=self.keeper, holdings=leases, calls=leases, pool=pool, clock=clock)
        self.settle_calls = SettleCalls(
            keeper=self.keeper, holdings=leases, calls=leases, pool=pool, clock=clock
        )
        self.reconcile = ReconcileLeases(keeper=self.keeper, holdings=leases, pool=pool, clock=clock)
        self.keep_alive = KeepAlive(keeper=self.keeper, holdings=leases, calls=leases, pool=pool, clock=clock)

    async def held(self, user: UserId = ANN, avatar: AvatarName = MIRA) -> Lease:
        return (await self.start(user, avatar)).lease

    async def settle(self) -> None:
        for manager in self.pool.managers:
            await self.settle_calls(manager)

    @property
    def states(self) -> list[CallState]:
        """Of what the managers were asked without a certain answer."""
        return [call.state for call in self.leases.calls.values()]

    def asked(self, what: str) -> int:
        return sum(call == what for call, _, _ in self.pool.asked)

    def lapse(self, lease: Lease) -> None:
        """The idle time passes."""
        self.clock.pass_(seconds=1801)
        assert lease.user in self.leases.mappings

    async def at_once(self, *starts: tuple[UserId, AvatarName]) -> list[Started | BaseException]:
        return await asyncio.gather(*(self.start(*one) for one in starts), return_exceptions=True)

    def is_even(self) -> bool:
        """The managers count exactly what is held."""
        held: dict[AvatarName, int] = {}
        for lease in self.leases.mappings.values():
            held[lease.avatar] = held.get(lease.avatar, 0) + 1
        return held == self.pool.counts
