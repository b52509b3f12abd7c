from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from domain.errors import StorageUnavailable
from domain.user import UserId


@dataclass(eq=False)
class FakeLoginSessions(LoginSessions):
    """Living tokens with their end. `down` is an outage of the store."""

    clock: Clock
    idle: timedelta = timedelta(hours=5)
    down: bool = False
    _ends: dict[tuple[UserId, str], datetime] = field(default_factory=dict)

    @override
    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        self._reachable()
        if single:
            self._forget(claims.user)
        self._ends[claims.user, claims.jti] = self._end(claims, now)

    @override
    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        self._reachable()
        if (claims.user, claims.jti) not in self._living():
            return False
        if active:
            self._ends[claims.user, claims.jti] = self._end(claims, now)
        return True

    @override
    async def close(self, claims: Claims) -> bool:
        self._reachable()
        self._ends.pop((claims.user, claims.jti), None)
        return all(user != claims.user for user, _ in self._living())

    @override
    async def close_all(self, user: UserId) -> None:
        self._reachable()
        self._forget(user)

    def _end(self, claims: Claims, now: datetime) -> datetime:
        return min(now + self.idle, claims.expires_at)

    def _living(self) -> set[tuple[UserId, str]]:
        return {key for key, end in self._ends.items() if end > self.clock.now()}

    def _forget(self, user: UserId) -> None:
        self._ends = {key: end for key, end in self._ends.items() if key[0] != user}

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
