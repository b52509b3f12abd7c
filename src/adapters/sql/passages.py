"""Our own index: full text in the database, vectors compared in this process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import (
    ColumnElement,
    TextClause,
    and_,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import connected, looking
from application.ports.passages import Found, Passages, Vector
from domain.document import FileId, Passage
from domain.user import UserId
from domain.words import index_text

_with_files = t.passages.join(t.stored_files, t.stored_files.c.id == t.passages.c.file_id)
_columns = (
    t.passages.c.id,
    t.passages.c.file_id,
    t.passages.c.owner_id,
    t.passages.c.ordinal,
    t.passages.c.page,
    t.passages.c.start,
    t.passages.c.end,
    t.passages.c.heading,
    t.passages.c.text,
    t.stored_files.c.original_name,
)

_fts = table("passage_fts", column("rowid"))
_search: ColumnElement[str] = literal_column("passage.search")
_INDEX_SQLITE = text("INSERT INTO passage_fts (rowid, text) VALUES (:id, :text)")
_INDEX_POSTGRESQL = text("UPDATE passage SET search = to_tsvector('english', :text) WHERE id = :id")


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _may_see(reader: UserId) -> ColumnElement[bool]:
    owner = t.passages.c.owner_id
    return and_(or_(owner == reader, owner.is_(None)), t.stored_files.c.deleted_at.is_(None))


@dataclass(frozen=True, slots=True)
class SqlPassages(Passages):
    sessions: async_sessionmaker[AsyncSession]
    reading: AsyncEngine

    @override
    async def replace(self, file: FileId, passages: Sequence[tuple[Passage, Vector]], model: str) -> None:
        p = t.passages.c
        async with connected(self.sessions) as session:
            still_there = (
                select(t.stored_files.c.id)
                .where(t.stored_files.c.id == file, t.stored_files.c.deleted_at.is_(None))
                .with_for_update()  # two who replace at once take turns, and deleting waits
            )
            kept = (await session.execute(still_there)).first() is not None
            await session.execute(delete(t.passages).where(p.file_id == file))
            if passages and kept:
                rows = [
                    {
                        "file_id": file,
                        "owner_id": passage.owner,
                        "ordinal": passage.ordinal,
                        "page": passage.page,
                        "start": passage.start,
                        "end": passage.end,
                        "heading": passage.heading,
                        "text": passage.text,
                        "vector": vector,
                        "model": model,
                    }
                    for passage, vector in passages
                ]
                await session.execute(insert(t.passages), rows)
                ids = (await session.execute(select(p.ordinal, p.id).where(p.file_id == file))).all()
                texts = {passage.ordinal: f"{passage.heading}\n{passage.text}" for passage, _ in passages}
                add_to_index = _INDEX_SQLITE if _is_sqlite(session) else _INDEX_POSTGRESQL
                await session.execute(
                    add_to_index, [{"id": id, "text": index_text(texts[n])} for n, id in ids]
                )
            await session.commit()

    @override
    async def nearest(self, reader: UserId, vector: Vector, model: str, limit: int) -> list[Found]:
        p = t.passages.c
        seen = select(p.id, p.vector).select_from(_with_files).where(_may_see(reader), p.model == model)
        async with looking(self.reading) as db:
            rows = (await db.execute(seen)).all()
            if not rows:
                return []
            question = np.frombuffer(vector, "<f4")
            matrix = np.frombuffer(b"".join(row.vector for row in rows), "<f4").reshape(len(rows), -1)
            cosines = matrix @ question
            best = np.argsort(-cosines, kind="stable")[:limit]
            scores = {rows[i].id: float(cosines[i]) for i in best}
            return await _fetch(db, scores)

    @override
    async def matching(self, reader: UserId, words: Sequence[str], limit: int) -> list[Found]:
        if not words:
            return []
        p = t.passages.c
        async with looking(self.reading) as db:
            if db.dialect.name == "sqlite":
                matches: ColumnElement[bool] | TextClause = text("passage_fts MATCH :words")
                rank: ColumnElement[float] = literal_column("-bm25(passage_fts)")
                source = _with_files.join(_fts, _fts.c.rowid == p.id)
                query = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
            else:
                wanted = func.websearch_to_tsquery(literal_column("'english'"), bindparam("words"))
                matches = _search.op("@@")(wanted)
                rank = func.ts_rank_cd(_search, wanted)
                source = _with_files
                query = " or ".join(words)
            ranked = (
                select(p.id, rank.label("rank"))
                .select_from(source)
                .where(_may_see(reader), matches)
                .order_by(text("rank DESC"))
                .limit(limit)
            )
            rows = (await db.execute(ranked, {"words": query})).all()
            return await _fetch(db, {row.id: float(row.rank) for row in rows})

    @override
    async def erase(self, file: FileId) -> int:
        async with connected(self.sessions) as session:
            gone = await session.execute(
                delete(t.passages).where(t.passages.c.file_id == file).returning(t.passages.c.id)
            )
            count = len(gone.all())
            await session.commit()
        return count


async def _fetch(db: AsyncConnection, scores: dict[int, float]) -> list[Found]:
    rows = await db.execute(select(*_columns).select_from(_with_files).where(t.passages.c.id.in_(scores)))
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
