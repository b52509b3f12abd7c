from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.speech_floor import SpeechFloor
from domain.conversation import SessionId
from domain.errors import StorageUnavailable
from domain.speech import Delivery
from domain.user import UserId


@dataclass(eq=False)
class FakeSpeechFloor(SpeechFloor):
    """One for all workers."""

    down: bool = False
    held: dict[UserId, Delivery] = field(default_factory=dict)

    @override
    async def take(self, user: UserId, speech: Delivery) -> Delivery | None:
        self._reachable()
        before = self.held.get(user)
        self.held[user] = speech
        return before

    @override
    async def keep(self, user: UserId, speech: Delivery) -> bool:
        self._reachable()
        held = self.held.get(user)
        if held is None or held.message != speech.message:
            return False
        self.held[user] = speech
        return True

    @override
    async def clear(self, user: UserId, session: SessionId | None = None) -> Delivery | None:
        self._reachable()
        held = self.held.get(user)
        if held is None or session not in (None, held.session):
            return None
        return self.held.pop(user)

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable


async def nobody_speaks(*_: object) -> None:
    """Where nothing is said, nothing falls silent."""
