import logging
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.bury import bury
from application.accounts.end_sessions import EndSessions
from application.accounts.spent_code import spent
from application.admin.guards import require_another_admin
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.persistence import Account, Work, WorkFactory
from application.ports.throttle import Throttle
from application.ports.wakeup import Wakeup
from domain.errors import RateLimited
from domain.user import Purpose, TokenDead, User, UserId, WrongCode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Somebody leaves, with a code sent to his address. The account is unusable and its address free at once;
    a job erases what lies outside the database."""

    work: WorkFactory
    codes: Codes
    throttle: Throttle
    end_sessions: EndSessions
    wakeup: Wakeup
    clock: Clock

    async def __call__(self, account: Account, code: str) -> None:
        async with self.work() as w:  # so that whoever may not leave keeps his code
            await _who_leaves(w, account.id)
        if wait := await self.throttle.take(limits.CODE_CHECKS, account.email):
            raise RateLimited(retry_after=wait)
        async with spent(self.codes, account.email, [Purpose.DELETE_ACCOUNT], code) as right:
            if not right:
                log.info("code refused", extra={"user_id": account.id, "purpose": Purpose.DELETE_ACCOUNT})
                raise WrongCode
            await self._bury(account.id)
        await self.end_sessions(account.id, replies=True)
        await self.wakeup.ring()

    async def _bury(self, id: UserId) -> None:
        now = self.clock.now()
        async with self.work() as w:
            user = await _who_leaves(w, id)
            was: dict[str, object] = {
                "full_name": user.profile.full_name if user.profile else "",
                "role": user.role.value,
                "status": user.status.value,
            }
            await w.log.record(user, "delete", user, now, was)
            await bury(w, user, now)
            await w.commit()


async def _who_leaves(w: Work, id: UserId) -> User:
    """The account, held; somebody must remain who can administer."""
    admins = await w.users.hold_admins()
    user = await w.users.get(id)
    if user is None:
        raise TokenDead
    require_another_admin(admins, user)
    return user
