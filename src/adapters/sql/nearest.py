"""The passages whose vectors are nearest to a question's: compared by pgvector, or by this process."""

from collections.abc import AsyncIterator, Sequence
from heapq import nlargest
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, String, cast, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import FromClause

from adapters.sql import mapping as t
from adapters.sql.pgvector import Embedding, embedding, written
from application.ports.passages import Vector

PORTION = 4096  # vectors in memory at once

Scores = dict[int, float]  # cosines by the passage's id


async def by_pgvector(
    db: AsyncConnection,
    source: FromClause,
    collections: Sequence[ColumnElement[bool]],
    vector: Vector,
    limit: int,
) -> Scores:
    """Exact: every vector of the reader's is compared, so nobody else's can crowd them out of an index."""
    asked = cast(literal(written(vector), String), Embedding())
    distance = embedding.op("<#>")(asked)  # the negative inner product, of unit vectors the cosine
    nearest = (
        select(t.passages.c.id, distance.label("distance"))
        .select_from(source)
        .where(or_(*collections), func.vector_dims(embedding) == len(vector) // 4)
        .order_by("distance", t.passages.c.id)
        .limit(limit)
    )
    return {row.id: -float(row.distance) for row in await db.execute(nearest)}


async def in_this_process(
    db: AsyncConnection,
    source: FromClause,
    collections: Sequence[ColumnElement[bool]],
    vector: Vector,
    limit: int,
) -> Scores:
    """A portion at a time, and one collection after the other: both in the order of an index."""
    asked = np.frombuffer(vector, "<f4")
    best: list[tuple[float, int]] = []
    for collection in collections:
        async for ids, vectors in _portions(db, source, collection, len(vector)):
            cosines = vectors @ asked
            here = np.argsort(-cosines, kind="stable")[:limit]
            best = nlargest(limit, [*best, *((float(cosines[n]), ids[n]) for n in here)])
    return {id: cosine for cosine, id in best}


async def _portions(
    db: AsyncConnection, source: FromClause, collection: ColumnElement[bool], size: int
) -> AsyncIterator[tuple[list[int], "np.ndarray[Any, Any]"]]:
    p = t.passages.c
    whole = (
        select(p.id, p.vector)
        .select_from(source)
        .where(collection, func.length(p.vector) == size)
        .order_by(p.id)
        .limit(PORTION)
    )
    last = 0
    while rows := (await db.execute(whole.where(p.id > last))).all():
        last = rows[-1].id
        vectors = np.frombuffer(b"".join(row.vector for row in rows), "<f4").reshape(len(rows), -1)
        yield [row.id for row in rows], vectors
        if len(rows) < PORTION:
            return
