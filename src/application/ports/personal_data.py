from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.user import UserId


@dataclass(frozen=True, slots=True)
class Departed:
    """A deleted account, as those who erase its traces need it."""

    id: UserId
    email: str
    deleted_at: datetime


class PersonalStore(Protocol):
    """One place where things of a person may lie. Account deletion asks every one of them until it has done
    it; who adds a store of personal data adds it to that list."""

    name: str  # in the receipt: files, pictures, redis ...

    async def erase(self, departed: Departed) -> int:
        """Remove everything of theirs; how many things that were. Safe to run twice, at any time, after any
        crash. Raises a DomainError when it cannot be done now: it is asked again later."""
        ...


class PersonalRecords(Protocol):
    """What the database holds about a user, for his own eyes."""

    def records(self, user: UserId) -> AsyncIterator[tuple[str, Mapping[str, object]]]:
        """Every record with the name of its kind: `account`, `profile`, `chat_session`, `message`, `file`,
        `notification`, `tutor_request`, `action` (what was done by him and to him). JSON-ready values; no
        password hash. Read in portions, never all at once."""
        ...
