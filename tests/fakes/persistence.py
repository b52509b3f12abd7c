"""A database in memory: units of work one after another, undone unless committed, ids never given twice."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from operator import attrgetter
from typing import Any, TypeVar

from typing_extensions import override

from application.ports.persistence import (
    Account,
    ActionLog,
    Actor,
    Citing,
    Context,
    Credentials,
    Exports,
    FileLine,
    FileProgress,
    FileRecord,
    Files,
    FoundLine,
    IdleSession,
    Inbox,
    JobQueue,
    Jobs,
    KnownFile,
    Listed,
    MessageLine,
    Messages,
    NotificationLine,
    Notifications,
    ProfileCard,
    Reading,
    ReplyRecord,
    SessionLine,
    Sessions,
    Settled,
    Shelf,
    Target,
    Told,
    TutorRequests,
    Users,
    VersionLine,
    Work,
    WorkFactory,
)
from domain.conversation import (
    ChatSession,
    MemoryId,
    Message,
    MessageId,
    MessageState,
    SessionId,
    Speaker,
)
from domain.document import FileId, IndexState, NameTaken, StoredFile, Usage
from domain.errors import DomainError, StorageUnavailable
from domain.export import Export, ExportId
from domain.job import Job, JobId, JobKind, JobState
from domain.speech import last_words
from domain.tutor_request import RequestStatus, TutorRequest, TutorRequestId
from domain.user import DEFAULT_PICTURE, EmailTaken, Role, Status, User, UserId
from domain.words import index_text, words


@dataclass(slots=True)
class Note:
    id: int
    user: UserId
    title: str
    message: str
    type: str
    at: datetime
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    operator: str
    role: str
    action: str
    target: UserId
    target_email: str
    at: datetime
    details: dict[str, object] | None
    reason: str | None

    def __deepcopy__(self, _: object) -> "LogLine":
        return self  # nobody changes it any more


@dataclass(slots=True, kw_only=True)
class JobRow:
    id: JobId
    kind: JobKind
    payload: dict[str, object]
    dedup_key: str
    run_at: datetime
    owner: UserId | None = None
    state: JobState = JobState.WAITING
    attempts: int = 0
    holder: str | None = None
    progress: int | None = None
    lease_until: datetime | None = None
    error: str | None = None

    @property
    def unfinished(self) -> bool:
        return self.state in (JobState.WAITING, JobState.RUNNING)

    def settle(self) -> None:
        self.state, self.payload, self.owner = JobState.DONE, {}, None
        self.holder, self.lease_until = None, None


FEW = 3  # replies that cite a file, told at once
_KINDS = ("user", "session", "message", "file", "memory", "job", "note", "tutor_request", "export")


@dataclass
class Tables:
    users: dict[UserId, User] = field(default_factory=dict)
    sessions: dict[SessionId, ChatSession] = field(default_factory=dict)
    messages: dict[MessageId, Message] = field(default_factory=dict)
    files: dict[FileId, StoredFile] = field(default_factory=dict)
    notifications: list[Note] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    tutor_requests: dict[TutorRequestId, TutorRequest] = field(default_factory=dict)
    exports: dict[ExportId, Export] = field(default_factory=dict)
    jobs: dict[JobId, JobRow] = field(default_factory=dict)


class FakeDatabase:
    """What was committed is in `tables`. `down`: nobody reaches it; `failing_commits`: so many of the next
    commits are lost; `unheard_commits`: so many succeed without saying so; `blind`: so many of the next
    look-ups of taken names see none, as when another has taken them and not committed yet."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.down = False
        self.failing_commits = 0
        self.unheard_commits = 0
        self.blind = 0
        self.commits = 0
        self.open = 0  # units of work in progress
        self._ids = {kind: count(1) for kind in _KINDS}
        self._turn = asyncio.Lock()

    def next_id(self, kind: str) -> int:
        return next(self._ids[kind])

    def reachable(self) -> None:
        if self.down:
            raise StorageUnavailable

    def commit(self, tables: Tables) -> None:
        self.reachable()
        if self.failing_commits:
            self.failing_commits -= 1
            raise StorageUnavailable
        self.tables = deepcopy(tables)
        self.commits += 1
        if self.unheard_commits:
            self.unheard_commits -= 1
            raise StorageUnavailable

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Tables]:
        """What was committed, with nobody else at work on it."""
        self.reachable()
        async with self._turn:
            self.open += 1
            try:
                yield self.tables
            finally:
                self.open -= 1

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeWork"]:
        async with self.turn():
            yield FakeWork(self)


Entity = User | ChatSession | Message | StoredFile | TutorRequest | Export


@dataclass(frozen=True, slots=True)
class FakeWorkFactory(WorkFactory):
    database: FakeDatabase

    @override
    def __call__(self) -> AbstractAsyncContextManager[Work]:
        return self.database.work()


