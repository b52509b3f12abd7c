from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.wakeup import Wakeup
from domain.errors import StorageUnavailable

BELL = "jobs:bell"


@dataclass(frozen=True, slots=True)
class RedisWakeup(Wakeup):
    """One worker per ring: whoever pops the bell looks for the job. `redis` must allow slow answers. The
    bells of `others` are rung as well: who waits there does not look for the same jobs."""

    redis: Redis
    bell: str = BELL
    others: tuple[str, ...] = ()

    @override
    async def ring(self) -> None:
        with suppress(StorageUnavailable), translated():  # workers look into the database anyway
            async with self.redis.pipeline(transaction=False) as pipe:
                for bell in (self.bell, *self.others):
                    _ = pipe.lpush(bell, 1), pipe.ltrim(bell, 0, 15), pipe.expire(bell, 60)
                await pipe.execute()

    @override
    async def wait(self, seconds: float) -> None:
        with translated():
            await self.redis.brpop([self.bell], timeout=seconds)
