"""What a unit of work reads and changes. Nothing here commits."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql import message_index
from application.ports.persistence import (
    ActionLog,
    Actor,
    Exports,
    Files,
    Messages,
    Notifications,
    Sessions,
    Settled,
    Target,
    TutorRequests,
    Users,
)
from domain.action_log import FIRST, ActionLine
from domain.conversation import (
    ChatSession,
    MemoryId,
    Message,
    MessageId,
    MessageState,
    SessionId,
    Speaker,
)
from domain.document import FileId, IndexState, StoredFile, Usage
from domain.export import Export, ExportId
from domain.speech import last_words
from domain.tutor_request import RequestStatus, TutorRequest, TutorRequestId
from domain.user import Role, Status, User, UserId

LOG_TURN = 7_305_114  # PostgreSQL's advisory lock for the end of the action log
PUBLIC_NAMES_TURN = 7_305_115  # and for the index names of public documents


@dataclass(frozen=True, slots=True)
class SqlUsers(Users):
    session: AsyncSession

    @override
    def add(self, user: User) -> None:
        self.session.add(user)

    @override
    async def get(self, id: UserId) -> User | None:
        user = await self._held(id, key_share=True)  # rows that point here may come meanwhile
        return user if user is not None and user.deleted_at is None else None

    @override
    async def bare(self, id: UserId) -> User | None:
        held = select(User).where(t.users.c.id == id, t.users.c.deleted_at.is_(None))
        return await self.session.scalar(held.with_for_update(key_share=True))

    async def _held(self, id: UserId, *, key_share: bool) -> User | None:
        return await self.session.get(
            User,
            id,
            # a query of its own, once the row is held: the profile may have changed while we waited for it
            options=[selectinload(User.profile)],  # type: ignore[arg-type]  # mapped imperatively
            with_for_update={"of": [User], "key_share": key_share},
            populate_existing=True,
        )

    @override
    async def by_email(self, email: str) -> User | None:
        found = select(User).where(t.users.c.email == email).options(joinedload(User.profile))  # type: ignore[arg-type]  # mapped imperatively
        return await self.session.scalar(found)

    @override
    async def with_role(self, role: Role) -> Sequence[User]:
        return (await self.session.scalars(select(User).where(t.users.c.role == role))).all()

    @override
    async def mark_absent(self, ids: Sequence[UserId], before: datetime) -> int:
        u = t.users.c
        gone = await self.session.execute(
            update(t.users)
            .where(u.id.in_(ids), u.status == Status.ACTIVE, u.last_login < before)
            .values(status=Status.INACTIVE)
            .returning(u.id)
        )
        return len(gone.all())

    @override
    async def hold_admins(self) -> set[UserId]:
        u = t.users.c
        admins = select(u.id).where(u.role == Role.ADMIN, u.status != Status.BANNED).order_by(u.id)
        return set(await self.session.scalars(admins.with_for_update(key_share=True)))

    @override
    async def forget_rows(self, id: UserId, now: datetime) -> Mapping[str, int]:
        mine = t.sessions.c.user_id == id
        messages = select(func.count()).select_from(t.messages.join(t.sessions)).where(mine)
        counts = {"messages": await self.session.scalar(messages) or 0}
        for kind, table in (
            ("chat_sessions", t.sessions),
            ("notifications", t.notifications),
            ("tutor_requests", t.tutor_requests),
            ("profiles", t.user_profiles),
            ("safeguards", t.safeguards),
        ):
            gone = await self.session.execute(
                delete(table).where(table.c.user_id == id).returning(table.c.id)
            )
            counts[kind] = len(gone.all())
        f = t.stored_files.c
        await self.session.execute(
            update(t.stored_files)
            .where(f.user_id == id, f.public.is_(False), f.deleted_at.is_(None))
            .values(deleted_at=now)
        )
        return counts

    @override
    async def buried(self, id: UserId) -> User | None:
        user = await self._held(id, key_share=False)
        return user if user is not None and user.deleted_at is not None else None

    @override
    async def remove(self, id: UserId) -> None:
        await self.session.execute(
            delete(t.users).where(t.users.c.id == id, t.users.c.deleted_at.is_not(None))
        )


# What every question needs is put together once: that takes longer than to execute it.
_m, _s = t.messages.c, t.sessions.c
_NEW_MEMORY = insert(t.llm_sessions).returning(t.llm_sessions.c.id)
_NEW_SESSIONS = insert(t.sessions).returning(_s.id, sort_by_parameter_order=True)
_NEW_MESSAGES = insert(t.messages).returning(_m.id, sort_by_parameter_order=True)
_COUNT = (
    update(t.sessions)
    .where(_s.id == bindparam("which"))
    .values(message_count=_s.message_count + bindparam("more"), updated_at=bindparam("now"))
)
_HEARD = update(t.sessions).where(_s.id == bindparam("which")).values(memory_is_fresh=False)
# the session before its message, as whoever deletes a session takes them
_HOLD_SESSION = (
    select(_s.id)
    .select_from(t.sessions.join(t.messages))
    .where(_m.id == bindparam("message"))
    .with_for_update(of=t.sessions, key_share=True)
)
_SETTLE = (  # RETURNING instead of a row count: drivers disagree on the latter
    update(t.messages)
    .where(_m.id == bindparam("which"), _m.state == MessageState.STREAMING)
    .values(state=bindparam("outcome"), content=bindparam("said"), sources=bindparam("cited"))
    .returning(_m.version_of, _m.superseded_by)
)


async def _inserted(
    session: AsyncSession, insertion: Any, rows: Sequence[Mapping[str, object]]
) -> Sequence[int]:
    """The ids of the new rows, ascending in their order."""
    return (await session.scalars(insertion, rows)).all() if rows else []


@dataclass(frozen=True, slots=True)
class SqlSessions(Sessions):
    session: AsyncSession
    _added: list[ChatSession] = field(default_factory=list)

    @override
    async def new_memory(self) -> MemoryId:
        return MemoryId((await self.session.execute(_NEW_MEMORY)).scalar_one())

    @override
    def add(self, session: ChatSession) -> None:
        self._added.append(session)

    async def flush(self) -> None:
        """What was added gets its ids. Not by the ORM, here and for messages: there its bookkeeping cost more
        than the statement."""
        rows = [
            {
                "llm_session_id": added.memory,
                "user_id": added.owner,
                "title": added.title,
                "created_at": added.created_at,
                "updated_at": added.updated_at,
                "is_favorite": added.is_favorite,
                "message_count": added.message_count,
                "memory_is_fresh": added.memory_is_fresh,
                "summary": added.summary,
                "summary_upto": added.summary_upto,
            }
            for added in self._added
        ]
        for added, id in zip(self._added, await _inserted(self.session, _NEW_SESSIONS, rows), strict=True):
            added.id = SessionId(id)
        self._added.clear()

    @override
    async def get(self, id: SessionId) -> ChatSession | None:
        return await self.session.get(ChatSession, id)

    @override
    async def hold(self, id: SessionId) -> ChatSession | None:
        return await self.session.get(ChatSession, id, with_for_update=True, populate_existing=True)

    @override
    async def renew_memory(self, id: SessionId, memory: MemoryId) -> None:
        await self.session.execute(
            update(t.sessions).where(_s.id == id).values(llm_session_id=memory, memory_is_fresh=True)
        )

    @override
    async def heard(self, id: SessionId) -> None:
        await self.session.execute(_HEARD, {"which": id})

    @override
    async def remove(self, id: SessionId) -> None:
        await self.session.execute(delete(t.sessions).where(t.sessions.c.id == id))

    @override
    async def newest_of(self, owner: UserId, since: datetime) -> ChatSession | None:
        found = (
            select(ChatSession)
            .where(t.sessions.c.user_id == owner, t.sessions.c.updated_at >= since)
            .order_by(t.sessions.c.updated_at.desc(), t.sessions.c.id.desc())
            .limit(1)
        )
        return await self.session.scalar(found)

    @override
    async def is_idle(self, id: SessionId, before: datetime) -> bool:
        found = select(_s.id).where(_s.id == id, idle(before))
        return await self.session.scalar(found) is not None

    @override
    async def count_message(self, id: SessionId, now: datetime, n: int = 1) -> None:
        await self.session.execute(_COUNT, {"which": id, "more": n, "now": now})


@dataclass(frozen=True, slots=True)
class SqlMessages(Messages):
    session: AsyncSession
    _added: list[Message] = field(default_factory=list)

    @override
    def add(self, message: Message) -> None:
        self._added.append(message)

    async def flush(self) -> None:
        """What was added gets its ids and can be found."""
        rows = [
            {
                "session_id": added.session_id,
                "role": added.speaker,
                "content": added.content,
                "file_type": added.file_type,
                "file_path": added.file_path,
                "file_id": added.file_id,
                "state": added.state,
                "sources": added.sources,
                "created_at": added.created_at,
                "version_of": added.version_of,
                "superseded_by": added.superseded_by,
            }
            for added in self._added
        ]
        for added, id in zip(self._added, await _inserted(self.session, _NEW_MESSAGES, rows), strict=True):
            added.id = MessageId(id)
            if added.content:
                await self._index(added.id, added.content)
        self._added.clear()

    async def _index(self, id: MessageId, content: str) -> None:
        add = message_index.ADD_TO_INDEX[self.session.get_bind().dialect.name]
        await self.session.execute(add, message_index.indexed(id, content))

    @override
    async def get(self, id: MessageId) -> Message | None:
        return await self.session.get(Message, id)

    @override
    async def settle(
        self, id: MessageId, state: MessageState, content: str, sources: list[dict[str, object]] | None
    ) -> Settled | None:
        await self._hold_session_of(id)
        ended = {"which": id, "outcome": state, "said": content, "cited": sources}
        settled = (await self.session.execute(_SETTLE, ended)).first()
        if settled is None:
            return None
        if not content:
            return Settled(0)
        await self._index(id, content)
        if settled.superseded_by is not None:
            return Settled(0)
        if settled.version_of is None:
            return Settled(1)
        m, root = t.messages.c, settled.version_of
        older = and_(or_(m.id == root, m.version_of == root), m.id < id)
        return Settled(1 - await self._supersede(older, by=id))

    @override
    async def withdraw(self, id: MessageId, file: StoredFile) -> None:
        message = await self.session.get(Message, id, with_for_update=True, populate_existing=True)
        if message is not None and message.sources is not None:
            others = [source for source in message.sources if not file.is_source(source)]
            message.sources = others or None

    @override
    async def detach(self, file: FileId) -> None:
        m = t.messages.c
        await self.session.execute(
            update(t.messages).where(m.file_id == file).values(file_id=None, file_path=None)
        )

    @override
    async def spoken(self, id: MessageId, upto: int, *, cut: bool = False) -> None:
        m, s = t.messages.c, t.sessions.c
        told = update(t.messages).where(m.id == id)
        if not cut:
            await self.session.execute(told.where(m.spoken_upto.is_(None)).values(spoken_upto=upto))
            return
        await self._hold_session_of(id)
        told = told.values(spoken_upto=upto).returning(m.session_id, m.content)
        if found := (await self.session.execute(told)).first():
            heard = last_words((found.content or "")[:upto])
            await self.session.execute(
                update(t.sessions).where(s.id == found.session_id).values(heard=heard or None)
            )

    async def _hold_session_of(self, id: MessageId) -> None:
        await self.session.execute(_HOLD_SESSION, {"message": id})

    @override
    async def supersede_from(self, first: MessageId, by: MessageId) -> int:
        await self._hold_session_of(by)
        m = t.messages.c
        session = select(m.session_id).where(m.id == by).scalar_subquery()
        return await self._supersede(and_(m.session_id == session, m.id >= first, m.id != by), by)

    async def _supersede(self, which: ColumnElement[bool], by: MessageId) -> int:
        """How many of them could be seen."""
        m, s = t.messages.c, t.sessions.c
        gone = (
            await self.session.execute(
                update(t.messages)
                .where(which, m.superseded_by.is_(None))
                .values(superseded_by=by)
                .returning(m.id, m.session_id, t.visible().label("visible"))
            )
        ).all()
        if gone:
            await self.session.execute(
                update(t.sessions)
                .where(s.id == gone[0].session_id, s.summary_upto >= min(row.id for row in gone))
                .values(summary=None, summary_upto=None)
            )
        return sum(bool(row.visible) for row in gone)

    @override
    async def last_exchange(self, session: SessionId) -> tuple[Message, Message | None] | None:
        m = t.messages.c
        branch = select(Message).where(m.session_id == session, m.superseded_by.is_(None))
        newest = branch.order_by(m.id.desc()).limit(1)
        question = await self.session.scalar(newest.where(m.role == Speaker.USER, m.file_type.is_(None)))
        if question is None:
            return None
        replies = newest.where(m.role == Speaker.ASSISTANT, m.id > question.id, t.visible())
        return question, await self.session.scalar(replies)

    @override
    async def replies_in(self, session: SessionId) -> Sequence[MessageId]:
        m = t.messages.c
        replies = select(m.id).where(m.session_id == session, m.role == Speaker.ASSISTANT).order_by(m.id)
        return [MessageId(id) for id in await self.session.scalars(replies)]

    @override
    async def replies_of(
        self, owner: UserId, since: datetime, most: int
    ) -> Sequence[tuple[SessionId, MessageId]]:
        m = t.messages.c
        his = (
            select(m.session_id, m.id)
            .select_from(t.messages.join(t.sessions))
            .where(t.sessions.c.user_id == owner, m.role == Speaker.ASSISTANT, m.created_at > since)
            .order_by(m.id.desc())
            .limit(most)
        )
        return [(SessionId(row.session_id), MessageId(row.id)) for row in await self.session.execute(his)]


def _variants(name: str) -> re.Pattern[str]:
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    return re.compile(re.escape(stem) + r"(-\d+)?" + re.escape(dot + extension))


def _like_variants(name: str) -> str:
    stem = name.rpartition(".")[0] or name
    return re.sub(r"([\\%_])", r"\\\1", stem) + "%"


def idle(before: datetime) -> ColumnElement[bool]:
    """Of a session."""
    m = t.messages.c
    being_written = exists().where(m.session_id == _s.id, m.state == MessageState.STREAMING)
    return and_(_s.updated_at < before, not_(being_written))


def _among(owner: UserId | None) -> ColumnElement[bool]:
    f = t.stored_files.c
    return f.public if owner is None else and_(f.user_id == owner, f.public.is_(False))


def kept_by(owner: UserId) -> Select[int, int]:
    """How many files an owner keeps, and how many bytes."""
    f = t.stored_files.c
    total = func.coalesce(func.sum(f.size), 0)
    return select(func.count(), total).where(f.user_id == owner, f.deleted_at.is_(None))


def _held(found: Select[StoredFile]) -> Select[StoredFile]:
    """Nobody deletes it meanwhile, and it is as it is now that it is held."""
    living = found.where(t.stored_files.c.deleted_at.is_(None))
    return living.with_for_update().execution_options(populate_existing=True)


@dataclass(frozen=True, slots=True)
class SqlFiles(Files):
    session: AsyncSession

    @override
    def add(self, file: StoredFile) -> None:
        self.session.add(file)

    @override
    async def get(self, id: FileId) -> StoredFile | None:
        return await self.session.get(StoredFile, id)

    @override
    async def hold(self, id: FileId) -> StoredFile | None:
        f = t.stored_files.c
        return await self.session.scalar(_held(select(StoredFile).where(f.id == id)))

    @override
    async def by_name(self, name: str, owner: UserId | None) -> StoredFile | None:
        f = t.stored_files.c
        meant = case((f.stored_name == name, 0), (f.original_name == name, 1), else_=2)
        called = or_(f.stored_name == name, f.original_name == name, f.index_name == name)
        found = select(StoredFile).where(_among(owner), called).order_by(meant, f.id.desc()).limit(1)
        return await self.session.scalar(_held(found))

    @override
    async def beginning_with(self, start: str, owner: UserId | None) -> Sequence[StoredFile]:
        f = t.stored_files.c
        called = func.substr(f.original_name, 1, len(start)) == start  # LIKE knows no letter case in SQLite
        found = select(StoredFile).where(_among(owner), called).order_by(f.id.desc()).limit(2)
        return (await self.session.scalars(_held(found))).all()

    @override
    async def usage(self, owner: UserId) -> Usage:
        await self._take_turn(owner)
        files, size = (await self.session.execute(kept_by(owner))).one()
        return Usage(files, int(size))

    async def _take_turn(self, owner: UserId) -> None:
        """The owner's row stands for his names and his room; SQLite has let only one writer in anyway."""
        his_turn = select(t.users.c.id).where(t.users.c.id == owner).with_for_update(key_share=True)
        await self.session.execute(his_turn)

    @override
    async def stored_names_like(self, owner: UserId, stored_name: str) -> set[str]:
        await self._take_turn(owner)
        column = t.stored_files.c.stored_name
        taken = select(column).where(
            t.stored_files.c.user_id == owner, column.like(_like_variants(stored_name), escape="\\")
        )
        variants = _variants(stored_name)
        return {name for name in await self.session.scalars(taken) if variants.fullmatch(name)}

    @override
    async def index_names_like(self, owner: UserId, index_name: str, *, public: bool = False) -> set[str]:
        if public and self.session.get_bind().dialect.name == "postgresql":
            await self.session.execute(select(func.pg_advisory_xact_lock(PUBLIC_NAMES_TURN)))
        f, column = t.stored_files.c, t.stored_files.c.index_name
        counts = or_(f.user_id == owner, f.public) if public else f.user_id == owner
        taken = select(column).where(counts, column.like(_like_variants(index_name), escape="\\"))
        variants = _variants(index_name)
        return {name for name in await self.session.scalars(taken) if name and variants.fullmatch(name)}

    @override
    async def mark_indexed(
        self,
        id: FileId,
        status: IndexState,
        error: str | None = None,
        report: dict[str, object] | None = None,
    ) -> None:
        f = t.stored_files
        outcome = {"rag_status": status, "rag_error": error, "index_report": report}
        await self.session.execute(update(f).where(f.c.id == id).values(outcome))

    @override
    async def of_session(self, session: SessionId) -> Sequence[StoredFile]:
        f = t.stored_files.c
        his = select(StoredFile).where(f.session_id == session, f.public.is_(False), f.deleted_at.is_(None))
        return (await self.session.scalars(his.order_by(f.id))).all()

    @override
    async def living(self, ids: Collection[FileId]) -> set[FileId]:
        f = t.stored_files.c
        living = select(f.id).where(f.id.in_(ids), f.deleted_at.is_(None)).order_by(f.id)
        return set(await self.session.scalars(living.with_for_update(read=True)))

    @override
    async def personal_of(self, owner: UserId) -> Sequence[StoredFile]:
        f = t.stored_files.c
        his = select(StoredFile).where(f.user_id == owner, f.public.is_(False)).order_by(f.id)
        return (await self.session.scalars(his)).all()

    @override
    async def remove(self, id: FileId) -> None:
        await self.session.execute(delete(t.stored_files).where(t.stored_files.c.id == id))


