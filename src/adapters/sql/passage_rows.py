"""How passages are written: with what makes them findable, in each database's own way."""

from collections.abc import Sequence

from sqlalchemy import Insert, String, bindparam, cast, column, func, insert, literal_column, select, table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession

from adapters.sql import mapping as t
from adapters.sql.passage_index import ADD_TO_INDEX, indexed, words_of
from adapters.sql.pgvector import Embedding, written
from application.ports.passages import Vector
from domain.document import FileId, Passage

_columns = [column(c.name, c.type) for c in t.passages.c if c.name != "id"]
_wider = table("passage", *_columns, column("search", TSVECTOR), column("embedding", Embedding()))
# At once with the row: each later change would leave a dead copy of it behind.
_searchable = insert(_wider).values(
    {c.name: bindparam(c.name, type_=c.type) for c in _columns}
    | {"search": func.to_tsvector(literal_column("'english'"), bindparam("words"))}
)
_comparable = _searchable.values(embedding=cast(bindparam("written", type_=String()), Embedding()))


async def add(
    session: AsyncSession,
    file: FileId,
    passages: Sequence[tuple[Passage, Vector]],
    model: str,
    *,
    compares: bool,
) -> None:
    """`compares`: the database compares vectors itself."""
    rows = [_row(file, passage, vector, model) for passage, vector in passages]
    if session.get_bind().dialect.name == "sqlite":
        await session.execute(insert(t.passages), rows)
        await _index(session, file, [passage for passage, _ in passages])
        return
    for row, (passage, vector) in zip(rows, passages, strict=True):
        row["words"] = words_of(passage.heading, passage.text)
        if compares:
            row["written"] = written(vector)
    statement: Insert = _comparable if compares else _searchable
    await (await session.connection()).execute(statement, rows)


async def _index(session: AsyncSession, file: FileId, passages: Sequence[Passage]) -> None:
    given = {passage.ordinal: passage for passage in passages}
    p = t.passages.c
    numbered = await session.execute(
        select(p.id, p.ordinal).where(p.file_id == file, p.ordinal.in_(list(given)))
    )
    await session.execute(
        ADD_TO_INDEX["sqlite"],
        [indexed(id, given[ordinal].heading, given[ordinal].text) for id, ordinal in numbered],
    )


def _row(file: FileId, passage: Passage, vector: Vector, model: str) -> dict[str, object]:
    return {
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