class FakeWork(Work):
    def __init__(self, database: FakeDatabase) -> None:
        self.database = database
        self.tables = deepcopy(database.tables)
        self.added: list[tuple[str, Entity]] = []
        self.users = _Users(self)
        self.sessions = _Sessions(self)
        self.messages = _Messages(self)
        self.files = _Files(self)
        self.notifications = _Notifications(self)
        self.log = _Log(self)
        self.tutor_requests = _TutorRequests(self)
        self.exports = _Exports(self)
        self.jobs = _Jobs(self)

    @override
    async def flush(self) -> None:
        await self.pause()
        added, self.added = self.added, []
        for kind, entity in added:
            match entity:
                case User():
                    entity.id = UserId(self.database.next_id(kind))
                    self.tables.users[entity.id] = entity
                case ChatSession():
                    entity.id = SessionId(self.database.next_id(kind))
                    self.tables.sessions[entity.id] = entity
                case Message():
                    entity.id = MessageId(self.database.next_id(kind))
                    self.tables.messages[entity.id] = entity
                case StoredFile():
                    entity.id = FileId(self.database.next_id(kind))
                    self.tables.files[entity.id] = entity
                case TutorRequest():
                    entity.id = TutorRequestId(self.database.next_id(kind))
                    self.tables.tutor_requests[entity.id] = entity
                case Export():
                    entity.id = ExportId(self.database.next_id(kind))
                    self.tables.exports[entity.id] = entity
        self._check_constraints()

    @override
    async def commit(self) -> None:
        await self.flush()
        self.database.commit(self.tables)

    async def pause(self) -> None:
        """Every statement is a chance for others to run, and for the database to be gone."""
        await asyncio.sleep(0)
        self.database.reachable()

    def _check_constraints(self) -> None:
        files = self.tables.files.values()
        _unique((user.email for user in self.tables.users.values()), EmailTaken)
        _unique(((f.user_id, f.stored_name) for f in files if f.user_id), NameTaken)
        _unique(((f.user_id, f.index_name) for f in files if f.user_id and f.index_name), NameTaken)
        _unique((f.index_name for f in files if f.public and f.index_name), NameTaken)


def _unique(values: Iterable[Hashable], refusal: Callable[[], DomainError]) -> None:
    listed = list(values)
    if len(set(listed)) < len(listed):
        raise refusal()


@dataclass(frozen=True, slots=True)
class _Users(Users):
    work: FakeWork

    @override
    def add(self, user: User) -> None:
        self.work.added.append(("user", user))

    @override
    async def get(self, id: UserId) -> User | None:
        await self.work.pause()
        user = self.work.tables.users.get(id)
        return user if user is not None and user.deleted_at is None else None

    @override
    async def bare(self, id: UserId) -> User | None:
        return await self.get(id)

    @override
    async def by_email(self, email: str) -> User | None:
        await self.work.pause()
        return next((user for user in self.work.tables.users.values() if user.email == email), None)

    @override
    async def with_role(self, role: Role) -> Sequence[User]:
        await self.work.pause()
        return [user for user in self.work.tables.users.values() if user.role is role]

    @override
    async def mark_absent(self, ids: Sequence[UserId], before: datetime) -> int:
        await self.work.pause()
        users = self.work.tables.users
        found = [users[id] for id in ids if id in users and _is_active(users[id], before)]
        for user in found:
            user.status = Status.INACTIVE
        return len(found)

    @override
    async def hold_admins(self) -> set[UserId]:
        await self.work.pause()
        users = self.work.tables.users.values()
        return {u.id for u in users if u.role is Role.ADMIN and u.status is not Status.BANNED}

    @override
    async def forget_rows(self, id: UserId, now: datetime) -> Mapping[str, int]:
        await self.work.pause()
        tables = self.work.tables
        sessions = {s.id for s in tables.sessions.values() if s.owner == id}
        messages = {m.id for m in tables.messages.values() if m.session_id in sessions}
        counts = {
            "messages": _drop(tables.messages, lambda m: m.id in messages),
            "chat_sessions": _drop(tables.sessions, lambda s: s.id in sessions),
            "notifications": sum(note.user == id for note in tables.notifications),
            "tutor_requests": _drop(tables.tutor_requests, lambda r: r.user_id == id),
            "profiles": int(tables.users[id].profile is not None),
            "safeguards": 0,  # only the LLM service writes them
        }
        tables.notifications = [note for note in tables.notifications if note.user != id]
        tables.users[id].profile = None
        for file in tables.files.values():
            if file.user_id == id and not file.public and file.deleted_at is None:
                file.deleted_at = now
            file.message_id = None if file.message_id in messages else file.message_id
            file.session_id = None if file.session_id in sessions else file.session_id
        return counts

    @override
    async def buried(self, id: UserId) -> User | None:
        await self.work.pause()
        user = self.work.tables.users.get(id)
        return user if user is not None and user.deleted_at is not None else None

    @override
    async def remove(self, id: UserId) -> None:
        await self.work.pause()
        tables = self.work.tables
        user = tables.users.get(id)
        if user is None or user.deleted_at is None:
            return
        del tables.users[id]
        _drop(tables.exports, lambda export: export.user_id == id)
        for file in tables.files.values():
            file.user_id = None if file.user_id == id else file.user_id


