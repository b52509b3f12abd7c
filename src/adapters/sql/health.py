from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from adapters.sql.work import looking
from application.ports.health import Probe


@dataclass(slots=True)
class DatabaseProbe(Probe):
    engine: AsyncEngine
    name: str = "database"
    vital: bool = True

    @override
    async def check(self) -> None:
        async with looking(self.engine) as db:
            await db.execute(text("SELECT 1"))
