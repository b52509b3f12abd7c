from dataclasses import dataclass

from application.ports.clock import Clock
from application.ports.persistence import ProfileCard, Reading, WorkFactory
from domain.user import TokenDead, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowProfile:
    """What somebody shows of himself; a profile that is missing is made."""

    work: WorkFactory
    reading: Reading
    clock: Clock

    async def __call__(self, id: UserId) -> ProfileCard:
        if card := await self.reading.profile(id):
            return card
        await self._make(id)
        if card := await self.reading.profile(id):
            return card
        raise TokenDead  # the account went meanwhile

    async def _make(self, id: UserId) -> None:
        async with self.work() as w:
            if user := await w.users.get(id):
                user.own_profile(self.clock.now())
            await w.commit()
