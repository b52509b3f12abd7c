from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from domain.errors import StorageUnavailable
from domain.user import UserId

GRACE = timedelta(seconds=60)


@dataclass(slots=True)
class _Token:
    claims: Claims
    end: datetime
    after: str | None = None  # its successor's jti
    before: str | None = None
    used: bool = False


@dataclass(eq=False)
class FakeLoginSessions(LoginSessions):
    """Tokens with their end and their kin. `down` is an outage of the store; `asked` counts calls."""

    clock: Clock
    idle: timedelta = timedelta(hours=5)
    grace: timedelta = GRACE
    down: bool = False
    asked: int = 0
    _tokens: dict[str, _Token] = field(default_factory=dict)

    @override
    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        self._reachable()
        if single:
            self._forget(claims.user)
        self._tokens[claims.jti] = _Token(claims, self._end(claims, now))

    @override
    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        self._reachable()
        token = self._living(claims.jti)
        if token is None or token.claims.user != claims.user:
            return False
        self._in_use(token, now)
        after = self._living(token.after)
        if active and (after is None or not after.used):
            token.end = self._end(claims, now)
        if active and after is not None:
            after.end = self._end(after.claims, now)
        return True

    @override
    async def succeed(self, claims: Claims, successor: Claims, email: str, now: datetime) -> Claims | None:
        self._reachable()
        token = self._living(claims.jti)
        if token is None:
            return None
        if token.after is None:
            token.after = successor.jti
            end = self._end(successor, now)
            self._tokens[successor.jti] = _Token(successor, end, before=claims.jti)
        return await self.successor_of(claims)

    @override
    async def successor_of(self, claims: Claims) -> Claims | None:
        self._reachable()
        token = self._tokens.get(claims.jti)
        if token is None or self.clock.now() >= token.claims.expires_at:
            return None
        after = self._living(token.after)
        return after.claims if after else None

    @override
    async def close(self, claims: Claims) -> bool:
        self._reachable()
        at: str | None = claims.jti
        while at in self._tokens and self._tokens[at].before in self._tokens:
            at = self._tokens[at].before
        while at is not None and (token := self._tokens.pop(at, None)) is not None:
            at = token.after
        return not any(t.claims.user == claims.user and self._lives(t) for t in self._tokens.values())

    @override
    async def absent(self, users: Sequence[UserId]) -> list[UserId]:
        self._reachable()
        present = {token.claims.user for token in self._tokens.values() if self._lives(token)}
        return [user for user in users if user not in present]

    @override
    async def close_all(self, user: UserId) -> None:
        self._reachable()
        self._forget(user)

    def _in_use(self, token: _Token, now: datetime) -> None:
        if token.before is not None and not token.used and (before := self._tokens.get(token.before)):
            before.end = min(before.end, now + self.grace)
        token.used = True

    def _end(self, claims: Claims, now: datetime) -> datetime:
        return min(now + self.idle, claims.expires_at)

    def _living(self, jti: str | None) -> _Token | None:
        token = self._tokens.get(jti or "")
        return token if token and self._lives(token) else None

    def _lives(self, token: _Token) -> bool:
        return token.end > self.clock.now()

    def _forget(self, user: UserId) -> None:
        self._tokens = {jti: t for jti, t in self._tokens.items() if t.claims.user != user}

    def _reachable(self) -> None:
        self.asked += 1
        if self.down:
            raise StorageUnavailable
