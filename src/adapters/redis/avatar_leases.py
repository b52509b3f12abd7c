"""Who holds which avatar: `avatar:user_mappings` (what) and `avatar:lease:{user}` (until when) are one lease
where their numbers agree; `rtc:{user}` and `sessionid:{user}` are its viewers' sessions. `avatar:lock:{user}`
holds the number of a start that is under way, `avatar:wanted:{user}` that of one whose outcome nobody knows.
`avatar:calls` has what managers were asked without a certain answer, `avatar:starts` the last start of each
avatar."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
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
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.user import UserId

MAPPINGS, CALLS, STARTS = "avatar:user_mappings", "avatar:calls", "avatar:starts"
CLAIM_S = 90
WANTED_S = 600
KEEPER_S = 300  # where no worker tells that it lives

# KEYS of every script: the user's lease, lock, wish, rtc sessions and current rtc session
_USER = """
local LEASE, LOCK, WANTED, RTC, CURRENT = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local MAPPINGS, CALLS, STARTS = 'avatar:user_mappings', 'avatar:calls', 'avatar:starts'
local function digits(number) return string.format('%.0f', number) end
local function read(raw)
  local ok, value = pcall(cjson.decode, raw or '')
  return ok and type(value) == 'table' and value or nil
end
local function mapped(user)
  local mapping = read(redis.call('HGET', MAPPINGS, user))
  local ours = mapping and type(mapping.number) == 'number' and type(mapping.confirmed) == 'number'
  return ours and mapping or nil
end
local function is_as_seen(field, state, since)
  local call = read(redis.call('HGET', CALLS, field))
  return call and call.state == state and math.abs(call.since - tonumber(since)) < 0.001
end
local function is_current(number) return redis.call('GET', LEASE) == number end
local function part(user, state, now)
  local mapping = mapped(user)
  redis.call('HDEL', MAPPINGS, user)
  redis.call('DEL', LEASE, RTC, CURRENT)
  if not mapping or state == '' then return false end
  local call = cjson.encode({user = tonumber(user), manager = mapping.manager, avatar = mapping.avatar_id,
                             state = state, since = tonumber(now)})
  redis.call('HSET', CALLS, digits(mapping.number) .. ':stop', call)
  return {digits(mapping.number), call}
end
local function give(user, number, mapping, life, manager_avatar, start)
  redis.call('HSET', MAPPINGS, user, mapping)
  redis.call('SET', LEASE, number, 'EX', life)
  redis.call('DEL', RTC, CURRENT, WANTED)
  redis.call('HDEL', CALLS, number .. ':start')
  redis.call('HSET', STARTS, manager_avatar, start)
  redis.call('EXPIRE', STARTS, 86400)
end
"""

OF = (
    _USER
    + """
local mapping = mapped(ARGV[1])
return mapping and is_current(digits(mapping.number)) and redis.call('HGET', MAPPINGS, ARGV[1])
"""
)

# ARGV: user, number, seconds, rtc session or ''
RENEW = (
    _USER
    + """
if not is_current(ARGV[2]) or redis.call('HEXISTS', MAPPINGS, ARGV[1]) == 0 then return 0 end
if ARGV[4] ~= '' and redis.call('HEXISTS', RTC, ARGV[4]) == 0 then return 0 end
for _, key in ipairs({LEASE, RTC, CURRENT}) do redis.call('EXPIRE', key, ARGV[3]) end
return 1
"""
)

# ARGV: number, rtc session, where it is, user, the session's own place, most of them. An instance gives a
# number again when its session is over: whoever had it before has it no more, however long ago
CAPTURE = (
    _USER
    + """
if not is_current(ARGV[1]) then return 0 end
local left = redis.call('PTTL', LEASE)
local owner = 'rtc_owner:' .. ARGV[5]
local former = redis.call('GET', owner)
if former and former ~= ARGV[4] then
  redis.call('HDEL', 'rtc:' .. former, ARGV[2])
  if redis.call('GET', 'sessionid:' .. former) == ARGV[2] then redis.call('DEL', 'sessionid:' .. former) end
end
redis.call('SET', owner, ARGV[4], 'EX', 86400)
if redis.call('HLEN', RTC) >= tonumber(ARGV[6]) then
  local current = redis.call('GET', CURRENT)
  for _, rtc in ipairs(redis.call('HKEYS', RTC)) do
    if rtc ~= current then redis.call('HDEL', RTC, rtc) end
  end
end
redis.call('HSET', RTC, ARGV[2], ARGV[3])
redis.call('SET', CURRENT, ARGV[2], 'PX', left)
redis.call('PEXPIRE', RTC, left)
return 1
"""
)

SELECT = (
    _USER
    + """
