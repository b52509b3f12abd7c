from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql.work import connected
from application.ports.health import Probe


@dataclass(slots=True)
class DatabaseProbe(Probe):
    sessions: async_sessionmaker[AsyncSession]
    name: str = "database"
    vital: bool = True

    @override
    async def check(self) -> None:
        async with connected(self.sessions) as session:
            await session.execute(text("SELECT 1"))
