"""What was asked under a key that the client chose, so that asking twice is asking once."""

from dataclasses import dataclass
from typing import Protocol

from domain.conversation import MessageId, SessionId
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class KeptAsk:
    """`fingerprint` tells one request from another. The numbers are unknown while the question is being
    stored; `answer` alone while it is being asked again."""

    fingerprint: str
    session: SessionId | None = None
    question: MessageId | None = None
    answer: MessageId | None = None


class IdempotencyKeys(Protocol):
    """Per user, for 24 hours; a key whose holder dies before it has stored anything is free after 30 s.
    Raises StorageUnavailable."""

    async def claim(self, user: UserId, key: str, fingerprint: str) -> KeptAsk | None:
        """None: the key is ours now. Else what was asked under it before."""
        ...

    async def reclaim(self, user: UserId, key: str, was: KeptAsk) -> bool:
        """Ours to answer again, if nobody else has changed it since; its `answer` is unknown then."""
        ...

    async def keep(self, user: UserId, key: str, asked: KeptAsk) -> None:
        """What is asked under our key is stored."""
        ...

    async def let_go(self, user: UserId, key: str) -> None:
        """Nothing was stored under our key: it was never used."""
        ...