def _is_active(user: User, before: datetime) -> bool:
    return user.status is Status.ACTIVE and user.last_login is not None and user.last_login < before


T = TypeVar("T")


def _drop(rows: dict[Any, T], which: Callable[[T], bool]) -> int:
    doomed = [id for id, row in rows.items() if which(row)]
    for id in doomed:
        del rows[id]
    return len(doomed)


@dataclass(frozen=True, slots=True)
class _Sessions(Sessions):
    work: FakeWork

    @override
    async def new_memory(self) -> MemoryId:
        await self.work.pause()
        return MemoryId(self.work.database.next_id("memory"))

    @override
    def add(self, session: ChatSession) -> None:
        self.work.added.append(("session", session))

    @override
    async def get(self, id: SessionId) -> ChatSession | None:
        await self.work.pause()
        return self.work.tables.sessions.get(id)

    @override
    async def hold(self, id: SessionId) -> ChatSession | None:
        return await self.get(id)

    @override
    async def renew_memory(self, id: SessionId, memory: MemoryId) -> None:
        if session := await self.get(id):
            session.memory, session.memory_is_fresh = memory, True

    @override
    async def heard(self, id: SessionId) -> None:
        if session := await self.get(id):
            session.memory_is_fresh = False

    @override
    async def remove(self, id: SessionId) -> None:
        await self.work.pause()
        tables = self.work.tables
        messages = {m.id for m in tables.messages.values() if m.session_id == id}
        _drop(tables.messages, lambda m: m.id in messages)
        _drop(tables.sessions, lambda s: s.id == id)
        for file in tables.files.values():
            file.message_id = None if file.message_id in messages else file.message_id
            file.session_id = None if file.session_id == id else file.session_id

    @override
    async def newest_of(self, owner: UserId, since: datetime) -> ChatSession | None:
        await self.work.pause()
        mine = [s for s in self.work.tables.sessions.values() if s.owner == owner and s.updated_at >= since]
        return max(mine, key=lambda session: (session.updated_at, session.id), default=None)

    @override
    async def is_idle(self, id: SessionId, before: datetime) -> bool:
        await self.work.pause()
        return any(session.id == id for session in _idle(self.work.tables, before))

    @override
    async def count_message(self, id: SessionId, now: datetime, n: int = 1) -> None:
        await self.work.pause()
        if session := self.work.tables.sessions.get(id):
            session.message_count += n
            session.updated_at = now


def _idle(tables: Tables, before: datetime) -> list[ChatSession]:
    busy = {m.session_id for m in tables.messages.values() if m.state is MessageState.STREAMING}
    idle = [s for s in tables.sessions.values() if s.updated_at < before and s.id not in busy]
    return sorted(idle, key=lambda session: (session.updated_at, session.id))


@dataclass(frozen=True, slots=True)
class _Messages(Messages):
    work: FakeWork

    @override
    def add(self, message: Message) -> None:
        self.work.added.append(("message", message))

    @override
    async def get(self, id: MessageId) -> Message | None:
        await self.work.pause()
        return self.work.tables.messages.get(id)

    @override
    async def settle(
        self, id: MessageId, state: MessageState, content: str, sources: list[dict[str, object]] | None
    ) -> Settled | None:
        await self.work.pause()
        messages = self.work.tables.messages
        message = messages.get(id)
        if message is None or message.state is not MessageState.STREAMING:
            return None
        message.state, message.content, message.sources = state, content, sources
        if not content or message.superseded_by is not None:
            return Settled(0)
        return Settled(
            1 - self._supersede((m for m in messages.values() if m.root == message.root and m.id < id), id)
        )

    @override
    async def detach(self, file: FileId) -> None:
        await self.work.pause()
        for message in self.work.tables.messages.values():
            if message.file_id == file:
                message.file_id = message.file_path = None

    @override
    async def withdraw(self, id: MessageId, file: StoredFile) -> None:
        await self.work.pause()
        if message := self.work.tables.messages.get(id):
            message.sources = [s for s in message.sources or () if not file.is_source(s)] or None

    @override
    async def spoken(self, id: MessageId, upto: int, *, cut: bool = False) -> None:
        await self.work.pause()
        message = self.work.tables.messages.get(id)
        if message is None or (message.spoken_upto is not None and not cut):
            return
        message.spoken_upto = upto
        if cut:
            heard = last_words((message.content or "")[:upto])
            self.work.tables.sessions[message.session_id].heard = heard or None

    @override
    async def supersede_from(self, first: MessageId, by: MessageId) -> int:
        await self.work.pause()
        session = self.work.tables.messages[by].session_id
        return self._supersede((m for m in self._branch(session) if m.id >= first and m.id != by), by)

    def _branch(self, session: SessionId) -> list[Message]:
        return [
            m
            for m in self.work.tables.messages.values()
            if m.session_id == session and m.superseded_by is None
        ]

    def _supersede(self, which: Iterable[Message], by: MessageId) -> int:
        gone = [message for message in which if message.superseded_by is None]
        for message in gone:
            message.superseded_by = by
            session = self.work.tables.sessions[message.session_id]
            if session.summary_upto is not None and session.summary_upto >= message.id:
                session.summary = session.summary_upto = None
        return sum(message.visible for message in gone)

    @override
    async def last_exchange(self, session: SessionId) -> tuple[Message, Message | None] | None:
        await self.work.pause()
        question = answer = None
        for message in self._branch(session):
            if message.speaker is Speaker.USER and message.file_type is None:
                question, answer = message, None
            elif message.speaker is Speaker.ASSISTANT and message.visible:
                answer = message
        return None if question is None else (question, answer)

    @override
    async def replies_in(self, session: SessionId) -> Sequence[MessageId]:
        await self.work.pause()
        messages = self.work.tables.messages.values()
        return [m.id for m in messages if m.session_id == session and m.speaker is Speaker.ASSISTANT]

    @override
    async def replies_of(
        self, owner: UserId, since: datetime, most: int
    ) -> Sequence[tuple[SessionId, MessageId]]:
        await self.work.pause()
        tables = self.work.tables
        his = {session.id for session in tables.sessions.values() if session.owner == owner}
        replies = [
            (m.session_id, m.id)
            for m in tables.messages.values()
            if m.session_id in his and m.speaker is Speaker.ASSISTANT and m.created_at > since
        ]
        return sorted(replies, key=lambda reply: -reply[1])[:most]


