import logging
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.request_tutor import ask_admins
from application.accounts.spent_code import spent
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.credentials import PasswordHasher
from application.ports.persistence import Reading, WorkFactory
from application.ports.throttle import Throttle
from domain.errors import RateLimited
from domain.tutor_request import TutorSignup
from domain.user import (
    EmailTaken,
    InvalidCode,
    Purpose,
    Role,
    acceptable_password,
    new_user,
    requested_role,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """An address proven by a code becomes an account: a student's, unless tutors are let in at once."""

    work: WorkFactory
    reading: Reading
    codes: Codes
    hasher: PasswordHasher
    throttle: Throttle
    clock: Clock
    common_passwords: frozenset[str]
    tutor_signup: TutorSignup
    hide_existing: bool

    async def __call__(self, email: str, password: str, code: str, role: str) -> bool:
        """Whether a tutor request now waits for an admin. A code is consumed only by what else is valid."""
        address, wanted = normalised(email), requested_role(role)
        password = acceptable_password(password, address, self.common_passwords)
        known = await self.reading.is_known(address)
        if known and not self.hide_existing:
            raise EmailTaken
        if wait := await self.throttle.take(limits.CODE_CHECKS, address):
            raise RateLimited(retry_after=wait)
        async with spent(self.codes, address, [Purpose.REGISTER], code) as right:
            if not right or known:  # without a hash: nobody keeps our processors busy without a mailbox
                log.info("code refused", extra={"purpose": Purpose.REGISTER})
                raise InvalidCode
            return await self._store(address, await self.hasher.hash(password), wanted)

    async def _store(self, address: str, hash: str, wanted: Role) -> bool:
        tutor_at_once = wanted is Role.TUTOR and self.tutor_signup is TutorSignup.OPEN
        asks = wanted is Role.TUTOR and self.tutor_signup is TutorSignup.APPROVAL
        user = new_user(address, hash, Role.TUTOR if tutor_at_once else Role.STUDENT, self.clock.now())
        async with self.work() as w:
            w.users.add(user)
            await w.flush()
            await w.log.record(user, "create", user, user.created_at, {"role": user.role.value})
            if asks:
                await ask_admins(w, user, "", user.created_at)
            await w.commit()
        return asks
