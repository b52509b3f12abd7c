"""Everything the database holds about a user, read in portions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, and_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import looking
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
    {
        "user_id",
        "password_hash",
        "tokens_from",
        "deleted_at",
        "llm_session_id",
        "memory_is_fresh",
        "disk_name",
        "decided_by",
    }
)
# of what he did to somebody else: what he decided, and nothing of who that is
_OF_OTHERS = frozenset({"role", "status", "tutor_request"})


@dataclass(frozen=True, slots=True)
class Tenure:
    """The time in which an address was somebody's; `until` is None while it still is."""

    email: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class SqlPersonalRecords(PersonalRecords):
    engine: AsyncEngine

    @override
    async def records(self, user: UserId, kind: RecordKind) -> AsyncIterator[Mapping[str, object]]:
        table = _TABLES[kind]
        columns = [column for column in table.c if column.name not in _NOT_HIS]
        source = t.messages.join(t.sessions) if kind is RecordKind.MESSAGE else table
        u = t.users.c
        async with looking(self.engine) as db:
            him = (await db.execute(select(u.email, u.created_at).where(u.id == user))).first()
            if him is None:
                return
            if kind is RecordKind.ACTION:
                his = _actions_of(user, await _tenures(db, user, him.email, him.created_at))
            else:
                his = _his(kind, user)
        portion = select(*columns).select_from(source).where(his).order_by(table.c.id).limit(PORTION)
        last = 0
        while True:  # no connection is held while somebody writes what he got
            async with looking(self.engine) as db:
                rows = (await db.execute(portion.where(table.c.id > last))).mappings().all()
            for row in rows:
                last = row["id"]
                if kind is RecordKind.ACTION:
                    yield _action(row, user, him.email)
                else:
                    yield _message(row) if kind is RecordKind.MESSAGE else _ready(row)
            if len(rows) < PORTION:
                return


def _his(kind: RecordKind, user: UserId) -> ColumnElement[bool]:
    match kind:
        case RecordKind.ACCOUNT:
            return t.users.c.id == user
        case RecordKind.MESSAGE:
            return t.sessions.c.user_id == user
        case RecordKind.FILE:
            return (t.stored_files.c.user_id == user) & t.stored_files.c.deleted_at.is_(None)
        case _:
            return _TABLES[kind].c.user_id == user


async def _tenures(db: AsyncConnection, user: UserId, email: str, since: datetime) -> Sequence[Tenure]:
    """The addresses he has had, from the log's own lines about their changes."""
    log = t.user_action_logs.c
    changes = (
        select(log.timestamp, log.details)
        .where(log.target_user_id == user, log.action == "update", cast(log.details, Text).like('%"email"%'))
        .order_by(log.id)
    )
    tenures = []
    for row in await db.execute(changes):
        if "email" not in row.details:  # it was some other text
            continue
        old, _ = row.details["email"]
        tenures.append(Tenure(old, since, row.timestamp))
        since = row.timestamp
    return [*tenures, Tenure(email, since, None)]


def _actions_of(user: UserId, tenures: Sequence[Tenure]) -> ColumnElement[bool]:
    """What was done to him, and what was done under an address while it was his: the log knows who acted by
    his address alone, and somebody else may have had it before him, or has it now."""
    log = t.user_action_logs.c
    by_him = (
        and_(
            log.operator_email == tenure.email,
            log.timestamp >= tenure.since,
            *([log.timestamp < tenure.until] if tenure.until is not None else []),
        )
        for tenure in tenures
    )
    return or_(log.target_user_id == user, *by_him)


def _action(row: Mapping[Any, Any], user: UserId, email: str) -> Mapping[str, object]:
    """A line of the log without other people's addresses; of one about somebody else, what he did to that
    number: no name, no text."""
    hidden = {"hash"} | {name for name in ("operator_email", "target_user_email") if row[name] != email}
    shown = {name: value for name, value in row.items() if name not in hidden}
    if row["target_user_id"] != user:
        del shown["reason"]
        shown["details"] = {n: value for n, value in (row["details"] or {}).items() if n in _OF_OTHERS}
    return _ready(shown)


def _message(row: Mapping[Any, Any]) -> Mapping[str, object]:
    """Without the words of documents: his own are beside it, and others may be deleted before he reads it."""
    named = [{n: value for n, value in source.items() if n != "snippet"} for source in row["sources"] or ()]
    return {**_ready(row), "sources": named or None}


def _ready(row: Mapping[Any, Any]) -> Mapping[str, object]:
    return {str(name): _json(value) for name, value in row.items()}


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
