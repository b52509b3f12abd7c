"""Who holds what, and what managers were asked (`avatar_scripts.py` says in which keys)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.avatar_records import (
    call_from,
    field_of,
    lease_from,
    packed_call,
    packed_lease,
    packed_start,
    place_of,
    start_from,
    starts_from,
    stop_from,
)
from adapters.redis.avatar_scripts import (
    ADOPT,
    BEGIN,
    BOOKS,
    CHANGE,
    CLAIM,
    CORRECT,
    DROP,
    GIVE_UP,
    HOLD,
    LET_GO,
    STRANGE,
    Scripts,
)
from adapters.redis.client import translated
from application.ports.avatar_leases import (
    Books,
    CallKind,
    CallState,
    Claims,
    Holdings,
    LastStart,
    ManagerCall,
    ManagerCalls,
)
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber
from domain.user import UserId

MAPPINGS, CALLS, STARTS = "avatar:user_mappings", "avatar:calls", "avatar:starts"
CLAIM_S = 90
WANTED_S = 600


@dataclass(frozen=True, slots=True)
class RedisHoldings(Claims, ManagerCalls, Holdings):
    redis: Redis
    idle_s: int

    @override
    async def claim(self, user: UserId) -> LeaseNumber | None:
        number = await self._run(user, CLAIM, CLAIM_S)
        return LeaseNumber(int(number)) if number else None

    @override
    async def let_go(self, user: UserId, number: LeaseNumber) -> None:
        await self._run(user, LET_GO, number)

    @override
    async def held(self, user: UserId) -> Lease | None:
        with translated():
            found = await self.redis.hget(MAPPINGS, str(user))
        return lease_from(user, found) if found else None

    @override
    async def hold(self, lease: Lease) -> bool:
        return bool(await self._run(lease.user, HOLD, *self._given(lease)))

    @override
    async def last_start(self, manager: str, avatar: AvatarName) -> LastStart | None:
        with translated():
            found = await self.redis.hget(STARTS, place_of(manager, avatar))
        return start_from(found) if found else None

    @override
    async def begin(self, call: ManagerCall, now: float) -> ManagerCall | None:
        begun = replace(call, state=CallState.OPEN, since=now)
        seen = call.state, f"{call.since:.3f}"
        done = await self._run(call.user, BEGIN, call.number, field_of(call), packed_call(begun), *seen)
        return begun if done else None

    @override
    async def close(self, call: ManagerCall) -> None:
        await self._change(call, None)

    @override
    async def doubt(self, call: ManagerCall, now: float, *, wanted: bool = False) -> None:
        await self._change(call, replace(call, state=CallState.DOUBTFUL, since=now), wanted=wanted)

    @override
    async def owe(
        self, call: ManagerCall, now: float, last_start: LastStart | None = None
    ) -> ManagerCall | None:
        if last_start is not None:
            with translated():
                place = place_of(call.manager, call.avatar)
                await self.redis.hset(STARTS, place, packed_start(last_start))
        kind = CallKind.PAIR if call.kind is CallKind.PAIR else CallKind.STOP
        owed = replace(call, kind=kind, state=CallState.OWED, since=now)
        return owed if await self._change(call, owed) else None

    @override
    async def adopt(self, call: ManagerCall, lease: Lease) -> bool:
        return bool(await self._run(lease.user, ADOPT, *self._given(lease)))

    @override
    async def drop(self, lease: Lease, now: float, state: CallState | None) -> ManagerCall | None:
        given = await self._run(lease.user, DROP, lease.user, lease.number, state or "", f"{now:.3f}")
        return stop_from(given)

    @override
    async def give_up(self, user: UserId, now: float, state: CallState) -> ManagerCall | None:
        return stop_from(await self._run(user, GIVE_UP, user, state, f"{now:.3f}"))

    @override
    async def correct(self, lease: Lease, instance: Instance, confirmed_at: float) -> bool:
        moved = not lease.instance.same_launch(instance)
        corrected = packed_lease(replace(lease, instance=instance, confirmed_at=confirmed_at))
        told = (lease.user, lease.number, corrected, f"{confirmed_at:.3f}", int(moved))
        return bool(await self._run(lease.user, CORRECT, *told))

    @override
    async def books(self) -> Books:
        with translated():
            mappings, numbers, calls, starts = await self.redis.eval(BOOKS, 0)
        leases, lapsed = [], set()
        for user, raw, number in zip(mappings[::2], mappings[1::2], numbers, strict=True):
            lease = lease_from(UserId(int(user)), raw) if user.isdigit() else None
            if lease is None:
                await self._remove(MAPPINGS, user, raw)
                continue
            leases.append(lease)
            if number != str(lease.number).encode():
                lapsed.add(lease.number)
        return Books(
            leases=leases,
            lapsed=frozenset(lapsed),
            calls=await self._readable(calls),
            starts=starts_from(starts),
        )

    async def _readable(self, calls: Sequence[bytes]) -> Sequence[ManagerCall]:
        found = []
        for name, raw in zip(calls[::2], calls[1::2], strict=True):
            if call := call_from(name, raw):
                found.append(call)
            else:
                await self._remove(CALLS, name, raw)
        return found

    async def _remove(self, key: str, field: bytes, raw: bytes) -> None:
        with translated():
            await self.redis.eval(STRANGE, 1, key, field, raw)

    async def _change(self, seen: ManagerCall, to: ManagerCall | None, *, wanted: bool = False) -> bool:
        was = field_of(seen), seen.state, f"{seen.since:.3f}"
        then = (field_of(to), packed_call(to)) if to else ("", "")
        told = seen.number, *was, *then, int(wanted), WANTED_S
        return bool(await self._run(seen.user, CHANGE, *told))

    def _given(self, lease: Lease) -> tuple[object, ...]:
        instance = lease.instance
        start = LastStart(at=lease.started_at, pid=instance.pid, start_time=instance.start_time)
        place = place_of(instance.manager, lease.avatar)
        return lease.user, lease.number, packed_lease(lease), self.idle_s, place, packed_start(start)

    async def _run(self, user: UserId, script: str, *arguments: object) -> Any:
        return await Scripts(self.redis).of(user, script, *arguments)
