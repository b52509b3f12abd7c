"""What a full-text index remembers of texts that are gone."""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import connected
from application.ports.personal_data import Departed, PersonalStore, StillThere

PAGES = 500  # per step, so that nobody waits long for his turn to write
MERGE = text("INSERT INTO passage_fts (passage_fts, rank) VALUES ('merge', :pages)")


@dataclass(frozen=True, slots=True)
class SqlIndexTraces(PersonalStore):
    """SQLite's full-text index only marks words as deleted; they go when its parts are merged into one."""

    name: ClassVar[str] = "index"
    sessions: async_sessionmaker[AsyncSession]

    @override
    async def erase(self, departed: Departed) -> int:
        async with connected(self.sessions) as session:
            theirs = select(t.passages.c.id).where(t.passages.c.owner_id == departed.id).limit(1)
            if (await session.execute(theirs)).first() is not None:
                raise StillThere  # their files are not erased yet
            sqlite = session.get_bind().dialect.name == "sqlite"
        if sqlite:
            pages = -PAGES  # a negative number begins the merging of everything
            while await self._merge(pages):
                pages = PAGES
        return 0

    async def _merge(self, pages: int) -> bool:
        """Whether there was something to merge."""
        changes = select(func.total_changes())
        async with connected(self.sessions) as session:
            before = await session.scalar(changes) or 0
            await session.execute(MERGE, {"pages": pages})
            after = await session.scalar(changes) or 0
            await session.commit()
        return after - before >= 2  # as SQLite's manual has it
