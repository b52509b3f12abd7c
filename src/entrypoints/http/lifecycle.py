"""What the process as a whole is doing; shared by the server's lifespan and the readiness route."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lifecycle:
    is_migrated: Callable[[], Awaitable[bool]]
    drain: asyncio.Event = field(default_factory=asyncio.Event)
    _migrated: bool = False

    @property
    def draining(self) -> bool:
        return self.drain.is_set()

    async def migrated(self) -> bool:
        """Whether the database has our tables; once it has, it is not asked again."""
        if not self._migrated:
            self._migrated = await self.is_migrated()
        return self._migrated
