from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import Unauthenticated, Unprocessable
from domain.user import Role, UserId


class PasswordHasher(Protocol):
    """Argon2id. Runs off the event loop, a bounded number at a time."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hash: str | None) -> bool:
        """Whether the password fits. Without a hash (no such account) it takes as long and is False."""
        ...

    def outdated(self, hash: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        ...


class MalformedToken(Unprocessable):
    msg = "Not enough segments"


class ForgedToken(Unprocessable):
    msg = "Signature verification failed"


class WrongTokenType(Unprocessable):
    msg = "Only access tokens are allowed"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    msg = "Token has expired"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Identity is `user`; whether it still opens anything is LoginSessions' word."""

    user: UserId
    jti: str
    issued_at: datetime
    expires_at: datetime
    auth_time: datetime  # when the password was last given


class Tokens(Protocol):
    def sign(self, claims: Claims, email: str, role: Role) -> str:
        """An access token. The same claims, address and role always give the same token."""
        ...

    def read(self, token: str, now: datetime) -> Claims:
        """Raises, in this order: MalformedToken, ForgedToken, WrongTokenType, TokenExpired."""
        ...
