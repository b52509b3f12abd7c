from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from application.ports.credentials import Claims
from domain.user import UserId


class LoginSessions(Protocol):
    """Which tokens are alive, for all workers at once. Raises StorageUnavailable: never a guess.

    A token may have one successor; the two are one login session. The old one stays alive until 60 s after
    the successor was first used, never past its own end."""

    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        """The token lives from now on; with `single` all earlier ones of the account die in the same step."""
        ...

    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        """Whether the token still opens anything. `active` use re-arms its idle limit and its successor's;
        polling does not. Either counts as the first use of a token that has a predecessor."""
        ...

    async def succeed(self, claims: Claims, successor: Claims, email: str, now: datetime) -> Claims | None:
        """The one successor of a living token: `successor`, unless there is one already. None when the token
        is dead meanwhile."""
        ...

    async def successor_of(self, claims: Claims) -> Claims | None:
        """The successor, if the token has one that is alive."""
        ...

    async def close(self, claims: Claims) -> bool:
        """The token, its predecessor and its successor open nothing any more; whether the account has no
        login session left."""
        ...

    async def absent(self, users: Sequence[UserId]) -> list[UserId]:
        """Those of them who have no login session any more."""
        ...

    async def close_all(self, user: UserId) -> None:
        """No token of the account opens anything any more."""
        ...
