from dataclasses import dataclass

from application.accounts.authenticate import Caller
from application.accounts.token_life import TokenLife
from application.ports.clock import Clock
from application.ports.credentials import Claims, Tokens
from application.ports.login_sessions import LoginSessions


@dataclass(frozen=True, slots=True)
class Successor:
    """The token that takes over from the caller's."""

    token: str
    claims: Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A token past half of its life gets one successor, however many requests race; signing is
    deterministic, so they all hand out the same text."""

    sessions: LoginSessions
    tokens: Tokens
    clock: Clock
    life: TokenLife

    async def __call__(self, caller: Caller, *, create: bool = True) -> Successor | None:
        """The successor, made now if `create` and it is time; None as long as there is none."""
        now = self.clock.now()
        fresh = self.life.successor(caller.claims, now)
        if fresh is None:  # nor was it time any earlier
            return None
        if create:
            claims = await self.sessions.succeed(caller.claims, fresh, caller.account.email, now)
        else:
            claims = await self.sessions.successor_of(caller.claims)
        if claims is None:
            return None
        return Successor(self.tokens.sign(claims, caller.account.email, caller.account.role), claims)
