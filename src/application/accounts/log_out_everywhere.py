from dataclasses import dataclass

from application.accounts.end_sessions import EndSessions
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.user import TokenDead, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutEverywhere:
    """All login sessions of an account end, this one included; what is being answered is answered."""

    work: WorkFactory
    end_sessions: EndSessions
    clock: Clock

    async def __call__(self, id: UserId) -> None:
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None:
                raise TokenDead
            user.revoke_tokens(now)
            user.signed_out()
            await w.log.record(user, "logout", user, now, {"sessions": "all"})
            await w.commit()
        await self.end_sessions(id, replies=False)