local left = redis.call('PTTL', LEASE)
if left <= 0 or redis.call('HEXISTS', RTC, ARGV[1]) == 0 then return 0 end
redis.call('SET', CURRENT, ARGV[1], 'PX', left)
return 1
"""
)

CURRENT_RTC = (
    _USER
    + """
local rtc = is_current(ARGV[1]) and redis.call('GET', CURRENT)
return rtc and redis.call('HEXISTS', RTC, rtc) == 1 and rtc
"""
)

FORGET_RTC = (
    _USER
    + """
if not is_current(ARGV[1]) then return end
redis.call('HDEL', RTC, ARGV[2])
if redis.call('GET', CURRENT) == ARGV[2] then redis.call('DEL', CURRENT) end
"""
)

# not from 1 again after a flush: an old number must not look current. cjson writes 14 digits at most
CLAIM = (
    _USER
    + """
if redis.call('EXISTS', LOCK) == 1 then return false end
local t = redis.call('TIME')
local last = tonumber(redis.call('GET', 'avatar:fence') or '0')
local number = digits(math.max(last + 1, t[1] * 10000 + math.floor(t[2] / 100)))
redis.call('SET', 'avatar:fence', number)
redis.call('SET', LOCK, number, 'EX', ARGV[1])
redis.call('DEL', WANTED)
return number
"""
)

LET_GO = _USER + "if redis.call('GET', LOCK) == ARGV[1] then redis.call('DEL', LOCK) end"

# ARGV: user, number, mapping, seconds, manager and avatar, start
HOLD = (
    _USER
    + """
if redis.call('GET', LOCK) ~= ARGV[2] then return 0 end
give(unpack(ARGV))
redis.call('DEL', LOCK)
return 1
"""
)

ADOPT = (
    _USER
    + """
if redis.call('GET', WANTED) ~= ARGV[2] or redis.call('EXISTS', LOCK) == 1 then return 0 end
if redis.call('HEXISTS', MAPPINGS, ARGV[1]) == 1 then return 0 end
if redis.call('HEXISTS', CALLS, ARGV[2] .. ':start') == 0 then return 0 end
give(unpack(ARGV))
return 1
"""
)

# ARGV: number, field, the call as it is to be, state and time as it was seen ('open' for a new one)
BEGIN = (
    _USER
    + """
if ARGV[4] ~= 'open' then
  if not is_as_seen(ARGV[2], ARGV[4], ARGV[5]) then return 0 end
elseif redis.call('HEXISTS', CALLS, ARGV[2]) == 1 then return 0
elseif string.sub(ARGV[2], -6) == ':start' and redis.call('GET', LOCK) ~= ARGV[1] then return 0 end
redis.call('HSET', CALLS, ARGV[2], ARGV[3])
return 1
"""
)

# ARGV: number, field, state and time as it was seen, its new field and the call as it is to be ('' = it is
# over), whether it is wanted, for how long
CHANGE = (
    _USER
    + """
