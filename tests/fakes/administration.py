"""What administrators look at, from the database in memory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from typing_extensions import override

from application.ports.administration import (
    ActionFilter,
    ActionRecords,
    Administration,
    Expired,
    KeptAction,
    PublicDocument,
    RequestLine,
    UserFilter,
    UserLine,
)
from application.ports.persistence import Listed
from domain.action_log import FIRST, ActionLine
from domain.document import IndexState
from domain.tutor_request import RequestStatus, TutorRequest
from domain.user import User, UserId
from tests.fakes.persistence import FakeDatabase, Tables

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FakeAdministration(Administration):
    database: FakeDatabase

    @override
    async def users(self, wanted: UserFilter, limit: int, offset: int) -> Listed[UserLine]:
        found = [user for user in _living(self._tables) if _fits(user, wanted)]
        found.sort(key=lambda user: (user.created_at, user.id), reverse=True)
        return _page([_user_line(user) for user in found], limit, offset)

    @override
    async def actions(self, wanted: ActionFilter, limit: int, offset: int) -> Listed[KeptAction]:
        lines = [
            kept
            for kept in reversed(kept_actions(self._tables))
            if wanted.operator_email in (None, kept.line.operator_email)
            and wanted.target_user_email in (None, kept.line.target_user_email)
            and wanted.action in (None, kept.line.action)
        ]
        return _page(lines, limit, offset)

    @override
    async def tutor_requests(
        self, status: RequestStatus | None, limit: int, offset: int
    ) -> Listed[RequestLine]:
        users = {user.id: user for user in _living(self._tables)}
        lines = [
            _request_line(request, users[request.user_id])
            for request in sorted(self._tables.tutor_requests.values(), key=lambda one: -one.id)
            if request.user_id in users and status in (None, request.status)
        ]
        return _page(lines, limit, offset)

    @override
    async def public_documents(self, limit: int, offset: int) -> Listed[PublicDocument]:
        lines = [
            PublicDocument(file.id, file.original_name, file.rag_status, file.created_at)
            for file in sorted(self._tables.files.values(), key=lambda file: -file.id)
            if file.public and file.deleted_at is None
        ]
        return _page(lines, limit, offset)

    @override
    async def knowledge_owners(self) -> Sequence[UserId]:
        files = self._tables.files.values()
        indexed = (f for f in files if f.rag_status is IndexState.INDEXED and f.deleted_at is None)
        return sorted({file.user_id for file in indexed if not file.public and file.user_id is not None})

    @override
    async def public_index_names(self) -> set[str]:
        files = self._tables.files.values()
        return {file.index_name for file in files if file.public and file.index_name}

    @property
    def _tables(self) -> Tables:
        self.database.reachable()
        return self.database.tables


@dataclass(frozen=True, slots=True)
class FakeActionRecords(ActionRecords):
    """A log whose lines lie open: a test may tamper with them."""

    kept: list[KeptAction]
    gone: list[Expired] = field(default_factory=list)  # the last lines of what has expired

    @override
    async def lines(self) -> AsyncIterator[KeptAction]:
        for kept in self.kept:
            yield kept

    @override
    async def expired(self) -> Expired | None:
        return self.gone[-1] if self.gone else None


def kept_actions(tables: Tables) -> list[KeptAction]:
    """The log as a database would keep it: numbered and chained."""
    kept: list[KeptAction] = []
    for number, done in enumerate(tables.log, 1):
        line = ActionLine(
            operator_email=done.operator,
            role=done.role,
            action=done.action,
            target_user_id=done.target,
            target_user_email=done.target_email,
            reason=done.reason,
            details=done.details,
            timestamp=done.at,
        )
        kept.append(KeptAction(number, line, line.chained_to(kept[-1].hash if kept else FIRST)))
    return kept


def _page(lines: Sequence[T], limit: int, offset: int) -> Listed[T]:
    return Listed(len(lines), lines[offset : offset + limit])


def _living(tables: Tables) -> list[User]:
    return [user for user in tables.users.values() if user.deleted_at is None]


def _fits(user: User, wanted: UserFilter) -> bool:
    texts = [user.email, *((user.profile.username, user.profile.full_name) if user.profile else ())]
    part = (wanted.search or "").lower()
    return (
        any(part in text.lower() for text in texts)
        and wanted.role in (None, user.role)
        and wanted.status in (None, user.status)
    )


def _user_line(user: User) -> UserLine:
    profile = user.profile
    return UserLine(
        user.id,
        user.email,
        profile.username if profile else "",
        profile.full_name if profile else "",
        profile.phone if profile else "",
        profile.bio if profile else "",
        profile.avatar_url if profile else "",
        user.role,
        user.status,
        user.created_at,
        user.last_login,
    )


def _request_line(request: TutorRequest, user: User) -> RequestLine:
    return RequestLine(
        request.id,
        user.id,
        user.email,
        user.profile.username if user.profile else "",
        request.reason or "",
        request.status,
        request.created_at,
        request.decided_at,
        request.decided_by,
    )
