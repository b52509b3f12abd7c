from typing import Protocol

from domain.conversation import SessionId
from domain.speech import Delivery
from domain.user import UserId


class SpeechFloor(Protocol):
    """Which reply is spoken for a user: one at a time, over all workers. Raises StorageUnavailable."""

    async def take(self, user: UserId, delivery: Delivery) -> Delivery | None:
        """Nothing but this reply is spoken for the user from now on. What was being spoken until now, or was
        cleared just before and may have a segment on its way."""
        ...

    async def keep(self, user: UserId, delivery: Delivery) -> bool:
        """Whether this reply still has the floor; if so, this is how far it has come. To be asked before
        anything of it is sent, and again when it was taken."""
        ...

    async def clear(self, user: UserId, session: SessionId | None = None) -> Delivery | None:
        """Nothing is spoken for the user any more; with a session, nothing of its replies. What was being
        spoken."""
        ...

    async def leave(self, user: UserId, delivery: Delivery) -> None:
        """It is said to its end: nothing is spoken, unless another reply has the floor."""
        ...
