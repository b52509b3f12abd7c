from dataclasses import dataclass

from application.accounts.limits import EXPORTS
from application.personal_data.archives import ordered
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.throttle import Throttle
from application.ports.wakeup import Wakeup
from domain.errors import RateLimited
from domain.export import Export
from domain.user import TokenDead, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForExport:
    """Whoever asks for his data gets the archive that is being made, waits to be fetched or is being fetched;
    there is one at a time. Else one is made now, if not too many were made lately."""

    work: WorkFactory
    throttle: Throttle
    wakeup: Wakeup
    clock: Clock

    async def __call__(self, user: UserId) -> Export:
        """Raises RateLimited."""
        now = self.clock.now()
        async with self.work() as w:
            if await w.users.get(user) is None:  # held: who else asks for him waits
                raise TokenDead
            for export in await w.exports.of(user):
                if export.current(now):
                    return export
            # while he is held: of many who ask at once for him, one is counted
            if wait := await self.throttle.take(EXPORTS, str(user)):
                raise RateLimited(retry_after=wait)
            export = await ordered(w, user, now)
            await w.commit()
        await self.wakeup.ring()
        return export
