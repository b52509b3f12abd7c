from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from typing_extensions import override

from application.ports.avatar_leases import (
    LINES_MAX,
    AvatarLeases,
    Books,
    CallKind,
    CallState,
    Claims,
    Holdings,
    Keeper,
    LastStart,
    ManagerCall,
    ManagerCalls,
)
from application.ports.clock import Clock
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.fakes.clock import FakeClock

CLAIM, WANTED = timedelta(seconds=90), timedelta(seconds=600)


@dataclass(eq=False)
class FakeAvatarLeases(AvatarLeases, Claims, ManagerCalls, Holdings):
    """One for all workers."""

    idle_s: float = 1800
    clock: Clock = field(default_factory=FakeClock)
    down: bool = False
    mappings: dict[UserId, Lease] = field(default_factory=dict)
    calls: dict[tuple[LeaseNumber, CallKind], ManagerCall] = field(default_factory=dict)
    starts: dict[tuple[str, AvatarName], LastStart] = field(default_factory=dict)
    rtc: dict[UserId, list[RtcSession]] = field(default_factory=dict)  # the current one last
    _until: dict[UserId, float] = field(default_factory=dict)
    _claims: dict[UserId, tuple[LeaseNumber, float]] = field(default_factory=dict)
    _wanted: dict[UserId, tuple[LeaseNumber, float]] = field(default_factory=dict)
    _last: int = 0
    _selected: dict[UserId, RtcSession] = field(default_factory=dict)
    _owners: dict[tuple[str, int, RtcSession], UserId] = field(default_factory=dict)

    @override
    async def of(self, user: UserId) -> Lease | None:
        self._reachable()
        lease = self.mappings.get(user)
        return lease if lease and self._is_live(user) else None

    @override
    async def renew(self, lease: Lease, rtc: RtcSession | None = None) -> bool:
        if not self._is_current(lease) or (rtc is not None and rtc not in self._rtc(lease)):
            return False
        self._until[lease.user] = self._now() + self.idle_s
        return True

    @override
    async def capture(self, lease: Lease, rtc: RtcSession) -> bool:
        if not self._is_current(lease):
            return False
        place = (lease.instance.host, lease.instance.port, rtc)
        if (former := self._owners.get(place, lease.user)) != lease.user and rtc in self.rtc.get(former, []):
            self.rtc[former].remove(rtc)
            if self._selected.get(former) == rtc:
                del self._selected[former]
        self._owners[place] = lease.user
        mine = self.rtc.setdefault(lease.user, [])
        if len(mine) >= LINES_MAX:
            mine[:] = [one for one in mine if one == self._selected.get(lease.user)]
        if rtc not in mine:
            mine.append(rtc)
        self._selected[lease.user] = rtc
        return True

    @override
    async def select(self, user: UserId, rtc: RtcSession) -> bool:
        lease = await self.of(user)
        if lease is None or rtc not in self._rtc(lease):
            return False
        self._selected[user] = rtc
        return True

    @override
    async def current_rtc(self, lease: Lease) -> RtcSession | None:
        return self._selected.get(lease.user) if self._is_current(lease) else None

    @override
    async def forget_rtc(self, lease: Lease, rtc: RtcSession) -> None:
        if self._is_current(lease) and rtc in self._rtc(lease):
            self.rtc[lease.user].remove(rtc)
            if self._selected.get(lease.user) == rtc:
                del self._selected[lease.user]

    @override
    async def claim(self, user: UserId) -> LeaseNumber | None:
        self._reachable()
        if self._claimed(user) is not None:
            return None
        self._last += 1
        number = LeaseNumber(self._last)
        self._claims[user] = number, self._now() + CLAIM.total_seconds()
        self._wanted.pop(user, None)
        return number

    @override
    async def let_go(self, user: UserId, number: LeaseNumber) -> None:
        self._reachable()
        if self._claimed(user) == number:
            del self._claims[user]

    @override
    async def held(self, user: UserId) -> Lease | None:
        self._reachable()
        return self.mappings.get(user)

    @override
    async def hold(self, lease: Lease) -> bool:
        self._reachable()
        if self._claimed(lease.user) != lease.number:
            return False
        self._give(lease)
        del self._claims[lease.user]
        return True

    @override
    async def last_start(self, manager: str, avatar: AvatarName) -> LastStart | None:
        self._reachable()
        return self.starts.get((manager, avatar))

    @override
    async def begin(self, call: ManagerCall, now: float) -> ManagerCall | None:
        self._reachable()
        seen = self.calls.get((call.number, call.kind))
        if call.state is CallState.OPEN:
            claimed = call.kind is not CallKind.START or self._claimed(call.user) == call.number
            if seen is not None or not claimed:
                return None
        elif seen != call:
            return None
        begun = replace(call, state=CallState.OPEN, since=now)
        self.calls[call.number, call.kind] = begun
        return begun

    @override
    async def close(self, call: ManagerCall) -> None:
        self._reachable()
        self._take(call)

    @override
    async def doubt(self, call: ManagerCall, now: float, *, wanted: bool = False) -> None:
        self._reachable()
        if self._take(call):
            self.calls[call.number, call.kind] = replace(call, state=CallState.DOUBTFUL, since=now)
            if wanted and self._claimed(call.user) == call.number:
                self._wanted[call.user] = call.number, self._now() + WANTED.total_seconds()

    @override
    async def owe(
        self, call: ManagerCall, now: float, last_start: LastStart | None = None
    ) -> ManagerCall | None:
        self._reachable()
        if last_start is not None:
            self.starts[call.manager, call.avatar] = last_start
        if not self._take(call):
            return None
        kind = CallKind.PAIR if call.kind is CallKind.PAIR else CallKind.STOP
        owed = replace(call, kind=kind, state=CallState.OWED, since=now)
        self.calls[owed.number, owed.kind] = owed
        return owed

    @override
    async def adopt(self, call: ManagerCall, lease: Lease) -> bool:
        self._reachable()
        number, until = self._wanted.get(lease.user, (0, 0.0))
        wanted = number == lease.number and until > self._now() and self._claimed(lease.user) is None
        if not wanted or lease.user in self.mappings or (call.number, call.kind) not in self.calls:
            return False
        self._give(lease)
        return True

    @override
    async def drop(self, lease: Lease, now: float, state: CallState | None) -> ManagerCall | None:
        self._reachable()
        held = self.mappings.get(lease.user)
        return self._part(held, now, state) if held and held.number == lease.number else None

    @override
    async def give_up(self, user: UserId, now: float, state: CallState) -> ManagerCall | None:
        self._reachable()
        self._claims.pop(user, None)
        self._wanted.pop(user, None)
        held = self.mappings.get(user)
        return self._part(held, now, state) if held else None

    @override
    async def correct(self, lease: Lease, instance: Instance, confirmed_at: float) -> bool:
        self._reachable()
        held = self.mappings.get(lease.user)
        if held is None or held.number != lease.number or held.confirmed_at > confirmed_at:
            return False
        self.mappings[lease.user] = replace(lease, instance=instance, confirmed_at=confirmed_at)
        if not lease.instance.same_launch(instance):
            self._forget_rtc(lease.user)
        return True

    @override
    async def books(self) -> Books:
        self._reachable()
        return Books(
            leases=list(self.mappings.values()),
            lapsed=frozenset(lease.number for lease in self._lapsed()),
            calls=list(self.calls.values()),
            starts=dict(self.starts),
        )

    def _lapsed(self) -> Iterator[Lease]:
        return (lease for user, lease in self.mappings.items() if not self._is_live(user))

    def _give(self, lease: Lease) -> None:
        user, instance = lease.user, lease.instance
        self.mappings[user] = lease
        self._until[user] = self._now() + self.idle_s
        self._forget_rtc(user)
        self._wanted.pop(user, None)
        self.calls.pop((lease.number, CallKind.START), None)
        start = LastStart(at=lease.started_at, pid=instance.pid, start_time=instance.start_time)
        self.starts[instance.manager, lease.avatar] = start

    def _part(self, held: Lease, now: float, state: CallState | None) -> ManagerCall | None:
        del self.mappings[held.user]
        self._until.pop(held.user, None)
        self._forget_rtc(held.user)
        if state is None:
            return None
        stop = ManagerCall(
            number=held.number,
            user=held.user,
            manager=held.instance.manager,
            avatar=held.avatar,
            kind=CallKind.STOP,
            state=state,
            since=now,
        )
        self.calls[held.number, CallKind.STOP] = stop
        return stop

    def _take(self, call: ManagerCall) -> bool:
        if self.calls.get((call.number, call.kind)) != call:
            return False
        del self.calls[call.number, call.kind]
        return True

    def _forget_rtc(self, user: UserId) -> None:
        self.rtc.pop(user, None)
        self._selected.pop(user, None)

    def _rtc(self, lease: Lease) -> list[RtcSession]:
        return self.rtc.get(lease.user, [])

    def _is_live(self, user: UserId) -> bool:
        return self._until.get(user, 0.0) > self._now()

    def _is_current(self, lease: Lease) -> bool:
        self._reachable()
        held = self.mappings.get(lease.user)
        return held is not None and held.number == lease.number and self._is_live(lease.user)

    def _claimed(self, user: UserId) -> LeaseNumber | None:
        number, until = self._claims.get(user, (None, 0.0))
        return number if until > self._now() else None

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable


@dataclass(eq=False)
class FakeKeeper(Keeper):
    ours: bool = True

    @override
    async def is_ours(self) -> bool:
        return self.ours