def _variants(names: Iterable[str | None], name: str) -> set[str]:
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    pattern = re.compile(re.escape(stem) + r"(-\d+)?" + re.escape(dot + extension))
    return {taken for taken in names if taken and pattern.fullmatch(taken)}


@dataclass(frozen=True, slots=True)
class _Files(Files):
    work: FakeWork

    @override
    def add(self, file: StoredFile) -> None:
        self.work.added.append(("file", file))

    @override
    async def get(self, id: FileId) -> StoredFile | None:
        await self.work.pause()
        return self.work.tables.files.get(id)

    @override
    async def hold(self, id: FileId) -> StoredFile | None:
        file = await self.get(id)
        return file if file is not None and file.deleted_at is None else None

    @override
    async def by_name(self, name: str, owner: UserId | None) -> StoredFile | None:
        await self.work.pause()
        files = list(reversed(self._among(owner)))
        for called in (attrgetter("stored_name"), attrgetter("original_name"), attrgetter("index_name")):
            if found := next((file for file in files if called(file) == name), None):
                return found
        return None

    @override
    async def beginning_with(self, start: str, owner: UserId | None) -> Sequence[StoredFile]:
        await self.work.pause()
        return [f for f in reversed(self._among(owner)) if f.original_name.startswith(start)][:2]

    def _among(self, owner: UserId | None) -> list[StoredFile]:
        living = [file for file in self.work.tables.files.values() if file.deleted_at is None]
        return [f for f in living if (f.public if owner is None else f.user_id == owner and not f.public)]

    @override
    async def usage(self, owner: UserId) -> Usage:
        await self.work.pause()
        kept = [file.size for file in self._of(owner) if file.deleted_at is None]
        return Usage(len(kept), sum(kept))

    @override
    async def stored_names_like(self, owner: UserId, stored_name: str) -> set[str]:
        await self.work.pause()
        return self._seen(_variants((f.stored_name for f in self._of(owner)), stored_name))

    @override
    async def index_names_like(self, owner: UserId, index_name: str, *, public: bool = False) -> set[str]:
        await self.work.pause()
        files = self.work.tables.files.values()
        names = (f.index_name for f in files if f.user_id == owner or (public and f.public))
        return self._seen(_variants(names, index_name))

    @override
    async def mark_indexed(
        self,
        id: FileId,
        status: IndexState,
        error: str | None = None,
        report: dict[str, object] | None = None,
    ) -> None:
        await self.work.pause()
        if file := self.work.tables.files.get(id):
            file.rag_status, file.rag_error, file.index_report = status, error, report

    @override
    async def of_session(self, session: SessionId) -> Sequence[StoredFile]:
        await self.work.pause()
        files = self.work.tables.files.values()
        return [f for f in files if f.session_id == session and not f.public and f.deleted_at is None]

    @override
    async def living(self, ids: Collection[FileId]) -> set[FileId]:
        await self.work.pause()
        files = self.work.tables.files
        return {id for id in ids if id in files and files[id].deleted_at is None}

    @override
    async def personal_of(self, owner: UserId) -> Sequence[StoredFile]:
        await self.work.pause()
        return [file for file in self._of(owner) if not file.public]

    @override
    async def remove(self, id: FileId) -> None:
        await self.work.pause()
        self.work.tables.files.pop(id, None)

    def _seen(self, names: set[str]) -> set[str]:
        if self.work.database.blind:
            self.work.database.blind -= 1
            return set()
        return names

    def _of(self, owner: UserId) -> list[StoredFile]:
        return [file for file in self.work.tables.files.values() if file.user_id == owner]


