from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from domain.conversation import MessageId, SessionId
from domain.errors import Unavailable
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class Departed:
    """A deleted account, as those who erase its traces need it."""

    id: UserId
    email: str
    deleted_at: datetime
    replies: Sequence[tuple[SessionId, MessageId]] = ()  # of which copies may be kept outside the database


class StillThere(Unavailable):
    """A store could not erase everything now; `erased` is how much it could."""

    def __init__(self, erased: int = 0) -> None:
        super().__init__()
        self.erased = erased


class PersonalStore(Protocol):
    """One place where things of a person may lie. Account deletion asks every one of them until it has done
    it; who adds a store of personal data adds it to that list."""

    name: ClassVar[str]  # in the receipt: files, pictures, redis ...

    async def erase(self, departed: Departed) -> int:
        """Remove everything of theirs; how many things that were. Safe to run twice, at any time, after any
        crash. Raises a DomainError when it cannot be done now (StillThere when some of it could): it is asked
        again later."""
        ...


class RecordKind(StrEnum):
    ACCOUNT = "account"
    PROFILE = "profile"
    CHAT_SESSION = "chat_session"
    MESSAGE = "message"
    FILE = "file"
    NOTIFICATION = "notification"
    TUTOR_REQUEST = "tutor_request"
    SAFEGUARD = "safeguard"  # what the LLM service noted, where it shares the database
    ACTION = "action"  # what was done by him and to him


class PersonalRecords(Protocol):
    """What the database holds about a user, for his own eyes."""

    def records(self, user: UserId, kind: RecordKind) -> AsyncIterator[Mapping[str, object]]:
        """His records of this kind, oldest first. JSON-ready values; no password hash, nobody else's address,
        name or text. Read in portions, never all at once."""
        ...