if not is_as_seen(ARGV[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('HDEL', CALLS, ARGV[2])
if ARGV[6] ~= '' then redis.call('HSET', CALLS, ARGV[5], ARGV[6]) end
if ARGV[7] == '1' and redis.call('GET', LOCK) == ARGV[1] then
  redis.call('SET', WANTED, ARGV[1], 'EX', ARGV[8])
end
return 1
"""
)

# ARGV: user, number, state of the stop or '', now
DROP = (
    _USER
    + """
local mapping = mapped(ARGV[1])
return mapping and digits(mapping.number) == ARGV[2] and part(ARGV[1], ARGV[3], ARGV[4])
"""
)

# ARGV: user, state of the stop, now
GIVE_UP = _USER + "redis.call('DEL', LOCK, WANTED) return part(unpack(ARGV))"

# ARGV: user, number, the mapping as it is to be, when that was confirmed, whether it is another launch
CORRECT = (
    _USER
    + """
local mapping = mapped(ARGV[1])
if not mapping or digits(mapping.number) ~= ARGV[2] or mapping.confirmed > tonumber(ARGV[4]) then return 0 end
redis.call('HSET', MAPPINGS, ARGV[1], ARGV[3])
if ARGV[5] == '1' then redis.call('DEL', RTC, CURRENT) end
return 1
"""
)

BOOKS = """
local mappings = redis.call('HGETALL', 'avatar:user_mappings')
local leases = {}
for i = 1, #mappings, 2 do leases[#leases + 1] = redis.call('GET', 'avatar:lease:' .. mappings[i]) or '' end
return {mappings, leases, redis.call('HGETALL', 'avatar:calls'), redis.call('HGETALL', 'avatar:starts')}
"""

STRANGE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end"

KEEPS = """
local keeper = redis.call('GET', KEYS[1])
if keeper and keeper ~= ARGV[1] and redis.call('EXISTS', 'worker:' .. keeper) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class _Scripts:
    redis: Redis

    async def of(self, user: UserId, script: str, *arguments: object) -> Any:
        names = ("avatar:lease", "avatar:lock", "avatar:wanted", "rtc", "sessionid")
        keys = [f"{name}:{user}" for name in names]
        with translated():
            return await self.redis.eval(script, len(keys), *keys, *map(str, arguments))


@dataclass(frozen=True, slots=True)
class RedisAvatarLeases(AvatarLeases):
    redis: Redis
    idle_s: int

    @override
    async def of(self, user: UserId) -> Lease | None:
        found = await self._run(user, OF, user)
        return _lease(user, found) if found else None

    @override
    async def renew(self, lease: Lease, rtc: RtcSession | None = None) -> bool:
        session = "" if rtc is None else rtc
        return bool(await self._run(lease.user, RENEW, lease.user, lease.number, self.idle_s, session))

    @override
    async def capture(self, lease: Lease, rtc: RtcSession) -> bool:
        where = {"instance": lease.instance_id, "port": lease.instance.port, "time": lease.confirmed_at}
        place = f"{lease.instance.host}:{lease.instance.port}:{rtc}"
        told = (lease.number, rtc, json.dumps(where), lease.user, place, LINES_MAX)
        return bool(await self._run(lease.user, CAPTURE, *told))

    @override
    async def select(self, user: UserId, rtc: RtcSession) -> bool:
        return bool(await self._run(user, SELECT, rtc))

    @override
    async def current_rtc(self, lease: Lease) -> RtcSession | None:
        found = await self._run(lease.user, CURRENT_RTC, lease.number)
        return RtcSession(int(found)) if found else None

    @override
    async def forget_rtc(self, lease: Lease, rtc: RtcSession) -> None:
        await self._run(lease.user, FORGET_RTC, lease.number, rtc)

    async def _run(self, user: UserId, script: str, *arguments: object) -> Any:
        return await _Scripts(self.redis).of(user, script, *arguments)


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
        return _lease(user, found) if found else None

    @override
    async def hold(self, lease: Lease) -> bool:
        return bool(await self._run(lease.user, HOLD, *self._given(lease)))

    @override
    async def last_start(self, manager: str, avatar: AvatarName) -> LastStart | None:
        with translated():
            found = await self.redis.hget(STARTS, _place(manager, avatar))
        return _start(found) if found else None

    @override
    async def begin(self, call: ManagerCall, now: float) -> ManagerCall | None:
        begun = replace(call, state=CallState.OPEN, since=now)
        seen = call.state, f"{call.since:.3f}"
        done = await self._run(call.user, BEGIN, call.number, _field(call), _packed_call(begun), *seen)
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
                place = _place(call.manager, call.avatar)
                await self.redis.hset(STARTS, place, _packed_start(last_start))
        kind = CallKind.PAIR if call.kind is CallKind.PAIR else CallKind.STOP
        owed = replace(call, kind=kind, state=CallState.OWED, since=now)
        return owed if await self._change(call, owed) else None

    @override
    async def adopt(self, call: ManagerCall, lease: Lease) -> bool:
        return bool(await self._run(lease.user, ADOPT, *self._given(lease)))

    @override
    async def drop(self, lease: Lease, now: float, state: CallState | None) -> ManagerCall | None:
        given = await self._run(lease.user, DROP, lease.user, lease.number, state or "", f"{now:.3f}")
        return _stop(given)

    @override
    async def give_up(self, user: UserId, now: float, state: CallState) -> ManagerCall | None:
        return _stop(await self._run(user, GIVE_UP, user, state, f"{now:.3f}"))

    @override
    async def correct(self, lease: Lease, instance: Instance, confirmed_at: float) -> bool:
        moved = not lease.instance.same_launch(instance)
        corrected = _packed(replace(lease, instance=instance, confirmed_at=confirmed_at))
        told = (lease.user, lease.number, corrected, f"{confirmed_at:.3f}", int(moved))
        return bool(await self._run(lease.user, CORRECT, *told))

    @override
    async def books(self) -> Books:
        with translated():
            mappings, numbers, calls, starts = await self.redis.eval(BOOKS, 0)
        leases, lapsed = [], set()
        for user, raw, number in zip(mappings[::2], mappings[1::2], numbers, strict=True):
            lease = _lease(UserId(int(user)), raw) if user.isdigit() else None
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
            starts=_starts(starts),
        )

    async def _readable(self, calls: Sequence[bytes]) -> Sequence[ManagerCall]:
        found = []
        for name, raw in zip(calls[::2], calls[1::2], strict=True):
            if call := _call(name, raw):
                found.append(call)
            else:
                await self._remove(CALLS, name, raw)
        return found

    async def _remove(self, key: str, field: bytes, raw: bytes) -> None:
        with translated():
            await self.redis.eval(STRANGE, 1, key, field, raw)

    async def _change(self, seen: ManagerCall, to: ManagerCall | None, *, wanted: bool = False) -> bool:
        was = _field(seen), seen.state, f"{seen.since:.3f}"
        then = (_field(to), _packed_call(to)) if to else ("", "")
        told = seen.number, *was, *then, int(wanted), WANTED_S
        return bool(await self._run(seen.user, CHANGE, *told))

    def _given(self, lease: Lease) -> tuple[object, ...]:
        instance = lease.instance
        start = LastStart(at=lease.started_at, pid=instance.pid, start_time=instance.start_time)
        place = _place(instance.manager, lease.avatar)
        return lease.user, lease.number, _packed(lease), self.idle_s, place, _packed_start(start)

    async def _run(self, user: UserId, script: str, *arguments: object) -> Any:
        return await _Scripts(self.redis).of(user, script, *arguments)


@dataclass(frozen=True, slots=True)
class RedisKeeper(Keeper):
    """`avatar:keeper`: the worker that looks after the leases; the next one takes over when it is dead."""

    redis: Redis
    worker: str

    @override
    async def is_ours(self) -> bool:
        with translated():
            return bool(await self.redis.eval(KEEPS, 1, "avatar:keeper", self.worker, KEEPER_S))


def _packed(lease: Lease) -> str:
    instance = lease.instance
    mapping = {
        "avatar_id": lease.avatar,
        "port": instance.port,
        "instance_id": lease.instance_id,
        "timestamp": round(lease.started_at, 3),
        "host": instance.host,
        "manager": instance.manager,
        "pid": instance.pid,
        "start_time": instance.start_time,
        "gpu": instance.gpu,
        "connections": instance.connections,
        "running": instance.running,
        "confirmed": round(lease.confirmed_at, 3),
        "number": lease.number,
    }
    return json.dumps(mapping)


def _lease(user: UserId, raw: bytes | str) -> Lease | None:
    """None for what somebody else has written."""
    try:
        mapping = json.loads(raw)
        avatar = AvatarName(mapping["avatar_id"])
        instance = Instance(
            manager=mapping["manager"],
            avatar=avatar,
            host=mapping["host"],
            port=mapping["port"],
            pid=mapping["pid"],
            start_time=mapping["start_time"],
            gpu=mapping["gpu"],
            connections=mapping["connections"],
            running=mapping["running"],
        )
        return Lease(
            user=user,
            avatar=avatar,
            number=LeaseNumber(int(mapping["number"])),
            instance=instance,
            started_at=float(mapping["timestamp"]),
            confirmed_at=float(mapping["confirmed"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _place(manager: str, avatar: AvatarName) -> str:
    return f"{avatar} {manager}"


def _packed_start(start: LastStart) -> str:
    return json.dumps({"at": round(start.at, 3), "pid": start.pid, "start_time": start.start_time})


def _start(raw: bytes | str) -> LastStart:
    return LastStart(**json.loads(raw))


def _starts(found: Sequence[bytes]) -> Mapping[tuple[str, AvatarName], LastStart]:
    starts = {}
    for place, raw in zip(found[::2], found[1::2], strict=True):
        avatar, _, manager = place.decode().partition(" ")
        starts[manager, AvatarName(avatar)] = _start(raw)
    return starts


def _field(call: ManagerCall) -> str:
    return f"{call.number}:{call.kind}"


def _packed_call(call: ManagerCall) -> str:
    what = {
        "user": call.user,
        "manager": call.manager,
        "avatar": call.avatar,
        "state": call.state,
        "since": round(call.since, 3),
    }
    return json.dumps(what)


def _stop(given: Any) -> ManagerCall | None:
    return _call(b"%s:stop" % given[0], given[1]) if given else None


def _call(name: bytes, raw: bytes) -> ManagerCall | None:
    number, _, kind = name.decode(errors="replace").partition(":")
    try:
        what = json.loads(raw)
        return ManagerCall(
            number=LeaseNumber(int(number)),
            user=UserId(what["user"]),
            manager=what["manager"],
            avatar=AvatarName(what["avatar"]),
            kind=CallKind(kind),
            state=CallState(what["state"]),
            since=float(what["since"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
