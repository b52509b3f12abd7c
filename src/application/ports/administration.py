"""What administrators look at, straight from the database; nothing here is ever changed or saved."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.ports.persistence import Listed
from domain.action_log import ActionLine
from domain.document import FileId, IndexState
from domain.tutor_request import RequestStatus, TutorRequestId
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """None does not narrow. `search` is a part of address, username or full name, in any letter case; a role
    or status that does not exist is nobody's."""

    search: str | None = None
    role: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class UserLine:
    """An account with its profile; texts are empty where there is no profile."""

    id: UserId
    email: str
    username: str
    full_name: str
    phone: str
    bio: str
    avatar_url: str
    role: str
    status: str
    created_at: datetime
    last_login: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """Each exactly as it stands in the log; None does not narrow."""

    operator_email: str | None = None
    target_user_email: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class KeptAction:
    """A line of the action log as it lies there, with the hash that was written with it."""

    id: int
    line: ActionLine
    hash: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The last line of the action log that has expired: the chain goes on from its hash."""

    id: int
    hash: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A tutor request and who made it."""

    id: TutorRequestId
    user_id: UserId
    email: str
    username: str
    reason: str
    status: RequestStatus
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class PublicDocument:
    id: FileId
    name: str
    status: IndexState | None
    created_at: datetime


class Administration(Protocol):
    """Lists for administrators. Deleted accounts are in none of them but the action log."""

    async def users(self, wanted: UserFilter, limit: int, offset: int) -> Listed[UserLine]:
        """Newest first."""
        ...

    async def actions(self, wanted: ActionFilter, limit: int, offset: int) -> Listed[KeptAction]:
        """Newest first."""
        ...

    async def tutor_requests(
        self, status: RequestStatus | None, limit: int, offset: int
    ) -> Listed[RequestLine]:
        """Newest first; None means all."""
        ...

    async def public_documents(self, limit: int, offset: int) -> Listed[PublicDocument]:
        """The public knowledge base, newest first; deleted documents are not in it."""
        ...

    async def knowledge_owners(self) -> Sequence[UserId]:
        """Who has documents of his own that can be searched."""
        ...

    async def public_index_names(self) -> set[str]:
        """What every public document is called in an index, also one whose erasure is not finished."""
        ...


class ActionRecords(Protocol):
    """The whole action log, for whoever checks it."""

    def lines(self) -> AsyncIterator[KeptAction]:
        """Every line in the order in which it was written. Read in portions, never all at once."""
        ...

    async def expired(self) -> Expired | None:
        """Where the log begins; None at its first line."""
        ...
