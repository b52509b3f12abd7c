from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.login_sessions import LoginSessions
from application.ports.persistence import Reading, WorkFactory

JUST_CAME = timedelta(minutes=1)  # a login is stored before its token is opened
PORTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkAbsent:
    """Login sessions that end by themselves tell nobody: from time to time whoever has none left is marked
    as inactive. Any worker may look, any number at once."""

    work: WorkFactory
    reading: Reading
    sessions: LoginSessions
    clock: Clock

    async def __call__(self) -> int:
        """How many were marked."""
        before, marked = self.clock.now() - JUST_CAME, 0
        active = await self.reading.active(before)
        for at in range(0, len(active), PORTION):
            if absent := await self.sessions.absent(active[at : at + PORTION]):
                async with self.work() as w:
                    marked += await w.users.mark_absent(absent, before)
                    await w.commit()
        return marked
