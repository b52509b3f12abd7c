from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.accounts.limits import CODE_CHECKS, CODES_PER_EMAIL, LOGIN_PER_ACCOUNT
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.login_sessions import LoginSessions
from application.ports.personal_data import Departed, PersonalStore
from application.ports.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTraces(PersonalStore):
    """Login sessions, codes, and what was counted under the address. It is free at once: codes that came
    after the deletion are somebody else's."""

    name: ClassVar[str] = "login"
    sessions: LoginSessions
    codes: Codes
    throttle: Throttle
    clock: Clock

    @override
    async def erase(self, departed: Departed) -> int:
        await self.sessions.close_all(departed.id)
        for limit in (LOGIN_PER_ACCOUNT, CODES_PER_EMAIL, CODE_CHECKS):
            await self.throttle.forget(limit, departed.email)
        return await self.codes.forget(departed.email, self.clock.now() - departed.deleted_at)
