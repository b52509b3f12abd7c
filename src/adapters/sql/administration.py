"""What administrators look at: lists straight from SQL, each page and its total in one transaction."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import looking
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
from domain.action_log import ActionLine
from domain.document import IndexState
from domain.tutor_request import RequestStatus
from domain.user import Role, Status, UserId

SEARCH_MAX = 254  # no text that is searched is longer, and SQLite refuses overlong patterns
_PORTION = 500


@dataclass(frozen=True, slots=True)
class SqlAdministration(Administration):
    engine: AsyncEngine

    @override
    async def users(self, wanted: UserFilter, limit: int, offset: int) -> Listed[UserLine]:
        u, p = t.users.c, t.user_profiles.c
        texts = (p.username, p.full_name, p.phone, p.bio, p.avatar_url)
        found = (
            select(
                u.id,
                u.email,
                *(func.coalesce(text, "") for text in texts),
                u.role,
                u.status,
                u.created_at,
                u.last_login,
            )
            .select_from(t.users.outerjoin(t.user_profiles, p.user_id == u.id))
            .where(u.deleted_at.is_(None), *_narrowed(wanted))
            .order_by(u.created_at.desc(), u.id.desc())
        )
        rows, total = await self._page(found, limit, offset)
        return Listed(total, [UserLine(*row) for row in rows])

    @override
    async def actions(self, wanted: ActionFilter, limit: int, offset: int) -> Listed[KeptAction]:
        a = t.user_action_logs.c
        exactly = {
            a.operator_email: wanted.operator_email,
            a.target_user_email: wanted.target_user_email,
            a.action: wanted.action,
        }
        narrowed = [column == value for column, value in exactly.items() if value is not None]
        found = select(t.user_action_logs).where(*narrowed).order_by(a.id.desc())
        rows, total = await self._page(found, limit, offset)
        return Listed(total, [_kept(row) for row in rows])

    @override
    async def tutor_requests(
        self, status: RequestStatus | None, limit: int, offset: int
    ) -> Listed[RequestLine]:
        r, u, p = t.tutor_requests.c, t.users.c, t.user_profiles.c
        found = (
            select(
                r.id,
                r.user_id,
                u.email,
                func.coalesce(p.username, ""),
                func.coalesce(r.reason, ""),
                r.status,
                r.created_at,
                r.decided_at,
                r.decided_by,
            )
            .select_from(
                t.tutor_requests.join(t.users, u.id == r.user_id).outerjoin(
                    t.user_profiles, p.user_id == u.id
                )
            )
            .where(u.deleted_at.is_(None))
            .order_by(r.id.desc())
        )
        if status is not None:
            found = found.where(r.status == status)
        rows, total = await self._page(found, limit, offset)
        return Listed(total, [RequestLine(*row) for row in rows])

    @override
    async def public_documents(self, limit: int, offset: int) -> Listed[PublicDocument]:
        f = t.stored_files.c
        found = (
            select(f.id, f.original_name, f.rag_status, f.created_at)
            .where(f.public, f.deleted_at.is_(None))
            .order_by(f.id.desc())
        )
        rows, total = await self._page(found, limit, offset)
        return Listed(total, [PublicDocument(*row) for row in rows])

    @override
    async def knowledge_owners(self) -> Sequence[UserId]:
        f = t.stored_files.c
        indexed = and_(f.rag_status == IndexState.INDEXED, f.public.is_(False), f.deleted_at.is_(None))
        owners = select(f.user_id).where(indexed, f.user_id.is_not(None)).distinct().order_by(f.user_id)
        async with looking(self.engine) as db:
            return [UserId(owner) for owner in await db.scalars(owners)]

    @override
    async def public_index_names(self) -> set[str]:
        f = t.stored_files.c
        async with looking(self.engine) as db:
            names = await db.scalars(select(f.index_name).where(f.public, f.index_name.is_not(None)))
            return {name for name in names if name is not None}

    async def _page(self, found: Select[Any], limit: int, offset: int) -> tuple[list[Any], int]:
        counted = select(func.count()).select_from(found.order_by(None).subquery())
        async with looking(self.engine) as db:
            rows = (await db.execute(found.limit(limit).offset(offset))).all()
            total = (await db.execute(counted)).scalar_one()
        return list(rows), total


@dataclass(frozen=True, slots=True)
class SqlActionRecords(ActionRecords):
    engine: AsyncEngine
    portion: int = _PORTION

    @override
    async def lines(self) -> AsyncIterator[KeptAction]:
        a = t.user_action_logs.c
        after = None
        while True:
            next_ones = select(t.user_action_logs).order_by(a.id).limit(self.portion)
            if after is not None:
                next_ones = next_ones.where(a.id > after)
            async with looking(self.engine) as db:
                rows = (await db.execute(next_ones)).all()
            for row in rows:
                yield _kept(row)
            if len(rows) < self.portion:
                return
            after = rows[-1].id

    @override
    async def expired(self) -> Expired | None:
        e = t.expired_actions.c
        async with looking(self.engine) as db:
            last = (await db.execute(select(t.expired_actions).order_by(e.line_id.desc()).limit(1))).first()
        return None if last is None else Expired(*last)


def _narrowed(wanted: UserFilter) -> list[ColumnElement[bool]]:
    u, p = t.users.c, t.user_profiles.c
    narrowed: list[ColumnElement[bool]] = []
    if wanted.search is not None and len(wanted.search) > SEARCH_MAX:
        narrowed.append(false())
    elif wanted.search is not None:
        part = func.lower("%" + re.sub(r"([\\%_])", r"\\\1", wanted.search) + "%")
        texts = (u.email, p.username, p.full_name)
        narrowed.append(or_(*(func.lower(text).like(part, escape="\\") for text in texts)))
    if wanted.role is not None:
        narrowed.append(u.role.in_([role for role in Role if role == wanted.role]))
    if wanted.status is not None:
        narrowed.append(u.status.in_([status for status in Status if status == wanted.status]))
    return narrowed


def _kept(row: Row[Any]) -> KeptAction:
    line = ActionLine(
        operator_email=row.operator_email,
        role=row.role,
        action=row.action,
        target_user_id=row.target_user_id,
        target_user_email=row.target_user_email,
        reason=row.reason,
        details=row.details,
        timestamp=row.timestamp,
    )
    return KeptAction(row.id, line, row.hash)
