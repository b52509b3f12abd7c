from dataclasses import dataclass

from application.accounts.end_sessions import EndSessions
from application.admin.guards import require_rank
from application.ports.clock import Clock
from application.ports.persistence import Account, WorkFactory
from domain.user import UserId, UserNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutUser:
    """Every login session of an account ends, wherever it is; who knows the password may log in again."""

    work: WorkFactory
    end_sessions: EndSessions
    clock: Clock

    async def __call__(self, operator: Account, id: UserId) -> None:
        """Raises UserNotFound, OnlyAdmins."""
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None:
                raise UserNotFound
            require_rank(operator, user.role)
            user.revoke_tokens(now)
            user.signed_out()
            await w.log.record(operator, "logout", user, now, {"sessions": "all"})
            await w.commit()
        await self.end_sessions(id, replies=False)