@dataclass(frozen=True, slots=True)
class _Notifications(Notifications):
    work: FakeWork

    @override
    async def add(self, user: UserId, title: str, message: str, type: str, now: datetime) -> None:
        await self.work.pause()
        id = self.work.database.next_id("note")
        self.work.tables.notifications.append(Note(id, user, title, message, type, now))

    @override
    async def mark_read(self, user: UserId, id: int) -> bool:
        await self.work.pause()
        note = next((n for n in self.work.tables.notifications if n.id == id and n.user == user), None)
        if note is not None:
            note.is_read = True
        return note is not None


@dataclass(frozen=True, slots=True)
class _Log(ActionLog):
    work: FakeWork

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
        await self.work.pause()
        line = LogLine(
            operator.email, str(operator.role), action, target.id, target.email, now, details, reason
        )
        self.work.tables.log.append(line)

    @override
    async def expire(self, before: datetime, most: int) -> int:
        await self.work.pause()
        lines = self.work.tables.log
        young = next((n for n, line in enumerate(lines) if line.at >= before), len(lines) - 1)
        gone = max(0, min(young, most))
        del lines[:gone]
        return gone


@dataclass(frozen=True, slots=True)
class _TutorRequests(TutorRequests):
    work: FakeWork

    @override
    def add(self, request: TutorRequest) -> None:
        self.work.added.append(("tutor_request", request))

    @override
    async def get(self, id: TutorRequestId) -> TutorRequest | None:
        await self.work.pause()
        return self.work.tables.tutor_requests.get(id)

    @override
    async def requester(self, id: TutorRequestId) -> UserId | None:
        await self.work.pause()
        request = self.work.tables.tutor_requests.get(id)
        return request.user_id if request else None

    @override
    async def pending_of(self, user: UserId) -> TutorRequest | None:
        await self.work.pause()
        requests = self.work.tables.tutor_requests.values()
        waiting = (r for r in requests if r.user_id == user and r.status is RequestStatus.PENDING)
        return next(waiting, None)

    @override
    async def rename_decider(self, old: str, new: str | None) -> None:
        await self.work.pause()
        for request in self.work.tables.tutor_requests.values():
            if request.decided_by == old:
                request.decided_by = new


@dataclass(frozen=True, slots=True)
class _Exports(Exports):
    work: FakeWork

    @override
    def add(self, export: Export) -> None:
        self.work.added.append(("export", export))

    @override
    async def get(self, id: ExportId) -> Export | None:
        await self.work.pause()
        return self.work.tables.exports.get(id)

    @override
    async def of(self, user: UserId) -> Sequence[Export]:
        await self.work.pause()
        return [e for e in reversed(self.work.tables.exports.values()) if e.user_id == user]

    @override
    async def remove(self, id: ExportId) -> None:
        await self.work.pause()
        self.work.tables.exports.pop(id, None)


@dataclass(frozen=True, slots=True)
class _Jobs(Jobs):
    work: FakeWork

    @override
    async def add(
        self,
        kind: JobKind,
        payload: dict[str, object],
        dedup_key: str,
        run_at: datetime,
        owner: UserId | None = None,
    ) -> None:
        if await self.is_unfinished(dedup_key):
            return
        id = JobId(self.work.database.next_id("job"))
        self.work.tables.jobs[id] = JobRow(
            id=id, kind=kind, payload=deepcopy(payload), dedup_key=dedup_key, run_at=run_at, owner=owner
        )

    @override
    async def amend(self, dedup_key: str, payload: dict[str, object]) -> None:
        await self.work.pause()
        for row in self.work.tables.jobs.values():
            if row.dedup_key == dedup_key and row.unfinished:
                row.payload = deepcopy(payload)

    @override
    async def cancel(self, dedup_key: str, now: datetime) -> bool:
        await self.work.pause()
        rows = [row for row in self.work.tables.jobs.values() if row.dedup_key == dedup_key]
        for row in rows:
            row.state = JobState.CANCELLED if row.unfinished else row.state
        return not any(row.lease_until is not None and row.lease_until >= now for row in rows)

    @override
    async def hasten(self, dedup_key: str, run_at: datetime) -> None:
        await self.work.pause()
        for row in self.work.tables.jobs.values():
            if row.dedup_key == dedup_key and row.state is JobState.WAITING:
                row.run_at = min(row.run_at, run_at)

    @override
    async def is_unfinished(self, dedup_key: str) -> bool:
        await self.work.pause()
        jobs = self.work.tables.jobs.values()
        return any(row.dedup_key == dedup_key and row.unfinished for row in jobs)

    @override
    async def went_wrong(self, dedup_key: str) -> bool:
        await self.work.pause()
        rows = [row for row in self.work.tables.jobs.values() if row.dedup_key == dedup_key]
        return any(row.attempts > (0 if row.state is JobState.CANCELLED else 1) for row in rows)

    @override
    async def is_held(self, job: Job) -> bool:
        await self.work.pause()
        return _held(self.work.tables, job.id, job.holder) is not None

    @override
    async def progress(self, job: Job, percent: int) -> None:
        await self.work.pause()
        if row := _held(self.work.tables, job.id, job.holder):
            row.progress = percent

    @override
    async def finish(self, job: Job) -> bool:
        await self.work.pause()
        row = _held(self.work.tables, job.id, job.holder)
        if row is not None:
            row.settle()
        return row is not None


