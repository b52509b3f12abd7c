from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.speech_floor import SpeechFloor
from domain.conversation import SessionId
from domain.errors import StorageUnavailable
from domain.speech import Delivery
from domain.user import UserId


@dataclass(eq=False)
class FakeSpeechFloor(SpeechFloor):
    """One for all workers. `cleared` is what was taken away since somebody had the floor."""

    down: bool = False
    held: dict[UserId, Delivery] = field(default_factory=dict)
    cleared: dict[UserId, Delivery] = field(default_factory=dict)

    @override
    async def take(self, user: UserId, delivery: Delivery) -> Delivery | None:
        self._reachable()
        before = self.held.get(user) or self.cleared.pop(user, None)
        self.held[user] = delivery
        return before

    @override
    async def keep(self, user: UserId, delivery: Delivery) -> bool:
        self._reachable()
        held = self.held.get(user)
        if held is None or held.message != delivery.message:
            return False
        self.held[user] = delivery
        return True

    @override
    async def clear(self, user: UserId, session: SessionId | None = None) -> Delivery | None:
        self._reachable()
        held = self.held.get(user)
        if held is None or session not in (None, held.session):
            return None
        self.cleared[user] = held
        return self.held.pop(user)

    @override
    async def leave(self, user: UserId, delivery: Delivery) -> None:
        if await self.keep(user, delivery):
            del self.held[user]

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable


async def nobody_speaks(*_: object) -> None:
    """Where nothing is said, nothing falls silent."""


@asynccontextmanager
async def silence(*_: object) -> AsyncIterator[None]:
    """Likewise."""
    yield
