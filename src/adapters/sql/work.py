"""Units of work over SQLAlchemy sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql.engine import TURN, TURN_S
from adapters.sql.errors import translated
from adapters.sql.repositories import (
    SqlActionLog,
    SqlExports,
    SqlFiles,
    SqlJobs,
    SqlMessages,
    SqlNotifications,
    SqlSessions,
    SqlTutorRequests,
    SqlUsers,
)
from application.ports.persistence import Work, WorkFactory


class SqlWork(Work):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.users = SqlUsers(session)
        self.sessions = SqlSessions(session)
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
            await self._session.flush()
            await self.messages.index_added()

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
        async with _turn(sessions.kw.get("info", {}).get(TURN)), sessions() as session:
            _ = await session.connection()
            yield session


@asynccontextmanager
async def _turn(lock: asyncio.Lock | None) -> AsyncIterator[None]:
    """Ours, in the order of asking; after TURN_S the database counts as busy."""
    if lock is None:
        yield
        return
    async with asyncio.timeout(TURN_S):
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
