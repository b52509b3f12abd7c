from dataclasses import dataclass

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.health import Probe


@dataclass(slots=True)
class RedisProbe(Probe):
    redis: Redis
    name: str = "redis"
    vital: bool = True

    @override
    async def check(self) -> None:
        with translated():
            await self.redis.ping()
