"""Who looks after the leases."""

from dataclasses import dataclass

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.avatar_leases import (
    Keeper,
)

KEEPER_S = 300  # where no worker tells that it lives


KEEPS = """
local keeper = redis.call('GET', KEYS[1])
if keeper and keeper ~= ARGV[1] and redis.call('EXISTS', 'worker:' .. keeper) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class RedisKeeper(Keeper):
    """`avatar:keeper`: the worker that looks after the leases; the next one takes over when it is dead."""

    redis: Redis
    worker: str

    @override
    async def is_ours(self) -> bool:
        with translated():
            return bool(await self.redis.eval(KEEPS, 1, "avatar:keeper", self.worker, KEEPER_S))
