from dataclasses import dataclass

from application.ports.clock import Clock
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from application.ports.persistence import Reading
from domain.errors import StorageUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class StillIn:
    """Whether somebody who was let in for long may stay: his login session lives, in this token or in the
    one that succeeded it. Asking is no activity, and an outage shows nobody out."""

    sessions: LoginSessions
    reading: Reading
    clock: Clock

    async def __call__(self, claims: Claims) -> Claims | None:
        """The token to ask about next time; None when the login session was ended."""
        try:
            account = await self.reading.account(claims.user)
            if account is None or account.banned or account.revoked(claims.auth_time):
                return None
            return await self.living(claims)
        except StorageUnavailable:
            return claims

    async def living(self, claims: Claims) -> Claims | None:
        """The same of the login session alone; an outage raises StorageUnavailable."""
        now = self.clock.now()
        if now >= claims.expires_at:  # it came to its end by itself, which revokes nothing
            return claims
        if await self.sessions.is_alive(claims, now, active=False):
            return claims
        return await self.sessions.successor_of(claims)
