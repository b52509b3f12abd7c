"""Which blobs the rows name."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, case, cast, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import looking
from application.ports.blob_register import BlobRegister, RegisteredBlob
from domain.document import FileId

PORTION = 500
_f, _e = t.stored_files.c, t.exports.c


@dataclass(frozen=True, slots=True)
class SqlBlobRegister(BlobRegister):
    engine: AsyncEngine

    @override
    async def everything(self) -> AsyncGenerator[RegisteredBlob]:
        last = ""
        while True:  # no connection is held while somebody looks at what he got
            portion = await self._portion(last)
            for each in portion:
                yield each
            if len(portion) < PORTION:
                return
            last = portion[-1].name

    async def _portion(self, after: str) -> Sequence[RegisteredBlob]:
        living = case((_f.deleted_at.is_(None), _f.id), else_=null())
        files = select(_f.disk_name, _f.created_at, cast(living, BigInteger).label("file"))
        exports = select(_e.disk_name, _e.created_at, cast(null(), BigInteger).label("file"))
        # each in order and cut by itself, so that an index can do it
        first_files = files.where(_f.disk_name > after).order_by(_f.disk_name).limit(PORTION).subquery()
        first_exports = exports.where(_e.disk_name > after).order_by(_e.disk_name).limit(PORTION).subquery()
        both = union_all(first_files.select(), first_exports.select()).subquery()
        async with looking(self.engine) as db:
            rows = await db.execute(both.select().order_by(both.c.disk_name).limit(PORTION))
            return [RegisteredBlob(row.disk_name, row.created_at, _id(row.file)) for row in rows]

    @override
    async def known(self, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        async with looking(self.engine) as db:
            for column in (_f.disk_name, _e.disk_name):
                found.update(await db.scalars(select(column).where(column.in_(names))))
        return found


def _id(number: int | None) -> FileId | None:
    return None if number is None else FileId(number)