@dataclass(frozen=True, slots=True)
class FakeJobQueue(JobQueue):
    database: FakeDatabase

    @override
    async def claim(
        self,
        holder: str,
        now: datetime,
        lease: timedelta,
        kinds: Collection[JobKind] = tuple(JobKind),
        at_once: int | None = None,
    ) -> Job | None:
        async with self.database.turn() as tables:
            ours = [row for row in tables.jobs.values() if row.kind in kinds]
            busy = Counter(row.owner for row in ours if _is_being_done(row, now))
            due = [
                row
                for row in ours
                if _is_due(row, now) and (at_once is None or not row.owner or busy[row.owner] < at_once)
            ]
            if not due:
                return None
            row = min(due, key=lambda row: (row.run_at, row.id))
            row.state, row.holder, row.lease_until = JobState.RUNNING, holder, now + lease
            row.attempts += 1
            row.progress = None
            for other in ours:
                if other.owner and other.owner == row.owner and other.state is JobState.WAITING:
                    other.run_at = max(other.run_at, now)
            return Job(row.id, row.kind, deepcopy(row.payload), row.attempts, row.lease_until, holder)

    @override
    async def renew(self, job: JobId, holder: str, lease_until: datetime) -> bool:
        async with self._ours(job, holder) as row:
            if row is not None:
                row.lease_until = lease_until
            return row is not None

    @override
    async def finish(self, job: JobId, holder: str) -> None:
        async with self._ours(job, holder) as row:
            if row is not None:
                row.settle()
        await self.let_go(job, holder)

    @override
    async def let_go(self, job: JobId, holder: str) -> None:
        async with self.database.turn() as tables:
            row = tables.jobs.get(job)
            if row and row.holder == holder and row.state is JobState.CANCELLED:
                row.holder, row.lease_until = None, None

    @override
    async def fail(self, job: JobId, holder: str, error: str, retry_at: datetime | None) -> None:
        async with self._ours(job, holder) as row:
            if row is not None:
                row.state = JobState.WAITING if retry_at else JobState.FAILED
                row.run_at = retry_at or row.run_at
                row.holder, row.lease_until, row.error = None, None, error[:200]
                row.progress = None
        await self.let_go(job, holder)

    @override
    async def spare(self, kind: JobKind, now: datetime) -> None:
        async with self.database.turn() as tables:
            for row in tables.jobs.values():
                if row.kind is kind and row.state is JobState.WAITING and row.run_at <= now:
                    row.settle()

    @override
    async def forget_settled(self, before: datetime, most: int) -> int:
        async with self.database.turn() as tables:
            old = [row.id for row in tables.jobs.values() if _is_settled(row, before)][:most]
            for id in old:
                del tables.jobs[id]
        return len(old)

    @asynccontextmanager
    async def _ours(self, job: JobId, holder: str) -> AsyncIterator[JobRow | None]:
        async with self.database.turn() as tables:
            yield _held(tables, job, holder)


def _held(tables: Tables, job: JobId, holder: str) -> JobRow | None:
    row = tables.jobs.get(job)
    return row if row and row.holder == holder and row.state is JobState.RUNNING else None


def _is_being_done(row: JobRow, now: datetime) -> bool:
    return row.state is JobState.RUNNING and row.lease_until is not None and row.lease_until >= now


def _is_settled(row: JobRow, before: datetime) -> bool:
    held = row.lease_until is not None and row.lease_until >= before
    return not row.unfinished and row.run_at < before and not held


def _is_due(row: JobRow, now: datetime) -> bool:
    if row.state is JobState.WAITING:
        return row.run_at <= now
    return row.state is JobState.RUNNING and row.lease_until is not None and row.lease_until < now


