"""What a unit of work reads and changes. Nothing here commits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from typing_extensions import override

from adapters.sql import mapping as t
from application.ports.persistence import (
    ActionLog,
    Files,
    Jobs,
    Messages,
    Notifications,
    Sessions,
    TutorRequests,
    Users,
)
from domain.conversation import ChatSession, MemoryId, Message, MessageId, MessageState, SessionId
from domain.document import FileId, IndexState, StoredFile
from domain.job import JobKind, JobState
from domain.user import Role, User, UserId


@dataclass(frozen=True, slots=True)
class SqlUsers(Users):
    session: AsyncSession

    @override
    def add(self, user: User) -> None:
        self.session.add(user)

    @override
    async def get(self, id: UserId) -> User | None:
        return await self.session.get(
            User,
            id,
            options=[joinedload(User.profile)],  # type: ignore[arg-type]  # mapped imperatively
            with_for_update={"of": [User]},
            populate_existing=True,
        )

    @override
    async def by_email(self, email: str) -> User | None:
        found = select(User).where(t.users.c.email == email).options(joinedload(User.profile))  # type: ignore[arg-type]  # mapped imperatively
        return await self.session.scalar(found)

    @override
    async def with_role(self, role: Role) -> Sequence[User]:
        return (await self.session.scalars(select(User).where(t.users.c.role == role))).all()


@dataclass(frozen=True, slots=True)
class SqlSessions(Sessions):
    session: AsyncSession

    @override
    async def new_memory(self) -> MemoryId:
        made = await self.session.execute(insert(t.llm_sessions).returning(t.llm_sessions.c.id))
        return MemoryId(made.scalar_one())

    @override
    def add(self, session: ChatSession) -> None:
        self.session.add(session)

    @override
    async def get(self, id: SessionId) -> ChatSession | None:
        return await self.session.get(ChatSession, id)

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
    async def count_message(self, id: SessionId, now: datetime, n: int = 1) -> None:
        await self.session.execute(
            update(t.sessions)
            .where(t.sessions.c.id == id)
            .values(message_count=t.sessions.c.message_count + n, updated_at=now)
        )


@dataclass(frozen=True, slots=True)
class SqlMessages(Messages):
    session: AsyncSession

    @override
    def add(self, message: Message) -> None:
        self.session.add(message)

    @override
    async def get(self, id: MessageId) -> Message | None:
        return await self.session.get(Message, id)

    @override
    async def settle(
        self, id: MessageId, state: MessageState, content: str, sources: list[dict[str, object]] | None
    ) -> bool:
        # RETURNING instead of a row count: drivers disagree on the latter
        settled = await self.session.execute(
            update(t.messages)
            .where(t.messages.c.id == id, t.messages.c.state == MessageState.STREAMING)
            .values(state=state, content=content, sources=sources)
            .returning(t.messages.c.id)
        )
        return settled.first() is not None

    @override
    async def streaming(self) -> Sequence[Message]:
        open_ones = select(Message).where(t.messages.c.state == MessageState.STREAMING)
        return (await self.session.scalars(open_ones.order_by(t.messages.c.id))).all()


def _variants(name: str) -> re.Pattern[str]:
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    return re.compile(re.escape(stem) + r"(-\d+)?" + re.escape(dot + extension))


def _like_variants(name: str) -> str:
    stem = name.rpartition(".")[0] or name
    return re.sub(r"([\\%_])", r"\\\1", stem) + "%"


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
    async def stored_names_like(self, owner: UserId, stored_name: str) -> set[str]:
        # the owner's row stands for his names; SQLite has let only one writer in anyway
        his_turn = select(t.users.c.id).where(t.users.c.id == owner).with_for_update(key_share=True)
        await self.session.execute(his_turn)
        column = t.stored_files.c.stored_name
        taken = select(column).where(
            t.stored_files.c.user_id == owner, column.like(_like_variants(stored_name), escape="\\")
        )
        variants = _variants(stored_name)
        return {name for name in await self.session.scalars(taken) if variants.fullmatch(name)}

    @override
    async def index_names_like(self, owner: UserId, index_name: str) -> set[str]:
        column = t.stored_files.c.index_name
        taken = select(column).where(
            t.stored_files.c.user_id == owner, column.like(_like_variants(index_name), escape="\\")
        )
        variants = _variants(index_name)
        return {name for name in await self.session.scalars(taken) if name and variants.fullmatch(name)}

    @override
    async def mark_indexed(self, id: FileId, status: IndexState, error: str | None = None) -> None:
        await self.session.execute(
            update(t.stored_files).where(t.stored_files.c.id == id).values(rag_status=status, rag_error=error)
        )


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


@dataclass(frozen=True, slots=True)
class SqlActionLog(ActionLog):
    session: AsyncSession

    @override
    async def record(
        self,
        operator: User,
        action: str,
        target: User,
        now: datetime,
        details: dict[str, object] | None = None,
        reason: str | None = None,
    ) -> None:
        await self.session.execute(
            insert(t.user_action_logs).values(
                operator_email=operator.email,
                role=operator.role,
                action=action,
                target_user_id=target.id,
                target_user_email=target.email,
                reason=reason,
                details=details,
                timestamp=now,
            )
        )


@dataclass(frozen=True, slots=True)
class SqlTutorRequests(TutorRequests):
    session: AsyncSession

    @override
    async def add(self, user: UserId, reason: str, now: datetime) -> None:
        await self.session.execute(
            insert(t.tutor_requests).values(user_id=user, reason=reason, created_at=now)
        )


@dataclass(frozen=True, slots=True)
class SqlJobs(Jobs):
    session: AsyncSession

    @override
    async def add(self, kind: JobKind, payload: dict[str, object], dedup_key: str, now: datetime) -> None:
        dialect = self.session.get_bind().dialect.name
        build = sqlite_insert if dialect == "sqlite" else postgresql_insert
        # spelled out: with parameters PostgreSQL's generic plan does not recognise the partial index
        unfinished = text(f"state IN ('{JobState.WAITING}', '{JobState.RUNNING}')")
        await self.session.execute(
            build(t.jobs)
            .values(
                kind=kind,
                payload=payload,
                dedup_key=dedup_key,
                state=JobState.WAITING,
                run_at=now,
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=[t.jobs.c.dedup_key], index_where=unfinished)
        )
