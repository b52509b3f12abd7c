"""Vectors that PostgreSQL compares itself, where it has pgvector; both full-text indexes over passages are
given words instead of text."""

import sqlalchemy as sa
from alembic import op

from adapters.sql import pgvector
from adapters.sql.passage_index import ADD_TO_INDEX, indexed

revision = "0005"
down_revision = "0004"

PORTION = 500


def upgrade() -> None:
    _index_again()
    if op.get_context().dialect.name == "postgresql":
        pgvector.adopt(op.get_bind())


def _index_again() -> None:
    connection, last = op.get_bind(), 0
    dialect = op.get_context().dialect.name
    if dialect == "sqlite":
        op.execute("DELETE FROM passage_fts")
    kept = sa.text("SELECT id, heading, text FROM passage WHERE id > :last ORDER BY id LIMIT :portion")
    while rows := connection.execute(kept, {"last": last, "portion": PORTION}).all():
        last = rows[-1].id
        connection.execute(ADD_TO_INDEX[dialect], [indexed(row.id, row.heading, row.text) for row in rows])


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        pgvector.abandon(op.get_bind())