@dataclass(frozen=True, slots=True)
class SqlNotifications(Notifications):
    session: AsyncSession

    @override
    async def add(self, user: UserId, title: str, message: str, type: str, now: datetime) -> None:
        await self.session.execute(
            insert(t.notifications).values(
                user_id=user, title=title, message=message, type=type, created_at=now
            )
        )

    @override
    async def mark_read(self, user: UserId, id: int) -> bool:
        n = t.notifications.c
        marked = await self.session.execute(
            update(t.notifications).where(n.id == id, n.user_id == user).values(is_read=True).returning(n.id)
        )
        return marked.first() is not None


@dataclass(frozen=True, slots=True)
class SqlActionLog(ActionLog):
    session: AsyncSession
    _lines: list[ActionLine] = field(default_factory=list)

    @override
    async def record(
        self,
        operator: Actor,
        action: str,
        target: User | Target,
        now: datetime,
        details: dict[str, object] | None = None,
        reason: str | None = None,
    ) -> None:
        self._lines.append(
            ActionLine(
                operator_email=operator.email,
                role=str(operator.role),
                action=action,
                target_user_id=target.id,
                target_user_email=target.email,
                reason=reason,
                details=details,
                timestamp=now,
            )
        )

    async def append(self) -> None:
        """The recorded lines get their place. Last in a unit of work: whoever has the end of the log waits
        for nobody any more."""
        if not self._lines:
            return
        if self.session.get_bind().dialect.name == "postgresql":
            await self.session.execute(select(func.pg_advisory_xact_lock(LOG_TURN)))
        a = t.user_action_logs.c
        last = await self.session.scalar(select(a.hash).order_by(a.id.desc()).limit(1))
        previous = last or FIRST
        for line in self._lines:
            previous = line.chained_to(previous)
            await self.session.execute(insert(t.user_action_logs).values(**asdict(line), hash=previous))
        self._lines.clear()

    @override
    async def expire(self, before: datetime, most: int) -> int:
        a = t.user_action_logs.c
        front = select(a.id, a.timestamp).order_by(a.id).limit(most + 1)
        lines = (await self.session.execute(front)).all()
        old = list(takewhile(lambda line: line.timestamp < before, lines))
        if len(old) == len(lines):  # the last line, or one more than may go
            old = old[:-1]
        if not old:
            return 0
        upto = old[-1].id
        line = select(a.id, a.hash, a.timestamp).where(a.id == upto)
        await self.session.execute(insert(t.expired_actions).from_select(t.expired_actions.c.keys(), line))
        gone = await self.session.execute(delete(t.user_action_logs).where(a.id <= upto).returning(a.id))
        return len(gone.all())


