"""`idem:{user}:{hash of the key}`: what was asked under an idempotency key."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.idempotency import IdempotencyKeys, KeptAsk
from domain.user import UserId

LIFE_S, HELD_S = 86400, 30

SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


def _key(user: UserId, key: str) -> str:
    return f"idem:{user}:{hashlib.sha256(key.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class RedisIdempotencyKeys(IdempotencyKeys):
    redis: Redis

    @override
    async def claim(self, user: UserId, key: str, fingerprint: str) -> KeptAsk | None:
        ours = msgspec.json.encode(KeptAsk(fingerprint))
        with translated():
            held: Any = await self.redis.set(_key(user, key), ours, nx=True, ex=HELD_S, get=True)
        return msgspec.json.decode(held, type=KeptAsk) if held else None

    @override
    async def reclaim(self, user: UserId, key: str, was: KeptAsk) -> bool:
        held, ours = (msgspec.json.encode(one) for one in (was, replace(was, answer=None)))
        with translated():
            return bool(await self.redis.eval(SWAP, 1, _key(user, key), held, ours, HELD_S))

    @override
    async def keep(self, user: UserId, key: str, asked: KeptAsk) -> None:
        with translated():
            await self.redis.set(_key(user, key), msgspec.json.encode(asked), ex=LIFE_S)

    @override
    async def let_go(self, user: UserId, key: str) -> None:
        with translated():
            await self.redis.delete(_key(user, key))
