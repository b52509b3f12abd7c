"""What a full-text index remembers of texts that are gone."""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import connected
from application.ports.full_text import FullText
from application.ports.personal_data import Departed, PersonalStore, StillThere


@dataclass(frozen=True, slots=True)
class SqlIndexTraces(PersonalStore):
    """Words of messages and files that are erased."""

    name: ClassVar[str] = "index"
    sessions: async_sessionmaker[AsyncSession]
    full_text: FullText

    @override
    async def erase(self, departed: Departed) -> int:
        async with connected(self.sessions) as session:
            theirs = select(t.passages.c.id).where(t.passages.c.owner_id == departed.id).limit(1)
            if (await session.execute(theirs)).first() is not None:
                raise StillThere  # their files are not erased yet
        await self.full_text.sweep()
        return 0
