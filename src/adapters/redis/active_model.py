from dataclasses import dataclass
from hashlib import sha256

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.active_model import ActiveModel


@dataclass(frozen=True, slots=True)
class RedisActiveModel(ActiveModel):
    """What was noted of another server does not count: `server` is its address."""

    redis: Redis
    server: str

    @override
    async def note(self, model: str) -> None:
        with translated():
            await self.redis.set(self._key, model)

    @override
    async def noted(self) -> str | None:
        with translated():
            found = await self.redis.get(self._key)
        return found.decode() if isinstance(found, bytes) else found

    @property
    def _key(self) -> str:
        return f"llm:active:{sha256(self.server.encode()).hexdigest()[:16]}"
