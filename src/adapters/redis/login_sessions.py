"""Living tokens: `token:{jti}`, `user_token:{user}` (the newest) and `user_tokens:{user}` (all of them)."""

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from domain.user import UserId

OPEN = """
if ARGV[4] == '1' then
  for _, jti in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('DEL', 'token:' .. jti) end
  redis.call('DEL', KEYS[3])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
"""

TOUCH = """
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1], 'GT')
return 1
"""

# what is left after pruning members whose token has expired by itself
CLOSE = """
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2], KEYS[4]) end
local left = 0
for _, jti in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if redis.call('EXISTS', 'token:' .. jti) == 1 then left = left + 1
  else redis.call('SREM', KEYS[3], jti) end
end
return left
"""

CLOSE_ALL = """
for _, jti in ipairs(redis.call('SMEMBERS', KEYS[2])) do redis.call('DEL', 'token:' .. jti) end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
"""


@dataclass(frozen=True, slots=True)
class RedisLoginSessions(LoginSessions):
    redis: Redis
    idle_s: int

    @override
    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        keys = self._keys(claims)[:3]
        ttl = self._ttl_ms(claims, now)
        with translated():
            await self.redis.eval(OPEN, 3, *keys, claims.jti, email, ttl, int(single))

    @override
    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        keys = self._keys(claims)[:3]
        with translated():
            if active:
                return bool(await self.redis.eval(TOUCH, 3, *keys, self._ttl_ms(claims, now)))
            return bool(await self.redis.exists(keys[0]))

    @override
    async def close(self, claims: Claims) -> bool:
        with translated():
            return not await self.redis.eval(CLOSE, 4, *self._keys(claims), claims.jti)

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
        left = (claims.expires_at - now).total_seconds()
        return max(1, int(min(self.idle_s, left) * 1000))
