"""Lists and pages straight from SQL into read models."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    String,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql import message_index
from adapters.sql.job_table import UNFINISHED
from adapters.sql.repositories import idle, kept_by
from adapters.sql.work import looking
from application.indexing.queueing import INDEX_KEY
from application.ports.persistence import (
    Account,
    Citing,
    Context,
    Credentials,
    FileLine,
    FileProgress,
    FileRecord,
    FoundLine,
    IdleSession,
    Inbox,
    KnownFile,
    Listed,
    MessageLine,
    NotificationLine,
    ProfileCard,
    Reading,
    ReplyRecord,
    SessionLine,
    Shelf,
    Told,
    VersionLine,
)
from domain.conversation import MessageId, MessageState, SessionId, Speaker
from domain.document import FileId, IndexState, StoredFile, Usage
from domain.job import JobState
from domain.user import DEFAULT_PICTURE, Status, UserId

LOOKED_AT_ONCE = 5000  # messages, when those are looked for that cite a file

_m = t.messages.c
_visible = t.visible()
_current = and_(_visible, _m.superseded_by.is_(None))
_line = (
    _m.id,
    _m.role,
    _m.content,
    _m.created_at,
    _m.file_type,
    _m.file_path,
    _m.file_id,
    _m.state,
    _m.sources,
)

# What every question needs is put together once: that takes longer than to execute it.
_u, _s, _f = t.users.c, t.sessions.c, t.stored_files.c
_ACCOUNT = select(_u.id, _u.email, _u.role, _u.status, _u.tokens_from).where(
    _u.id == bindparam("user"), _u.deleted_at.is_(None)
)
_OWNED = select(_s.id).where(_s.id == bindparam("session"), _s.user_id == bindparam("owner"))
_within_reach = and_(
    _f.rag_status == IndexState.INDEXED,
    _f.deleted_at.is_(None),
    or_(_f.user_id == bindparam("reader"), _f.public),
)
_here = select(_f.id, _f.original_name).where(_within_reach, _f.session_id == bindparam("session")).subquery()
_anywhere = select(exists().where(_within_reach).label("any")).subquery()
_SHELF = select(_anywhere, _here).select_from(_anywhere.outerjoin(_here, true())).order_by(_here.c.id)
_STREAMING = select(_m.session_id, _m.id).where(_m.state == MessageState.STREAMING).order_by(_m.id)

_j = t.jobs.c
_PROGRESS = (
    select(_f.id, _f.original_name, _f.rag_status, _f.rag_error, _j.state, _j.progress)
    .select_from(
        t.stored_files.outerjoin(
            t.jobs, and_(_j.dedup_key == literal(INDEX_KEY).concat(cast(_f.id, String)), UNFINISHED)
        )
    )
    .where(_f.deleted_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class SqlReading(Reading):
    engine: AsyncEngine

    @override
    async def account(self, id: UserId) -> Account | None:
        async with looking(self.engine) as db:
            row = (await db.execute(_ACCOUNT, {"user": id})).first()
        if row is None:
            return None
        return Account(row.id, row.email, row.role, row.status is Status.BANNED, row.tokens_from)

    @override
    async def credentials(self, email: str) -> Credentials | None:
        u = t.users.c
        async with looking(self.engine) as db:
            row = (await db.execute(select(u.id, u.password_hash, u.status).where(u.email == email))).first()
        return Credentials(row.id, row.password_hash, row.status is Status.BANNED) if row else None

    @override
    async def is_known(self, email: str) -> bool:
        async with looking(self.engine) as db:
            return bool((await db.execute(select(exists().where(t.users.c.email == email)))).scalar())

    @override
    async def profile(self, id: UserId) -> ProfileCard | None:
        u, p = t.users.c, t.user_profiles.c
        picture = func.coalesce(func.nullif(p.avatar_url, ""), DEFAULT_PICTURE)
        card = (
            select(u.id, u.email, p.username, p.full_name, picture, p.bio, p.phone, u.role)
            .select_from(t.users.join(t.user_profiles, p.user_id == u.id))
            .where(u.id == id, u.deleted_at.is_(None))
        )
        async with looking(self.engine) as db:
            row = (await db.execute(card)).first()
        return ProfileCard(*row) if row else None

    @override
    async def inbox(self, owner: UserId, limit: int, offset: int, *, unread_only: bool) -> Inbox:
        n = t.notifications.c
        unread = n.is_read.is_(False)
        counts = (
            select(func.count().label("all"), func.count().filter(unread).label("unread"))
            .where(n.user_id == owner)
            .subquery()
        )
        wanted = select(n.id, n.title, n.message, n.type, n.is_read, n.created_at).where(n.user_id == owner)
        if unread_only:
            wanted = wanted.where(unread)
        page = wanted.order_by(n.id.desc()).limit(limit).offset(offset).subquery()
        both = select(counts, page).select_from(counts.outerjoin(page, true())).order_by(page.c.id.desc())
        async with looking(self.engine) as db:
            rows = (await db.execute(both)).all()
        total = rows[0].unread if unread_only else rows[0].all
        return Inbox(
            total, rows[0].unread, [NotificationLine(*row[2:]) for row in rows if row.id is not None]
        )

    @override
    async def active(self, before: datetime) -> Sequence[UserId]:
        u = t.users.c
        async with looking(self.engine) as db:
            found = await db.scalars(select(u.id).where(u.status == Status.ACTIVE, u.last_login < before))
            return found.all()

    @override
    async def history(self, owner: UserId, limit: int, offset: int) -> Listed[SessionLine]:
        s = t.sessions.c
        page = (
            select(s.id, s.title, s.created_at, s.updated_at, s.message_count, s.is_favorite)
            .where(s.user_id == owner)
            .order_by(s.updated_at.desc(), s.id.desc())
            .limit(limit)
            .offset(offset)
        )
        async with looking(self.engine) as db:
            rows = (await db.execute(page)).all()
            total = offset + len(rows)
            if len(rows) == limit or (offset and not rows):
                total = (await db.execute(select(func.count()).where(s.user_id == owner))).scalar_one()
        return Listed(total, [SessionLine(*row) for row in rows])

    @override
    async def idle_sessions(
        self, before: datetime, most: int, after: IdleSession | None = None
    ) -> Sequence[IdleSession]:
        found = select(_s.id, _s.updated_at).where(idle(before)).order_by(_s.updated_at, _s.id).limit(most)
        if after is not None:
            as_old = and_(_s.updated_at == after.updated_at, _s.id > after.id)
            found = found.where(or_(_s.updated_at > after.updated_at, as_old))
        async with looking(self.engine) as db:
            return [IdleSession(SessionId(row.id), row.updated_at) for row in await db.execute(found)]

    @override
    async def messages(
        self, owner: UserId, session: SessionId, limit: int, before: MessageId | None
    ) -> Sequence[MessageLine] | None:
        page = select(*_line).where(_m.session_id == session, _current)
        if before is not None:
            page = page.where(_m.id < before)
        page = page.order_by(_m.id.desc()).limit(limit)
        async with looking(self.engine) as db:
            if (await db.execute(_OWNED, {"session": session, "owner": owner})).first() is None:
                return None
            rows = (await db.execute(page)).all()
        return [_message(row) for row in reversed(rows)]

    @override
    async def streaming(self) -> Sequence[tuple[SessionId, MessageId]]:
        async with looking(self.engine) as db:
            return [(SessionId(row.session_id), MessageId(row.id)) for row in await db.execute(_STREAMING)]

    @override
    async def owns(self, owner: UserId, session: SessionId) -> bool:
        async with looking(self.engine) as db:
            return (await db.execute(_OWNED, {"session": session, "owner": owner})).first() is not None

    @override
    async def turns(self, session: SessionId, before: MessageId | None, most: int) -> Context:
        s = t.sessions.c
        said = select(_m.id, _m.role, _m.content).where(
            _m.session_id == session, _current, _m.content != "", _m.file_type.is_(None)
        )
        if before is not None:
            said = said.where(_m.id < before)
        last = said.order_by(_m.id.desc()).limit(most).subquery()
        both = (
            select(s.summary, s.summary_upto, last)
            .select_from(t.sessions.outerjoin(last, true()))
            .where(s.id == session)
            .order_by(last.c.id)
        )
        async with looking(self.engine) as db:
            rows = (await db.execute(both)).all()
        if not rows:
            return Context()
        turns = [Told(row.id, row.role, row.content) for row in rows if row.id is not None]
        return Context(turns, rows[0].summary, rows[0].summary_upto)

    @override
    async def versions(self, owner: UserId, message: MessageId) -> Sequence[VersionLine] | None:
        root = func.coalesce(_m.version_of, _m.id)
        mine = (
            select(root.label("root"))
            .select_from(t.messages.join(t.sessions))
            .where(_m.id == message, t.sessions.c.user_id == owner)
        )
        async with looking(self.engine) as db:
            first = await db.scalar(mine)
            if first is None:
                return None
            same = or_(_m.id == first, _m.version_of == first)
            versions = select(*_line, _m.superseded_by).where(same, _visible).order_by(_m.id)
            found = (await db.execute(versions)).all()
            successors = {row.superseded_by for row in found if row.superseded_by is not None}
            others = select(*_line, _m.superseded_by).where(
                _m.superseded_by.in_(successors), _visible, root != first
            )
            left = (await db.execute(others.order_by(_m.id))).all()
        return [
            VersionLine(
                _message(row),
                row.superseded_by is None,
                [
                    _message(other)
                    for other in left
                    if other.superseded_by == row.superseded_by and other.id > row.id
                ],
            )
            for row in found
        ]

    @override
    async def reply(self, owner: UserId, message: MessageId) -> ReplyRecord | None:
        found = (
            select(_m.session_id, _m.state, func.coalesce(_m.content, ""), _m.sources)
            .select_from(t.messages.join(t.sessions))
            .where(_m.id == message, _m.role == Speaker.ASSISTANT, t.sessions.c.user_id == owner)
        )
        async with looking(self.engine) as db:
            row = (await db.execute(found)).first()
        return ReplyRecord(*row) if row else None

    @override
    async def search(
        self, owner: UserId, wanted: Sequence[str], limit: int, offset: int
    ) -> Listed[FoundLine]:
        if not wanted:
            return Listed(0, [])
        s = t.sessions.c
        async with looking(self.engine) as db:
            has_words = message_index.has_words(db.dialect.name, wanted)
            hits = (
                select(s.id, s.title, _m.id.label("message"), _m.role, _m.content, _m.created_at)
                .select_from(t.messages.join(t.sessions))
                .where(s.user_id == owner, _current, has_words)
            )
            page = hits.order_by(_m.id.desc()).limit(limit).offset(offset)
            rows = (await db.execute(page)).all()
            total = offset + len(rows)
            if len(rows) == limit or (offset and not rows):
                total = await db.scalar(select(func.count()).select_from(hits.subquery())) or 0
        return Listed(total, [FoundLine(*row) for row in rows])

    @override
    async def files(self, owner: UserId, limit: int, offset: int) -> Listed[FileLine]:
        f, m = t.stored_files.c, t.messages.c
        mine = and_(f.user_id == owner, f.public.is_(False), f.deleted_at.is_(None))
        page = (
            select(
                f.message_id,
                f.id,
                f.original_name,
                f.kind,
                f.stored_name,
                m.content,
                f.created_at,
                f.session_id,
                f.size,
                f.rag_status,
                f.disk_name,
            )
            .select_from(t.stored_files.outerjoin(t.messages, m.id == f.message_id))
            .where(mine)
            .order_by(f.id.desc())
            .limit(limit)
            .offset(offset)
        )
        async with looking(self.engine) as db:
            rows = (await db.execute(page)).all()
            total = (await db.execute(select(func.count()).where(mine))).scalar_one()
        return Listed(
            total,
            [
                FileLine(
                    message_id=row.message_id,
                    file_id=row.id,
                    filename=row.original_name,
                    file_type=row.kind,
                    file_path=f"uploads/{owner}/{row.stored_name}",
                    content=row.content,
                    created_at=row.created_at,
                    session_id=row.session_id,
                    size=row.size,
                    rag_status=row.rag_status,
                    disk_name=row.disk_name,
                )
                for row in rows
            ],
        )

    @override
    async def file(self, id: FileId, reader: UserId, *, teaches: bool) -> FileRecord | None:
        handed_out = select(_f.original_name, _f.disk_name, _f.kind, _f.mime, _f.size, _f.sha256)
        async with looking(self.engine) as db:
            found = handed_out.where(_f.id == id, _f.deleted_at.is_(None), _open_to(reader, teaches=teaches))
            row = (await db.execute(found)).first()
        return FileRecord(*row) if row else None

    @override
    async def file_progress(self, id: FileId, reader: UserId, *, teaches: bool) -> FileProgress | None:
        found = _PROGRESS.where(_f.id == id, _open_to(reader, teaches=teaches))
        async with looking(self.engine) as db:
            row = (await db.execute(found)).first()
        return _progress(row) if row else None

    @override
    async def files_progress(self, owner: UserId) -> Sequence[FileProgress]:
        async with looking(self.engine) as db:
            rows = await db.execute(_PROGRESS.where(_f.user_id == owner).order_by(_f.id))
            return [_progress(row) for row in rows]

    @override
    async def index_state(self, file: FileId) -> tuple[IndexState | None, str | None]:
        known = select(_f.rag_status, _f.rag_error).where(_f.id == file, _f.deleted_at.is_(None))
        async with looking(self.engine) as db:
            row = (await db.execute(known)).first()
        return (row.rag_status, row.rag_error) if row else (None, None)

    @override
    async def shelf(self, reader: UserId, session: SessionId) -> Shelf:
        async with looking(self.engine) as db:
            rows = (await db.execute(_SHELF, {"reader": reader, "session": session})).all()
        return Shelf([row.original_name for row in rows if row.id is not None], bool(rows[0].any))

    @override
    async def citing(self, file: StoredFile, after: MessageId) -> Sequence[Citing]:
        told = cast(_m.sources, Text)
        # what these let through is looked at closely: numbers that begin alike, and sources without one
        numbered = or_(*(told.like(f'%"file_id":{blank}{file.id}%') for blank in ("", " ")))
        readers = true() if file.public else _s.user_id == file.user_id
        maybe = (
            select(_m.id, _m.session_id, _m.sources)
            .select_from(t.messages.join(t.sessions))
            .where(_m.sources.is_not(None), or_(numbered, told.not_like('%"file_id"%')), readers)
            .order_by(_m.id)
        )
        found: list[Citing] = []
        async with looking(self.engine) as db:
            newest = await db.scalar(select(func.max(_m.id))) or 0
            while after < newest and not found:
                upto = MessageId(after + LOOKED_AT_ONCE)
                rows = await db.execute(maybe.where(_m.id > after, _m.id <= upto))
                found = [
                    Citing(row.id, row.session_id) for row in rows if any(map(file.is_source, row.sources))
                ]
                after = upto
        return found

    @override
    async def usage(self, owner: UserId) -> Usage:
        async with looking(self.engine) as db:
            files, size = (await db.execute(kept_by(owner))).one()
        return Usage(files, int(size))

    @override
    async def known_as(self, reader: UserId, index_names: Sequence[str]) -> Sequence[KnownFile]:
        deleted = _f.deleted_at.is_not(None)
        known = select(_f.index_name, _f.public, _f.id, _f.original_name, deleted)
        within_reach = or_(_f.user_id == reader, _f.public)
        async with looking(self.engine) as db:
            rows = await db.execute(known.where(_f.index_name.in_(index_names), within_reach))
            return [KnownFile(*row) for row in rows]


def _open_to(reader: UserId, *, teaches: bool) -> ColumnElement[bool]:
    """`StoredFile.is_open_to`, asked of a row."""
    his = and_(_f.user_id == reader, _f.public.is_(False))
    return or_(his, _f.public) if teaches else his


def _progress(row: Row[*tuple[Any, ...]]) -> FileProgress:
    id, name, rag_status, rag_error, job, progress = row
    return FileProgress(id, name, rag_status, rag_error, JobState(job) if job else None, progress)


def _message(row: Row[*tuple[Any, ...]]) -> MessageLine:
    return MessageLine(
        id=row.id,
        role=row.role,
        content=row.content,
        created_at=row.created_at,
        file_type=row.file_type if row.file_path else None,  # a deleted file is not shown any more
        file_path=row.file_path,
        file_id=row.file_id,
        interrupted=row.state in (MessageState.INTERRUPTED, MessageState.FAILED),
        sources=row.sources,
    )
