"""The guard of every protected route: who is calling, and is that still true?"""

from dataclasses import dataclass

from application.ports.clock import Clock
from application.ports.credentials import Claims, Tokens
from application.ports.login_sessions import LoginSessions
from application.ports.persistence import Account, Reading
from domain.errors import Unauthenticated, Unprocessable
from domain.user import AccountBanned, TokenDead

_EXPECTED = "Expected 'Authorization: Bearer <JWT>'"


class WrongScheme(Unauthenticated):
    msg = f"Missing 'Bearer' type in 'Authorization' header. {_EXPECTED}"


class BadHeader(Unprocessable):
    msg = f"Bad Authorization header. {_EXPECTED}"


@dataclass(frozen=True, slots=True)
class Caller:
    """A proven account, with the token it came with."""

    account: Account
    claims: Claims


def bearer_token(authorization: str | None) -> str:
    """The token of an `Authorization` header."""
    if not authorization:
        raise Unauthenticated
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise WrongScheme
    parts = rest.split()
    if len(parts) != 1:
        raise BadHeader
    return parts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Token to caller, in the order of the contract: form, signature, type, expiry, liveness, ban.

    Role, ban and revocation come from the database on each request, never from the token: what was revoked
    with a change there is dead, whatever Redis says. Storage that cannot be reached is StorageUnavailable:
    nobody is let in on a guess."""

    tokens: Tokens
    sessions: LoginSessions
    reading: Reading
    clock: Clock

    def claims(self, authorization: str | None) -> Claims:
        """What a well-signed, unexpired token says; whether it is alive is not asked."""
        return self.tokens.read(bearer_token(authorization), self.clock.now())

    async def __call__(self, authorization: str | None, *, active: bool = True) -> Caller:
        """`active` use re-arms the token's idle limit; polling routes do not."""
        claims = self.claims(authorization)
        if not await self.sessions.is_alive(claims, self.clock.now(), active=active):
            raise TokenDead
        account = await self.reading.account(claims.user)
        if account is None or account.revoked(claims.auth_time):
            raise TokenDead
        if account.banned:
            raise AccountBanned
        return Caller(account, claims)
