"""The full-text index over passages, in each database's own way: SQLite has a table of its own, PostgreSQL a
column beside the text. Both see the words that `domain.words` sees, and know English endings."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, bindparam, column, func, literal_column, table, text
from sqlalchemy.sql.selectable import FromClause

from adapters.sql import mapping as t
from domain.words import index_text

ADD_TO_INDEX = {  # by dialect: makes a passage findable, with the parameters of `indexed`
    "sqlite": text("INSERT INTO passage_fts (rowid, text) VALUES (:id, :words)"),
    "postgresql": text("UPDATE passage SET search = to_tsvector('english', :words) WHERE id = :id"),
}
_fts = table("passage_fts", column("rowid"))
_search: ColumnElement[str] = literal_column("passage.search")


def words_of(heading: str, content: str) -> str:
    return index_text(f"{heading}\n{content}")


def indexed(id: int, heading: str, content: str) -> dict[str, object]:
    return {"id": id, "words": words_of(heading, content)}


@dataclass(frozen=True, slots=True)
class Matching:
    """A search for any of some words: what to join, what must hold, and how well it does."""

    source: FromClause
    holds: ColumnElement[bool] | TextClause
    rank: ColumnElement[float]


def matching(dialect: str, source: FromClause, words: Sequence[str]) -> Matching:
    if dialect == "sqlite":
        query = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
        return Matching(
            source.join(_fts, _fts.c.rowid == t.passages.c.id),
            text("passage_fts MATCH :words").bindparams(words=query),
            literal_column("-bm25(passage_fts)"),
        )
    wanted = func.websearch_to_tsquery(literal_column("'english'"), bindparam("words", " or ".join(words)))
    # not ts_rank_cd: where any word may match, it counts one that is repeated like several different ones
    return Matching(source, _search.op("@@")(wanted), func.ts_rank(_search, wanted))
