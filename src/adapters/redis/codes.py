"""Verification codes: `code:{purpose}:{hash}` and the pause `code_wait:{hash}`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from adapters.redis.keyed import Keyed
from application.ports.codes import Codes, Redeemed
from domain.user import Purpose

LIFE_S, ATTEMPTS, PAUSE_S = 300, 5, 10

ISSUE = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'attempts', 0)
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

# the right code is consumed: which one it was, and what was left of its life; a wrong guess counts against
# every code it was tried on
REDEEM = """
for i, key in ipairs(KEYS) do
  if redis.call('HGET', key, 'hash') == ARGV[i + 1] then
    local left, attempts = redis.call('PTTL', key), redis.call('HGET', key, 'attempts')
    redis.call('DEL', key)
    return {i, left, tonumber(attempts)}
  end
end
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 and redis.call('HINCRBY', key, 'attempts', 1) >= tonumber(ARGV[1]) then
    redis.call('DEL', key)
  end
end
return false
"""

RESTORE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return end
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'attempts', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# how long one is there already is what is missing of its life
FORGET = """
local gone = 0
for i, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  if left >= 0 and ARGV[i + 1] * 1000 - left >= tonumber(ARGV[1]) then
    gone = gone + redis.call('DEL', key)
  end
end
return gone
"""


@dataclass(frozen=True, slots=True)
class RedisCodes(Codes):
    redis: Redis
    keyed: Keyed

    @override
    async def wait(self, email: str) -> int:
        key = self._pause(email)
        with translated():
            if await self.redis.set(key, 1, nx=True, ex=PAUSE_S):
                return 0
            return max(1, await self.redis.ttl(key))

    @override
    async def end_wait(self, email: str) -> None:
        with translated():
            await self.redis.delete(self._pause(email))

    @override
    async def issue(self, email: str, purpose: Purpose) -> str:
        code = f"{secrets.randbelow(1_000_000):06d}"
        with translated():
            await self.redis.eval(
                ISSUE, 1, self._key(email, purpose), self._hash(email, purpose, code), LIFE_S
            )
        return code

    @override
    async def redeem(self, email: str, purposes: Sequence[Purpose], code: str) -> Redeemed | None:
        keys = [self._key(email, purpose) for purpose in purposes]
        hashes = [self._hash(email, purpose, code) for purpose in purposes]
        with translated():
            found = await self.redis.eval(REDEEM, len(keys), *keys, ATTEMPTS, *hashes)
        if found is None:
            return None
        nth, left_ms, attempts = found
        return Redeemed(purposes[nth - 1], timedelta(milliseconds=left_ms), attempts)

    @override
    async def restore(self, email: str, code: str, redeemed: Redeemed) -> None:
        key, hash = self._key(email, redeemed.purpose), self._hash(email, redeemed.purpose, code)
        left_ms = max(1, int(redeemed.left.total_seconds() * 1000))
        with translated():
            await self.redis.eval(RESTORE, 1, key, hash, left_ms, redeemed.attempts)

    @override
    async def forget(self, email: str, older_than: timedelta = timedelta()) -> int:
        keys = [self._key(email, purpose) for purpose in Purpose]
        lives = [LIFE_S] * len(keys)
        keys.append(self._pause(email))
        lives.append(PAUSE_S)
        age_ms = int(older_than.total_seconds() * 1000)
        with translated():
            return int(await self.redis.eval(FORGET, len(keys), *keys, age_ms, *lives))

    def _key(self, email: str, purpose: Purpose) -> str:
        return f"code:{purpose}:{self.keyed.hash(email)}"

    def _pause(self, email: str) -> str:
        return f"code_wait:{self.keyed.hash(email)}"

    def _hash(self, email: str, purpose: Purpose, code: str) -> str:
        return self.keyed.hash(purpose, email, code)
