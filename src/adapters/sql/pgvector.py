"""pgvector, where PostgreSQL has it: beside the bytes of each passage's vector stands the same vector in a
form that the database itself can compare. The bytes are what counts: nothing is lost with the extension."""

from struct import unpack
from typing import Any

from sqlalchemy import Connection, literal_column, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from application.ports.passages import Vector

PORTION = 500
ADVISORY_LOCK = 0x7674_7665_6374  # "vtvect": one at a time

HAS_EMBEDDINGS = text(
    "SELECT 1 FROM pg_attribute"
    " WHERE attrelid = to_regclass('passage') AND attname = 'embedding' AND NOT attisdropped"
)
_UNCONVERTED = text(
    "SELECT id, vector FROM passage WHERE embedding IS NULL AND vector IS NOT NULL ORDER BY id LIMIT :portion"
)
CONVERT = text("UPDATE passage SET embedding = CAST(CAST(:embedding AS text) AS vector) WHERE id = :id")


class Embedding(UserDefinedType[str]):
    """pgvector's own type, written and read as text."""

    cache_ok = True

    @override
    def get_col_spec(self, **_: Any) -> str:
        return "vector"


embedding = literal_column("passage.embedding", Embedding())


def written(vector: Vector) -> str:
    """As pgvector reads it; nine digits give back the very same float32."""
    return f"[{','.join(f'{value:.9g}' for value in unpack(f'<{len(vector) // 4}f', vector))}]"


def adopt(connection: Connection) -> bool:
    """Have the database compare vectors, if it can: whether it can. Safe to do again: what was written by
    somebody who did not know of the extension is converted."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    if connection.scalar(HAS_EMBEDDINGS) is None:
        try:
            with connection.begin_nested():
                connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        except DBAPIError:  # not installed on that machine, or only its administrator may add it
            return False
        connection.execute(text("ALTER TABLE passage ADD COLUMN embedding vector"))
        # in the row itself: comparing would else fetch each vector from a side table
        connection.execute(text("ALTER TABLE passage ALTER COLUMN embedding SET STORAGE MAIN"))
    while rows := connection.execute(_UNCONVERTED, {"portion": PORTION}).all():
        connection.execute(CONVERT, [{"id": row.id, "embedding": written(row.vector)} for row in rows])
    return True


def abandon(connection: Connection) -> None:
    """As it was before `adopt`; the extension stays, somebody else may use it."""
    connection.execute(text("ALTER TABLE passage DROP COLUMN IF EXISTS embedding"))
