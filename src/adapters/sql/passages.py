"""Our own index: full text in the database, vectors compared there or in this process."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql import nearest, pgvector
from adapters.sql.passage_index import matching
from adapters.sql.passage_rows import add
from adapters.sql.work import connected, looking
from application.ports.passages import Findable, Found, Passages, Vector
from domain.document import FileId, IndexState, Passage
from domain.user import UserId

log = logging.getLogger(__name__)

PORTION = 500  # rows written by one statement: it may take no longer than others wait for their turn
MOST_FILES = 1000

_p, _f = t.passages.c, t.stored_files.c
_with_files = t.passages.join(t.stored_files, _f.id == _p.file_id)
_columns = (
    _p.id,
    _p.file_id,
    _p.owner_id,
    _p.ordinal,
    _p.page,
    _p.start,
    _p.end,
    _p.heading,
    _p.text,
    _f.original_name,
)
_has_passages = exists().where(_p.file_id == _f.id)


def _may_see(reader: UserId, within: Collection[FileId] | None = None) -> ColumnElement[bool]:
    return or_(*_collections(reader, within))


def _collections(reader: UserId, within: Collection[FileId] | None) -> list[ColumnElement[bool]]:
    """The reader's own passages, and everybody's."""
    owner: ColumnElement[int] = _p.owner_id
    bounds = [_f.deleted_at.is_(None)]
    if within is not None:
        owner = owner + 0  # not by the index of owners: that of files leads to fewer rows
        bounds.append(_p.file_id.in_(sorted(within)))
    return [and_(whose, *bounds) for whose in (owner == reader, owner.is_(None))]


@dataclass(eq=False, slots=True)
class SqlPassages(Passages):
    sessions: async_sessionmaker[AsyncSession]
    reading: AsyncEngine
    _compares: bool | None = field(default=None, init=False)  # whether the database itself compares vectors

    @override
    async def replace(self, file: FileId, passages: Sequence[tuple[Passage, Vector]], model: str) -> None:
        async with connected(self.sessions) as session:
            still_there = (
                select(_f.id)
                .where(_f.id == file, _f.deleted_at.is_(None))
                .with_for_update()  # two who replace at once take turns, and deleting waits
            )
            kept = (await session.execute(still_there)).first() is not None
            await session.execute(delete(t.passages).where(_p.file_id == file))
            compares = await self._database_compares(await session.connection())
            for portion in _portions(passages if kept else ()):
                await add(session, file, portion, model, compares=compares)
            await session.commit()

    @override
    async def nearest(
        self,
        reader: UserId,
        vector: Vector,
        model: str,
        limit: int,
        within: Collection[FileId] | None = None,
    ) -> list[Found]:
        collections = [and_(one, _p.model == model) for one in _collections(reader, within)]
        async with looking(self.reading) as db:
            compared = nearest.by_pgvector if await self._database_compares(db) else nearest.in_this_process
            scores = await compared(db, _with_files, collections, vector, limit)
            return await _fetch(db, or_(*collections), scores)

    @override
    async def matching(
        self, reader: UserId, words: Sequence[str], limit: int, within: Collection[FileId] | None = None
    ) -> list[Found]:
        if not words:
            return []
        async with looking(self.reading) as db:
            search, among = matching(db.dialect.name, _with_files, words), _may_see(reader, within)
            best = (
                select(_p.id, search.rank.label("rank"))
                .select_from(search.source)
                .where(among, search.holds)
                .order_by(text("rank DESC"))
                .limit(limit)
            )
            return await _fetch(db, among, {row.id: float(row.rank) for row in await db.execute(best)})

    @override
    async def files(self, reader: UserId) -> list[Findable]:
        documents = (
            select(_f.id, _f.original_name, _f.session_id)
            .where(or_(_f.user_id == reader, _f.public), _f.deleted_at.is_(None), _has_passages)
            .order_by(_f.id.desc())
            .limit(MOST_FILES)
        )
        async with looking(self.reading) as db:
            return [Findable(*row) for row in await db.execute(documents)]

    @override
    async def outdated(self, model: str, limit: int) -> list[FileId]:
        # all passages of a file are of one model: its first one tells, and that an index knows
        others = exists().where(_p.file_id == _f.id, _p.ordinal == 0, _p.model != model)
        files = (
            select(_f.id)
            .where(_f.rag_status == IndexState.INDEXED, _f.deleted_at.is_(None), others)
            .limit(limit)
        )
        async with looking(self.reading) as db:
            return [FileId(row.id) for row in await db.execute(files)]

    @override
    async def erase(self, file: FileId) -> int:
        async with connected(self.sessions) as session:
            gone = await session.execute(delete(t.passages).where(_p.file_id == file).returning(_p.id))
            count = len(gone.all())
            await session.commit()
        return count

    async def _database_compares(self, db: AsyncConnection) -> bool:
        if self._compares is None:
            postgresql = db.dialect.name == "postgresql"
            self._compares = postgresql and await db.scalar(pgvector.HAS_EMBEDDINGS) is not None
            if postgresql and not self._compares:
                log.warning("vectors are compared in this process: this PostgreSQL has no pgvector for us")
        return self._compares


def _portions(passages: Sequence[tuple[Passage, Vector]]) -> Iterator[Sequence[tuple[Passage, Vector]]]:
    for start in range(0, len(passages), PORTION):
        yield passages[start : start + PORTION]


async def _fetch(db: AsyncConnection, among: ColumnElement[bool], scores: dict[int, float]) -> list[Found]:
    rows = await db.execute(select(*_columns).select_from(_with_files).where(_p.id.in_(list(scores)), among))
    found = [
        (
            scores[row.id],
            Passage(
                file_id=row.file_id,
                owner=row.owner_id,
                ordinal=row.ordinal,
                page=row.page,
                start=row.start,
                end=row.end,
                heading=row.heading,
                text=row.text,
            ),
            row.original_name,
        )
        for row in rows
    ]
    found.sort(key=lambda item: (-item[0], item[1].file_id, item[1].ordinal))
    return [Found(passage, filename, score) for score, passage, filename in found]
