"""Alembic on the mapping's metadata, for SQLite and PostgreSQL alike."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql.mapping import mapper
from adapters.sql.pgvector import Embedding

ADVISORY_LOCK = 0x7674_7574_6F72  # "vtutor": one migration runner at a time


def is_for_search(kind: str, table: str | None, name: str | None) -> bool:
    """Whether it belongs to an index for searching: each database has those in its own way, no mapping knows
    them."""
    if kind == "table":
        return str(name).startswith(("passage_fts", "message_fts"))
    return (kind, name) in {("column", "search"), ("index", f"ix_{table}_search"), ("column", "embedding")}


def run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        ischema_names["vector"] = Embedding  # or looking at the columns would warn of an unknown type
    context.configure(
        connection=connection,
        target_metadata=mapper.metadata,
        render_as_batch=sqlite,
        compare_type=True,
        include_name=lambda name, kind, parents: not is_for_search(kind, parents.get("table_name"), name),
    )
    with context.begin_transaction():
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        context.run_migrations()


async def online() -> None:
    engine = create_async_engine(
        context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(online())
