"""The stores whose promises are asked of the fake and of the real one alike."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import MetaData, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.engine import database, reading
from adapters.sql.full_text import SqlFullText
from adapters.sql.jobs import SqlJobQueue
from adapters.sql.passages import SqlPassages
from adapters.sql.reading import SqlReading
from adapters.sql.work import SqlWorkFactory
from application.ports.passages import Passages
from application.ports.persistence import JobQueue, Reading, WorkFactory
from domain.conversation import SessionId
from domain.document import FileId, IndexState, StoredFile
from domain.job import JobId, JobState
from domain.user import UserId
from tests.builders import a_file
from tests.fakes.clock import START
from tests.fakes.passages import FakePassages
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeReading, FakeWorkFactory


class Store(Protocol):
    """A database, and what only its owner may look at."""

    work: WorkFactory
    reading: Reading
    queue: JobQueue

    async def notes(self) -> Sequence[tuple[int, str, str, str]]:
        """User, title, message and type of each notification."""
        ...

    async def log(self) -> Sequence[tuple[str, str, str, int, str, Any, str | None]]:
        """Operator, role, action, target's id and address, details, reason."""
        ...

    async def tutor_requests(self) -> Sequence[tuple[int, str]]: ...

    async def job(self, id: JobId) -> tuple[JobState, int, str | None]:
        """State, attempts and error."""
        ...

    async def payload(self, id: JobId) -> dict[str, object]:
        """What the job knows."""
        ...

    async def delete_user(self, id: UserId) -> None: ...

    def new_passages(self) -> Passages: ...

    async def keep(self, file: StoredFile) -> FileId:
        """A file that `new_passages` may be about."""
        ...

    async def bury(self, file: FileId) -> None:
        """The file is deleted, its traces not yet."""
        ...


class FakeStore(Store):
    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.reading = FakeReading(self.database)
        self.queue = FakeJobQueue(self.database)
        self._names: dict[FileId, str] = {}
        self._deleted: set[FileId] = set()
        self._brought: dict[FileId, SessionId] = {}

    @override
    async def notes(self) -> Sequence[tuple[int, str, str, str]]:
        return [(n.user, n.title, n.message, n.type) for n in self.database.tables.notifications]

    @override
    async def log(self) -> Sequence[tuple[str, str, str, int, str, Any, str | None]]:
        return [
            (line.operator, line.role, line.action, line.target, line.target_email, line.details, line.reason)
            for line in self.database.tables.log
        ]

    @override
    async def tutor_requests(self) -> Sequence[tuple[int, str]]:
        return [(r.user_id, r.reason) for r in self.database.tables.tutor_requests.values()]

    @override
    async def job(self, id: JobId) -> tuple[JobState, int, str | None]:
        row = self.database.tables.jobs[id]
        return row.state, row.attempts, row.error

    @override
    async def payload(self, id: JobId) -> dict[str, object]:
        return self.database.tables.jobs[id].payload

    @override
    async def delete_user(self, id: UserId) -> None:
        del self.database.tables.users[id]

    @override
    def new_passages(self) -> Passages:
        return FakePassages(self._names, self._deleted, sessions=self._brought)

    @override
    async def keep(self, file: StoredFile) -> FileId:
        id = await _keep(self.work, file)
        self._names[id] = file.original_name
        if file.session_id is not None:
            self._brought[id] = file.session_id
        return id

    @override
    async def bury(self, file: FileId) -> None:
        self._deleted.add(file)


class SqlStore(Store):
    def __init__(self, engine: AsyncEngine, writing: async_sessionmaker[AsyncSession]) -> None:
        self.engine = engine
        self.sessions = writing
        self.work = SqlWorkFactory(writing)
        self.reading = SqlReading(reading(engine))
        self.queue = SqlJobQueue(writing, reading(engine))
        self.full_text = SqlFullText(writing, reading(engine))
        self._passages = SqlPassages(writing, reading(engine))

    @override
    async def notes(self) -> Sequence[tuple[int, str, str, str]]:
        n = t.notifications.c
        return await self._rows(select(n.user_id, n.title, n.message, n.type).order_by(n.id))

    @override
    async def log(self) -> Sequence[tuple[str, str, str, int, str, Any, str | None]]:
        a = t.user_action_logs.c
        columns = (
            a.operator_email,
            a.role,
            a.action,
            a.target_user_id,
            a.target_user_email,
            a.details,
            a.reason,
        )
        return await self._rows(select(*columns).order_by(a.id))

    @override
    async def tutor_requests(self) -> Sequence[tuple[int, str]]:
        r = t.tutor_requests.c
        return await self._rows(select(r.user_id, r.reason).order_by(r.id))

    @override
    async def job(self, id: JobId) -> tuple[JobState, int, str | None]:
        j = t.jobs.c
        ((state, attempts, error),) = await self._rows(select(j.state, j.attempts, j.error).where(j.id == id))
        return JobState(state), attempts, error

    @override
    async def payload(self, id: JobId) -> dict[str, object]:
        ((payload,),) = await self._rows(select(t.jobs.c.payload).where(t.jobs.c.id == id))
        return dict(payload)

    @override
    async def delete_user(self, id: UserId) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(t.users.delete().where(t.users.c.id == id))

    @override
    def new_passages(self) -> Passages:
        return self._passages

    @override
    async def keep(self, file: StoredFile) -> FileId:
        return await _keep(self.work, file)

    @override
    async def bury(self, file: FileId) -> None:
        async with self.work() as w:
            found = await w.files.get(file)
            assert found is not None
            found.deleted_at = START
            await w.commit()

    async def clear(self) -> None:
        """Empty, but no number is given a second time."""
        tables = [f'"{table.name}"' for table in _all_tables().sorted_tables]
        async with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                # TRUNCATE would make each table and index anew; in this role no trigger and no key objects
                deletions = " ".join(f"DELETE FROM {table};" for table in tables)
                role = "SET LOCAL session_replication_role = replica;"
                await connection.execute(text(f"DO $$ BEGIN {role} {deletions} END $$"))
                return
            ours = "type = 'trigger' AND name LIKE 'user_action_log_%'"
            guards = text(f"SELECT name, sql FROM sqlite_master WHERE {ours}")
            kept = (await connection.execute(guards)).all()
            for guard, _ in kept:
                await connection.execute(text(f"DROP TRIGGER {guard}"))
            for name in reversed(tables):
                await connection.execute(text(f"DELETE FROM {name}"))
            for _, made in kept:
                await connection.execute(text(made))
        # a connection that has seen the schema before may lose its way in DELETE … RETURNING now
        await self.engine.dispose()

    async def rows(self, query: str) -> list[Any]:
        return await self._rows(text(query))

    async def _rows(self, query: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(query)]


def _all_tables() -> MetaData:
    return t.mapper.metadata


async def _keep(work: WorkFactory, file: StoredFile) -> FileId:
    async with work() as w:
        w.files.add(file)
        await w.commit()
    return file.id


@asynccontextmanager
async def sql_store(url: str) -> AsyncIterator[SqlStore]:
    """The store in a migrated database."""
    engine, writing = database(url)
    try:
        yield SqlStore(engine, writing)
    finally:
        await engine.dispose()


@dataclass(frozen=True, slots=True)
class Shelves:
    """Files that passages can be about."""

    store: Store

    async def add(
        self, owner: UserId | None, name: str = "notes.txt", session: SessionId | None = None
    ) -> FileId:
        return await self.store.keep(
            a_file(owner, name, public=owner is None, session=session, rag_status=IndexState.INDEXED)
        )
