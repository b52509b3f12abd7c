from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from application.ports.credentials import Claims
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class TokenLife:
    """How long tokens live: each `life`, all of one login together no longer than `session_max`."""

    life: timedelta
    session_max: timedelta

    def first(self, user: UserId, auth_time: datetime, now: datetime) -> Claims:
        """Of a login that counts as made at `auth_time`."""
        return self._claims(user, auth_time, now)

    def successor(self, claims: Claims, now: datetime) -> Claims | None:
        """What may follow this token: nothing in the first half of its life, nor when the login session is
        too old for a longer life."""
        if now - claims.issued_at < (claims.expires_at - claims.issued_at) / 2:
            return None
        candidate = self._claims(claims.user, claims.auth_time, now)
        return candidate if candidate.expires_at > claims.expires_at else None

    def _claims(self, user: UserId, auth_time: datetime, now: datetime) -> Claims:
        issued_at = now.replace(microsecond=0)
        expires_at = min(issued_at + self.life, auth_time + self.session_max)
        return Claims(user, str(uuid4()), issued_at, expires_at, auth_time)
