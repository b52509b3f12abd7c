from dataclasses import dataclass

from application.accounts.bury import bury
from application.accounts.end_sessions import EndSessions
from application.admin.guards import require_another_admin, require_rank, require_somebody_else
from application.ports.clock import Clock
from application.ports.persistence import Account, Target, WorkFactory
from application.ports.wakeup import Wakeup
from domain.user import UserId, UserNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """An account goes, with everything that is its own; the log keeps who it was and why."""

    work: WorkFactory
    end_sessions: EndSessions
    wakeup: Wakeup
    clock: Clock

    async def __call__(self, operator: Account, id: UserId, reason: str = "") -> None:
        """Raises UserNotFound, OnlyAdmins, OwnAccount, LastAdmin."""
        now = self.clock.now()
        async with self.work() as w:
            admins = await w.users.hold_admins()
            user = await w.users.get(id)
            if user is None:
                raise UserNotFound
            require_rank(operator, user.role)
            require_somebody_else(operator, user)
            require_another_admin(admins, user)
            was: dict[str, object] = {
                "full_name": user.profile.full_name if user.profile else "",
                "role": user.role.value,
                "email": user.email,
            }
            await w.log.record(operator, "delete", Target(user.id, user.email), now, was, reason or None)
            await bury(w, user, now)
            await w.commit()
        await self.end_sessions(id, replies=True)
        await self.wakeup.ring()
