from dataclasses import dataclass

from sqlalchemy import column, func, insert, select, table, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql.engine import BUSY_MS
from adapters.sql.work import connected, looking
from application.ports.full_text import FullText
from domain.errors import StorageBusy

INDEXES = ("message_fts", "passage_fts")
PAGES = 500  # per step, so that nobody waits long for his turn to write
READERS_MS = 200  # how long we wait for readers to end: all who write wait with us
BUSY_S = 5  # until it is worth another try


@dataclass(frozen=True, slots=True)
class SqlFullText(FullText):
    """SQLite's full-text indexes only mark words as deleted; they go when an index's parts are merged into
    one. Its log of changes keeps former pages until it is begun anew. PostgreSQL has its index beside the
    row, and sees to the rest itself (VACUUM)."""

    sessions: async_sessionmaker[AsyncSession]
    reading: AsyncEngine

    @override
    async def sweep(self) -> None:
        if self.reading.dialect.name != "sqlite":
            return
        for index in INDEXES:
            pages = -PAGES  # a negative number begins the merging of everything
            while await self._merge(index, pages):
                pages = PAGES
        await self._begin_log_anew()

    async def _merge(self, index: str, pages: int) -> bool:
        """Whether there was something to merge."""
        changes = select(func.total_changes())
        merge = insert(table(index, column(index), column("rank"))).values({index: "merge", "rank": pages})
        async with connected(self.sessions) as session:
            before = await session.scalar(changes) or 0
            await session.execute(merge)
            after = await session.scalar(changes) or 0
            await session.commit()
        return after - before >= 2  # as SQLite's manual has it

    async def _begin_log_anew(self) -> None:
        async with looking(self.reading) as db:
            await db.exec_driver_sql(f"PRAGMA busy_timeout={READERS_MS}")
            try:
                busy = await db.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            finally:
                if not db.invalidated:  # as it is when we are being stopped: nobody uses it again
                    await db.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_MS}")
        if busy:
            raise StorageBusy(BUSY_S)
