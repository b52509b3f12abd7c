"""Living tokens: `token:{jti}`, `user_token:{user}` (the newest) and `user_tokens:{user}` (all of them);
`token_next:{jti}` and `token_prev:{jti}` join a token to its successor until the older one's end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from domain.user import UserId

GRACE = timedelta(seconds=60)  # of a token whose successor is in use

# keys that serve several tokens live as long as the longest of them
_LONGER = """
local function at_least(key, ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
local function forget(jti) redis.call('DEL', 'token:' .. jti, 'token_next:' .. jti, 'token_prev:' .. jti) end
"""

OPEN = (
    _LONGER
    + """
for _, jti in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local dead = redis.call('EXISTS', 'token:' .. jti) == 0
  if ARGV[4] == '1' then forget(jti) end
  if ARGV[4] == '1' or dead then redis.call('SREM', KEYS[3], jti) end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
at_least(KEYS[3], ARGV[3])
"""
)

# ARGV: jti, milliseconds to the idle limit or the token's end, active?, now, idle limit, grace
USE = (
    _LONGER
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now, idle = tonumber(ARGV[4]), tonumber(ARGV[5])
local before = redis.call('GET', 'token_prev:' .. ARGV[1])
local noted = before and redis.call('GET', 'token_next:' .. before)
if noted then
  local mine = cjson.decode(noted)
  if mine.used_at == cjson.null then
    mine.used_at = math.floor(now)
    redis.call('SET', 'token_next:' .. before, cjson.encode(mine), 'KEEPTTL')
    if redis.call('PTTL', 'token:' .. before) > tonumber(ARGV[6]) then
      redis.call('PEXPIRE', 'token:' .. before, ARGV[6])
    end
  end
end
if ARGV[3] == '0' then return 1 end
local next = redis.call('GET', 'token_next:' .. ARGV[1])
local after = next and cjson.decode(next)
if not after or after.used_at == cjson.null then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
local longest = tonumber(ARGV[2])
if after then
  longest = math.max(1, math.floor(math.min(idle, (after.exp - now) * 1000)))
  redis.call('PEXPIRE', 'token:' .. after.jti, longest)
end
at_least(KEYS[2], longest)
at_least(KEYS[3], longest)
return 1
"""
)

# ARGV: the successor's jti, how it is noted, its value, its milliseconds, the older token's jti and
# milliseconds to its end
SUCCEED = (
    _LONGER
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local noted = redis.call('GET', KEYS[4])
if noted then
  return redis.call('EXISTS', 'token:' .. cjson.decode(noted).jti) == 1 and noted
end
redis.call('SET', KEYS[4], ARGV[2], 'PX', ARGV[6])
redis.call('SET', 'token_prev:' .. ARGV[1], ARGV[5], 'PX', ARGV[6])
redis.call('SET', 'token:' .. ARGV[1], ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
redis.call('SADD', KEYS[3], ARGV[1])
at_least(KEYS[3], ARGV[4])
return ARGV[2]
"""
)

SUCCESSOR = """
local noted = redis.call('GET', KEYS[1])
return noted and redis.call('EXISTS', 'token:' .. cjson.decode(noted).jti) == 1 and noted
"""

# a token dies with its kin in both directions; what is left is counted without those that ended by themselves
CLOSE = (
    _LONGER
    + """
local family, at = {}, ARGV[1]
while redis.call('GET', 'token_prev:' .. at) do at = redis.call('GET', 'token_prev:' .. at) end
while at do
  table.insert(family, at)
  local noted = redis.call('GET', 'token_next:' .. at)
  at = noted and cjson.decode(noted).jti
end
local newest = redis.call('GET', KEYS[2])
for _, jti in ipairs(family) do
  forget(jti)
  redis.call('SREM', KEYS[3], jti)
  if newest == jti then redis.call('DEL', KEYS[2], KEYS[4]) end
end
local left = 0
for _, jti in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if redis.call('EXISTS', 'token:' .. jti) == 1 then left = left + 1
  else redis.call('SREM', KEYS[3], jti) end
end
return left
"""
)

CLOSE_ALL = (
    _LONGER
    + """
for _, jti in ipairs(redis.call('SMEMBERS', KEYS[2])) do forget(jti) end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
"""
)


@dataclass(frozen=True, slots=True)
class RedisLoginSessions(LoginSessions):
    redis: Redis
    idle_s: int
    grace: timedelta = GRACE

    @override
    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        keys = self._keys(claims)[:3]
        ttl = self._ttl_ms(claims, now)
        with translated():
            await self.redis.eval(OPEN, 3, *keys, claims.jti, email, ttl, int(single))

    @override
    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        arguments = claims.jti, self._ttl_ms(claims, now), int(active), now.timestamp()
        limits = self.idle_s * 1000, _ms(self.grace)
        with translated():
            return bool(await self.redis.eval(USE, 3, *self._keys(claims)[:3], *arguments, *limits))

    @override
    async def succeed(self, claims: Claims, successor: Claims, email: str, now: datetime) -> Claims | None:
        keys = *self._keys(claims)[:3], f"token_next:{claims.jti}"
        new = successor.jti, _noted(successor), email, self._ttl_ms(successor, now)
        old = claims.jti, max(1, _ms(claims.expires_at - now))
        with translated():
            noted = await self.redis.eval(SUCCEED, 4, *keys, *new, *old)
        return _read(noted, claims)

    @override
    async def successor_of(self, claims: Claims) -> Claims | None:
        with translated():
            return _read(await self.redis.eval(SUCCESSOR, 1, f"token_next:{claims.jti}"), claims)

    @override
    async def close(self, claims: Claims) -> bool:
        with translated():
            return not await self.redis.eval(CLOSE, 4, *self._keys(claims), claims.jti)

    @override
    async def absent(self, users: Sequence[UserId]) -> list[UserId]:
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                for user in users:
                    _ = pipe.exists(f"user_tokens:{user}")  # ends with the longest-lived of them
                there = await pipe.execute()
        return [user for user, present in zip(users, there, strict=True) if not present]

    @override
    async def close_all(self, user: UserId) -> None:
        with translated():
            await self.redis.eval(
                CLOSE_ALL, 3, f"user_token:{user}", f"user_tokens:{user}", f"sessionid:{user}"
            )

    @staticmethod
    def _keys(claims: Claims) -> tuple[str, str, str, str]:
        user = claims.user
        return f"token:{claims.jti}", f"user_token:{user}", f"user_tokens:{user}", f"sessionid:{user}"

    def _ttl_ms(self, claims: Claims, now: datetime) -> int:
        return max(1, min(self.idle_s * 1000, _ms(claims.expires_at - now)))


def _ms(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)


def _noted(successor: Claims) -> str:
    """What the next request needs to sign it again: never the token itself."""
    iat, exp = int(successor.issued_at.timestamp()), int(successor.expires_at.timestamp())
    return json.dumps({"jti": successor.jti, "iat": iat, "exp": exp, "used_at": None})


def _read(noted: bytes | None, old: Claims) -> Claims | None:
    if noted is None:
        return None
    fields = json.loads(noted)
    issued_at, expires_at = (datetime.fromtimestamp(fields[name], UTC) for name in ("iat", "exp"))
    return Claims(old.user, fields["jti"], issued_at, expires_at, old.auth_time)
