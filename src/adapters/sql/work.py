"""Units of work over SQLAlchemy sessions."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql.engine import TURNS
from adapters.sql.errors import translated
from adapters.sql.job_table import SqlJobs
from adapters.sql.repositories import (
    SqlActionLog,
    SqlExports,
    SqlFiles,
    SqlMessages,
    SqlNotifications,
    SqlSessions,
    SqlTutorRequests,
    SqlUsers,
)
from adapters.sql.turns import Turns
from application.ports.persistence import Work, WorkFactory


class SqlWork(Work):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.users = SqlUsers(session)
        self.sessions: SqlSessions = SqlSessions(session)
        self.messages: SqlMessages = SqlMessages(session)
        self.files = SqlFiles(session)
        self.notifications = SqlNotifications(session)
        self.log: SqlActionLog = SqlActionLog(session)
        self.tutor_requests = SqlTutorRequests(session)
        self.exports = SqlExports(session)
        self.jobs = SqlJobs(session)

    @override
    async def flush(self) -> None:
        with translated():
            await self.sessions.flush()
            await self._session.flush()
            await self.messages.flush()

    @override
    async def commit(self) -> None:
        await self.flush()
        with translated():
            await self.log.append()
            await self._session.commit()


@asynccontextmanager
async def connected(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session whose connection is open and whose transaction has begun."""
    with translated():
        async with _turn(sessions), sessions() as session:
            _ = await session.connection()
            yield session


def _turn(sessions: async_sessionmaker[AsyncSession]) -> AbstractAsyncContextManager[None]:
    turns: Turns | None = sessions.kw.get("info", {}).get(TURNS)
    return nullcontext() if turns is None else turns.taken()


@asynccontextmanager
async def looking(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection of `reading(engine)`, which makes rows and no entities."""
    with translated():
        async with engine.connect() as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class SqlWorkFactory(WorkFactory):
    sessions: async_sessionmaker[AsyncSession]

    @override
    def __call__(self) -> AbstractAsyncContextManager[Work]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Work]:
        async with connected(self.sessions) as session:
            yield SqlWork(session)