@dataclass(frozen=True, slots=True)
class SqlTutorRequests(TutorRequests):
    session: AsyncSession

    @override
    def add(self, request: TutorRequest) -> None:
        self.session.add(request)

    @override
    async def get(self, id: TutorRequestId) -> TutorRequest | None:
        return await self.session.get(TutorRequest, id, with_for_update=True, populate_existing=True)

    @override
    async def requester(self, id: TutorRequestId) -> UserId | None:
        r = t.tutor_requests.c
        return await self.session.scalar(select(r.user_id).where(r.id == id))

    @override
    async def pending_of(self, user: UserId) -> TutorRequest | None:
        r = t.tutor_requests.c
        waiting = select(TutorRequest).where(r.user_id == user, r.status == RequestStatus.PENDING)
        return await self.session.scalar(waiting.order_by(r.id).limit(1).with_for_update())

    @override
    async def rename_decider(self, old: str, new: str | None) -> None:
        r = t.tutor_requests.c
        await self.session.execute(update(t.tutor_requests).where(r.decided_by == old).values(decided_by=new))


@dataclass(frozen=True, slots=True)
class SqlExports(Exports):
    session: AsyncSession

    @override
    def add(self, export: Export) -> None:
        self.session.add(export)

    @override
    async def get(self, id: ExportId) -> Export | None:
        return await self.session.get(Export, id, with_for_update=True, populate_existing=True)

    @override
    async def of(self, user: UserId) -> Sequence[Export]:
        e = t.exports.c
        return (
            await self.session.scalars(select(Export).where(e.user_id == user).order_by(e.id.desc()))
        ).all()

    @override
    async def remove(self, id: ExportId) -> None:
        await self.session.execute(delete(t.exports).where(t.exports.c.id == id))
