from dataclasses import dataclass

from sqlalchemy import column, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql.work import connected
from application.ports.full_text import FullText

INDEXES = ("message_fts", "passage_fts")
PAGES = 500  # per step, so that nobody waits long for his turn to write


@dataclass(frozen=True, slots=True)
class SqlFullText(FullText):
    """SQLite's full-text indexes only mark words as deleted; they go when an index's parts are merged into
    one. PostgreSQL has its index beside the row."""

    sessions: async_sessionmaker[AsyncSession]

    @override
    async def sweep(self) -> None:
        async with connected(self.sessions) as session:
            sqlite = session.get_bind().dialect.name == "sqlite"
        for index in INDEXES if sqlite else ():
            pages = -PAGES  # a negative number begins the merging of everything
            while await self._merge(index, pages):
                pages = PAGES

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
