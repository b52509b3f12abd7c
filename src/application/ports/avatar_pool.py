from collections.abc import Sequence
from typing import Protocol

from domain.avatar import AvatarName, Instance
from domain.errors import Invalid, Unavailable, UpstreamFailed, UpstreamTimeout
from domain.user import UserId


class PoolBusy(Unavailable):
    """No capacity left; `retry_after` where the manager has said it."""

    code = "capacity"
    msg = "All avatars are busy. Please try again later."

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after


class PoolRefused(Invalid):
    """The manager says no, for whatever reason: nothing was started or counted."""

    code = "upstream_rejected"
    msg = "Avatar could not be started"


class PoolUnreachable(Unavailable):
    """Nobody has heard the request."""

    msg = "Error connecting to Avatar Manager"


class PoolTimeout(UpstreamTimeout):
    """No answer in time: what was asked may have been done, or may yet be."""

    msg = "Avatar Manager timeout"


class PoolFailed(UpstreamFailed):
    """An answer that makes no sense, or a broken connection: what was asked may have been done."""

    msg = "Invalid JSON response from Avatar Manager"


class AvatarPool(Protocol):
    """The Avatar Managers, known by their base URLs. Each runs at most one process per avatar and counts how
    often it was started; what is counted here is not undone by an answer that comes too late.

    PoolTimeout and PoolFailed leave open whether it was done; the other refusals say that it was not."""

    managers: Sequence[str]

    async def order(self, avatar: AvatarName) -> Sequence[str]:
        """Where to try to start it, best first: at a manager that runs it already, then by free capacity;
        those that do not answer come last. Raises nothing."""
        ...

    async def start(self, manager: str, user: UserId, avatar: AvatarName) -> Instance:
        """The instance, which counts one viewer more. Raises PoolBusy, PoolRefused, PoolUnreachable,
        PoolTimeout, PoolFailed."""
        ...

    async def disconnect(self, manager: str, avatar: AvatarName) -> None:
        """It counts one viewer less; without any its process ends. One that does not run stays so. Raises
        PoolUnreachable, PoolTimeout, PoolFailed."""
        ...

    async def running(self, manager: str) -> Sequence[Instance]:
        """What the manager has, also what is not up (`running` false). Raises PoolUnreachable, PoolTimeout,
        PoolFailed."""
        ...

    async def check(self, manager: str) -> None:
        """Returns when it can be asked. Raises PoolUnreachable, PoolTimeout, PoolFailed."""
        ...
