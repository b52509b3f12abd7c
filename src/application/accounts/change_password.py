"""What changing and resetting a password have in common."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.end_sessions import EndSessions
from application.accounts.mails import password_changed_mail
from application.accounts.send_mail import post
from application.accounts.spent_code import spent
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.credentials import PasswordHasher
from application.ports.persistence import WorkFactory
from application.ports.throttle import Throttle
from domain.errors import RateLimited
from domain.user import Purpose, UserId, acceptable_password


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveOwner:
    """A code shows that an address belongs to whoever sets a new password."""

    codes: Codes
    throttle: Throttle
    hasher: PasswordHasher
    common_passwords: frozenset[str]

    @asynccontextmanager
    async def __call__(
        self, email: str, purposes: Sequence[Purpose], code: str, password: str
    ) -> AsyncIterator[str | None]:
        """The new hash; None when the code is wrong. The code is consumed only once everything else is fine,
        and counts again when what is done inside cannot be stored. A wrong code costs no hash: nobody keeps
        our processors busy without a mailbox. The work is the same whether there is an account or not."""
        password = acceptable_password(password, email, self.common_passwords)
        if wait := await self.throttle.take(limits.CODE_CHECKS, email):
            raise RateLimited(retry_after=wait)
        async with spent(self.codes, email, purposes, code) as right:
            yield await self.hasher.hash(password) if right else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword:
    """The new password counts, everybody is logged out, and the owner is told."""

    work: WorkFactory
    end_sessions: EndSessions
    clock: Clock

    async def __call__(self, id: UserId, email: str, hash: str) -> bool:
        """False when the account is gone, or has another address than the one that was proven."""
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None or user.email != email:
                return False
            user.change_password(hash, now)
            await w.log.record(user, "update", user, now, {"password": "<changed>"})
            message = "Your password was changed, and you were logged out everywhere."
            await w.notifications.add(user.id, "Password changed", message, "warning", now)
            await post(w, password_changed_mail(email, now))
            await w.commit()
        await self.end_sessions(id, replies=False)
        return True
