"""Alembic on the mapping's metadata, for SQLite and PostgreSQL alike."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql.mapping import mapper

ADVISORY_LOCK = 0x7674_7574_6F72  # "vtutor": one migration runner at a time


def is_full_text(kind: str, table: str | None, name: str | None) -> bool:
    """Whether it belongs to the full-text index: each database has it in its own way, no mapping knows it."""
    if kind == "table":
        return str(name).startswith(("passage_fts", "message_fts"))
    return (kind, name) in {("column", "search"), ("index", f"ix_{table}_search")}


def run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=mapper.metadata,
        render_as_batch=sqlite,
        compare_type=True,
        include_name=lambda name, kind, parents: not is_full_text(kind, parents.get("table_name"), name),
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
