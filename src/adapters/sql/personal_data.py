"""Everything the database holds about a user, read in portions."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import connected
from application.ports.personal_data import PersonalRecords, RecordKind
from domain.user import UserId

PORTION = 500
_TABLES: dict[RecordKind, Table] = {
    RecordKind.ACCOUNT: t.users,
    RecordKind.PROFILE: t.user_profiles,
    RecordKind.CHAT_SESSION: t.sessions,
    RecordKind.MESSAGE: t.messages,
    RecordKind.FILE: t.stored_files,
    RecordKind.NOTIFICATION: t.notifications,
    RecordKind.TUTOR_REQUEST: t.tutor_requests,
    RecordKind.SAFEGUARD: t.safeguards,
    RecordKind.ACTION: t.user_action_logs,
}
# keys of our own making, proofs, and who decided
_NOT_HIS = frozenset(
    {"user_id", "password_hash", "tokens_from", "deleted_at", "llm_session_id", "disk_name", "decided_by"}
)


@dataclass(frozen=True, slots=True)
class SqlPersonalRecords(PersonalRecords):
    sessions: async_sessionmaker[AsyncSession]

    @override
    async def records(self, user: UserId, kind: RecordKind) -> AsyncIterator[Mapping[str, object]]:
        table = _TABLES[kind]
        columns = [column for column in table.c if column.name not in _NOT_HIS]
        source = t.messages.join(t.sessions) if kind is RecordKind.MESSAGE else table
        u = t.users.c
        async with connected(self.sessions) as session:
            him = (await session.execute(select(u.email, u.created_at).where(u.id == user))).first()
        if him is None:
            return
        his = _his(kind, user, him.email, him.created_at)
        portion = select(*columns).select_from(source).where(his).order_by(table.c.id).limit(PORTION)
        last = 0
        while True:  # no connection is held while somebody writes what he got
            async with connected(self.sessions) as session:
                rows = (await session.execute(portion.where(table.c.id > last))).mappings().all()
            for row in rows:
                last = row["id"]
                yield _action(row, him.email) if kind is RecordKind.ACTION else _ready(row)
            if len(rows) < PORTION:
                return


def _his(kind: RecordKind, user: UserId, email: str, since: datetime) -> ColumnElement[bool]:
    match kind:
        case RecordKind.ACCOUNT:
            return t.users.c.id == user
        case RecordKind.MESSAGE:
            return t.sessions.c.user_id == user
        case RecordKind.FILE:
            return (t.stored_files.c.user_id == user) & t.stored_files.c.deleted_at.is_(None)
        case RecordKind.ACTION:
            log = t.user_action_logs.c
            # an earlier account may have had his address
            by_him = (log.operator_email == email) & (log.timestamp >= since)
            return or_(log.target_user_id == user, by_him)
        case _:
            return _TABLES[kind].c.user_id == user


def _action(row: Mapping[Any, Any], email: str) -> Mapping[str, object]:
    """A line of the log without other people's addresses."""
    hidden = {"hash"} | {name for name in ("operator_email", "target_user_email") if row[name] != email}
    return _ready({name: value for name, value in row.items() if name not in hidden})


def _ready(row: Mapping[Any, Any]) -> Mapping[str, object]:
    return {str(name): _json(value) for name, value in row.items()}


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
