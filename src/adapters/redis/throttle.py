"""Rates by GCRA (one timestamp per subject), atomic in Lua, on the server's own clock."""

import math
from dataclasses import dataclass

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from adapters.redis.keyed import Keyed
from application.ports.throttle import Limit, Throttle

# the theoretical arrival time moves on by window/times with each event and may be one window ahead of now
TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local window, step = tonumber(ARGV[1]), tonumber(ARGV[1]) / tonumber(ARGV[2])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local early = arrival + step - window - now
if early > 0.5 then return tostring(early) end
redis.call('SET', KEYS[1], string.format('%.3f', arrival + step), 'PX', math.ceil(arrival + step - now))
return '0'
"""

GIVE_BACK = """
local arrival = redis.call('GET', KEYS[1])
if not arrival then return end
local step = tonumber(ARGV[1]) / tonumber(ARGV[2])
redis.call('SET', KEYS[1], string.format('%.3f', tonumber(arrival) - step), 'KEEPTTL')
"""


@dataclass(frozen=True, slots=True)
class RedisThrottle(Throttle):
    redis: Redis
    keyed: Keyed

    @override
    async def take(self, limit: Limit, subject: str) -> int:
        if limit.times <= 0:
            return 0
        with translated():
            early = await self.redis.eval(TAKE, 1, self._key(limit, subject), *self._rate(limit))
        return math.ceil(float(early) / 1000)

    @override
    async def give_back(self, limit: Limit, subject: str) -> None:
        with translated():
            await self.redis.eval(GIVE_BACK, 1, self._key(limit, subject), *self._rate(limit))

    @override
    async def forget(self, limit: Limit, subject: str) -> None:
        with translated():
            await self.redis.delete(self._key(limit, subject))

    def _key(self, limit: Limit, subject: str) -> str:
        return f"rl:{limit.scope}:{self.keyed.hash(subject)[:32]}"

    @staticmethod
    def _rate(limit: Limit) -> tuple[int, int]:
        return int(limit.window.total_seconds() * 1000), limit.times
