"""The full-text index over what was said: the words that `domain.words` sees. PostgreSQL has them
beside the message, SQLite in a table of its own."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Integer, literal, literal_column, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY

from adapters.sql import mapping as t
from domain.words import index_text, words

# A PostgreSQL vector holds a megabyte, and words of 2 KiB: what is longer is found by its beginning.
INDEXED_CHARS = 100_000
WORD_MAX = 64

ADD_TO_INDEX = {  # by dialect: makes a message findable, with the parameters of `indexed`
    "sqlite": text("INSERT INTO message_fts (rowid, text) VALUES (:id, :words)"),
    "postgresql": text(
        "UPDATE message SET search = array_to_tsvector(string_to_array(:words, ' ')) WHERE id = :id"
    ),
}


def indexed(id: int, content: str) -> dict[str, object]:
    known = dict.fromkeys(word[:WORD_MAX] for word in words(index_text(content[:INDEXED_CHARS])))
    return {"id": id, "words": " ".join(known)}


def has_words(dialect: str, wanted: Sequence[str]) -> ColumnElement[bool]:
    """Whether a message has, for each of the words, one that begins with it; a single letter begins none."""
    cut = [(word[:WORD_MAX], len(word) > 1) for word in wanted]
    if dialect == "sqlite":
        query = " ".join(f'"{word}"*' if longer else f'"{word}"' for word, longer in cut)
        matching = text("message_fts MATCH :words").bindparams(words=query)
        found = select(literal_column("rowid", Integer)).select_from(table("message_fts")).where(matching)
        return t.messages.c.id.in_(found)
    query = " & ".join(f"'{word}':*" if longer else f"'{word}'" for word, longer in cut)
    return literal_column("message.search").op("@@")(literal(query).cast(TSQUERY))