@dataclass(frozen=True, slots=True)
class FakeReading(Reading):
    database: FakeDatabase

    @override
    async def account(self, id: UserId) -> Account | None:
        user = self._tables.users.get(id)
        if user is None or user.deleted_at is not None:
            return None
        banned = user.status is Status.BANNED
        return Account(user.id, user.email, user.role, banned, user.tokens_from)

    @override
    async def credentials(self, email: str) -> Credentials | None:
        user = next((user for user in self._tables.users.values() if user.email == email), None)
        return Credentials(user.id, user.password_hash, user.status is Status.BANNED) if user else None

    @override
    async def is_known(self, email: str) -> bool:
        return await self.credentials(email) is not None

    @override
    async def profile(self, id: UserId) -> ProfileCard | None:
        user = self._tables.users.get(id)
        if user is None or user.deleted_at is not None or (shown := user.profile) is None:
            return None
        return ProfileCard(
            id=user.id,
            email=user.email,
            username=shown.username,
            full_name=shown.full_name,
            avatar_url=shown.avatar_url or DEFAULT_PICTURE,
            bio=shown.bio,
            phone=shown.phone,
            role=user.role,
        )

    @override
    async def inbox(self, owner: UserId, limit: int, offset: int, *, unread_only: bool) -> Inbox:
        mine = [note for note in reversed(self._tables.notifications) if note.user == owner]
        unread = [note for note in mine if not note.is_read]
        wanted = unread if unread_only else mine
        lines = [
            NotificationLine(n.id, n.title, n.message, n.type, n.is_read, n.at)
            for n in wanted[offset : offset + limit]
        ]
        return Inbox(len(wanted), len(unread), lines)

    @override
    async def active(self, before: datetime) -> Sequence[UserId]:
        return [user.id for user in self._tables.users.values() if _is_active(user, before)]

    @override
    async def history(self, owner: UserId, limit: int, offset: int) -> Listed[SessionLine]:
        mine = [session for session in self._tables.sessions.values() if session.owner == owner]
        mine.sort(key=lambda session: (session.updated_at, session.id), reverse=True)
        lines = [
            SessionLine(s.id, s.title, s.created_at, s.updated_at, s.message_count, s.is_favorite)
            for s in mine
        ]
        return Listed(len(lines), lines[offset : offset + limit])

    @override
    async def idle_sessions(
        self, before: datetime, most: int, after: IdleSession | None = None
    ) -> Sequence[IdleSession]:
        idle = [IdleSession(s.id, s.updated_at) for s in _idle(self._tables, before)]
        return [s for s in idle if after is None or (s.updated_at, s.id) > (after.updated_at, after.id)][
            :most
        ]

    @override
    async def messages(
        self, owner: UserId, session: SessionId, limit: int, before: MessageId | None
    ) -> Sequence[MessageLine] | None:
        found = self._tables.sessions.get(session)
        if found is None or found.owner != owner:
            return None
        return [_message(message) for message in self._branch(session, before)][-limit:]

    def _branch(self, session: SessionId, before: MessageId | None) -> list[Message]:
        return [
            message
            for message in self._tables.messages.values()
            if message.session_id == session
            and (before is None or message.id < before)
            and message.superseded_by is None
            and message.visible
        ]

    @override
    async def streaming(self) -> Sequence[tuple[SessionId, MessageId]]:
        open_ones = [m for m in self._tables.messages.values() if m.state is MessageState.STREAMING]
        return [(m.session_id, m.id) for m in open_ones]

    @override
    async def owns(self, owner: UserId, session: SessionId) -> bool:
        found = self._tables.sessions.get(session)
        return found is not None and found.owner == owner

    @override
    async def turns(self, session: SessionId, before: MessageId | None, most: int) -> Context:
        found = self._tables.sessions.get(session)
        if found is None:
            return Context()
        said = [Told(m.id, m.speaker, m.content or "") for m in self._branch(session, before) if _is_text(m)]
        return Context(said[-most:], found.summary, found.summary_upto)

    @override
    async def versions(self, owner: UserId, message: MessageId) -> Sequence[VersionLine] | None:
        asked = self._of(owner, message)
        if asked is None:
            return None
        seen = [m for m in self._tables.messages.values() if m.visible]
        return [
            VersionLine(
                _message(version),
                version.superseded_by is None,
                [
                    _message(m)
                    for m in seen
                    if m.superseded_by == version.superseded_by is not None
                    and m.id > version.id
                    and m.root != version.root
                ],
            )
            for version in seen
            if version.root == asked.root
        ]

    @override
    async def reply(self, owner: UserId, message: MessageId) -> ReplyRecord | None:
        found = self._of(owner, message)
        if found is None or found.speaker is not Speaker.ASSISTANT:
            return None
        return ReplyRecord(found.session_id, found.state, found.content or "", deepcopy(found.sources))

    def _of(self, owner: UserId, message: MessageId) -> Message | None:
        found = self._tables.messages.get(message)
        if found is None or self._tables.sessions[found.session_id].owner != owner:
            return None
        return found

    @override
    async def search(
        self, owner: UserId, wanted: Sequence[str], limit: int, offset: int
    ) -> Listed[FoundLine]:
        his = [session for session in self._tables.sessions.values() if session.owner == owner]
        found = [
            FoundLine(session.id, session.title, m.id, m.speaker, m.content, m.created_at)
            for session in his
            for m in self._branch(session.id, None)
            if m.content and wanted and _has_words(m.content, wanted)
        ]
        found.sort(key=lambda line: -line.message)
        return Listed(len(found), found[offset : offset + limit])

    @override
    async def files(self, owner: UserId, limit: int, offset: int) -> Listed[FileLine]:
        mine = [
            file
            for file in self._tables.files.values()
            if file.user_id == owner and not file.public and file.deleted_at is None
        ]
        lines = [
            FileLine(
                message_id=file.message_id,
                file_id=file.id,
                filename=file.original_name,
                file_type=file.kind,
                file_path=file.path,
                content=self._content_of(file.message_id),
                created_at=file.created_at,
                session_id=file.session_id,
                size=file.size,
                rag_status=file.rag_status,
                disk_name=file.disk_name,
            )
            for file in sorted(mine, key=lambda file: -file.id)
        ]
        return Listed(len(lines), lines[offset : offset + limit])

    @override
    async def file(self, id: FileId, reader: UserId, *, teaches: bool) -> FileRecord | None:
        found = self._tables.files.get(id)
        role = Role.TUTOR if teaches else Role.STUDENT
        if found is None or found.deleted_at is not None or not found.is_open_to(reader, role):
            return None
        return FileRecord(
            found.original_name, found.disk_name, found.kind, found.mime, found.size, found.sha256
        )

    @override
    async def file_progress(self, id: FileId, reader: UserId, *, teaches: bool) -> FileProgress | None:
        found = self._tables.files.get(id)
        role = Role.TUTOR if teaches else Role.STUDENT
        if found is None or found.deleted_at is not None or not found.is_open_to(reader, role):
            return None
        return self._progress(found)

    @override
    async def files_progress(self, owner: UserId) -> Sequence[FileProgress]:
        files = sorted(self._tables.files.values(), key=lambda file: file.id)
        return [self._progress(f) for f in files if f.user_id == owner and f.deleted_at is None]

    def _progress(self, file: StoredFile) -> FileProgress:
        jobs = self._tables.jobs.values()
        job = next((j for j in jobs if j.dedup_key == f"index:{file.id}" and j.unfinished), None)
        return FileProgress(
            file.id,
            file.original_name,
            file.rag_status,
            file.rag_error,
            job.state if job else None,
            job.progress if job else None,
        )

    @override
    async def index_state(self, file: FileId) -> tuple[IndexState | None, str | None]:
        found = self._tables.files.get(file)
        return (found.rag_status, found.rag_error) if found and not found.deleted_at else (None, None)

    @override
    async def shelf(self, reader: UserId, session: SessionId) -> Shelf:
        indexed = [
            file
            for file in self._within_reach(reader)
            if file.rag_status is IndexState.INDEXED and file.deleted_at is None
        ]
        return Shelf([f.original_name for f in indexed if f.session_id == session], bool(indexed))

    @override
    async def citing(self, file: StoredFile, after: MessageId) -> Sequence[Citing]:
        tables = self._tables
        return [
            Citing(m.id, m.session_id)
            for m in tables.messages.values()
            if m.id > after
            and any(map(file.is_source, m.sources or ()))
            and (file.public or tables.sessions[m.session_id].owner == file.user_id)
        ][:FEW]

    @override
    async def usage(self, owner: UserId) -> Usage:
        kept = [f.size for f in self._tables.files.values() if f.user_id == owner and f.deleted_at is None]
        return Usage(len(kept), sum(kept))

    @override
    async def known_as(self, reader: UserId, index_names: Sequence[str]) -> Sequence[KnownFile]:
        return [
            KnownFile(
                file.index_name, file.public, file.id, file.original_name, deleted=file.deleted_at is not None
            )
            for file in self._within_reach(reader)
            if file.index_name is not None and file.index_name in index_names
        ]

    @property
    def _tables(self) -> Tables:
        self.database.reachable()
        return self.database.tables

    def _within_reach(self, reader: UserId) -> list[StoredFile]:
        return [file for file in self._tables.files.values() if file.user_id == reader or file.public]

    def _content_of(self, id: MessageId | None) -> str | None:
        message = self._tables.messages.get(id) if id is not None else None
        return message.content if message else None


def _message(message: Message) -> MessageLine:
    return MessageLine(
        id=message.id,
        role=message.speaker,
        content=message.content,
        created_at=message.created_at,
        file_type=message.file_type if message.file_path else None,
        file_path=message.file_path,
        file_id=None if message.file_id is None else FileId(message.file_id),
        interrupted=message.state in (MessageState.INTERRUPTED, MessageState.FAILED),
        sources=deepcopy(message.sources),
    )


def _is_text(message: Message) -> bool:
    return bool(message.content) and message.file_type is None


def _has_words(content: str, wanted: Sequence[str]) -> bool:
    there = words(index_text(content))
    begins = [(one, str.startswith if len(one) > 1 else str.__eq__) for one in wanted]
    return all(any(fits(word, one) for word in there) for one, fits in begins)
