from datetime import datetime
from typing import Protocol

from application.ports.credentials import Claims
from domain.user import UserId


class LoginSessions(Protocol):
    """Which tokens are alive, for all workers at once. Raises StorageUnavailable: never a guess."""

    async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
        """The token lives from now on; with `single` all earlier ones of the account die in the same step."""
        ...

    async def is_alive(self, claims: Claims, now: datetime, *, active: bool) -> bool:
        """Whether the token still opens anything. `active` use re-arms its idle limit; polling does not."""
        ...

    async def close(self, claims: Claims) -> bool:
        """The token opens nothing any more; whether the account has no login session left."""
        ...

    async def close_all(self, user: UserId) -> None:
        """No token of the account opens anything any more."""
        ...
