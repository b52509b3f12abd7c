from dataclasses import dataclass

from application.accounts.send_verification import SendVerification
from application.admin.guards import require_rank
from application.ports.clock import Clock
from application.ports.persistence import Account, Target, WorkFactory
from domain.user import Purpose, UserId, UserNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReset:
    """A user is mailed a code to set a new password with, exactly as if he had asked for it himself: nobody
    else ever knows it."""

    work: WorkFactory
    send_verification: SendVerification
    clock: Clock

    async def __call__(self, operator: Account, id: UserId, ip: str) -> None:
        """Raises UserNotFound, OnlyAdmins, RateLimited."""
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None:
                raise UserNotFound
            require_rank(operator, user.role)
            target = Target(user.id, user.email)
        await self.send_verification(target.email, Purpose.RESET_PASSWORD, ip)
        async with self.work() as w:
            told: dict[str, object] = {"password": "<reset code sent>"}
            await w.log.record(operator, "update", target, self.clock.now(), told)
            await w.commit()
