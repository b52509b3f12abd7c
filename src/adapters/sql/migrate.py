"""Versioned migrations, one runner at a time, from the wheel or from the checkout."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, pool
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql import pgvector


class SchemaTooNew(Exception):
    """The database was migrated by a newer version of this software."""


def script_location() -> Path:
    packaged = Path(__file__).parent / "_migrations"  # inside an installed wheel
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "migrations"


def config(url: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to `revision`; a second runner waits for the first. The newest one also makes use of
    a pgvector that was added since. Raises SchemaTooNew."""
    with _alone(url):
        try:
            command.upgrade(config(url), revision)
        except CommandError as error:
            if "Can't locate revision" in str(error):
                raise SchemaTooNew(
                    "the database belongs to a newer version of virtual-tutor; upgrade the software"
                ) from error
            raise
    if revision == "head" and make_url(url).get_backend_name() == "postgresql":
        asyncio.run(_adopt_pgvector(url))


async def _adopt_pgvector(url: str) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(pgvector.adopt)
    finally:
        await engine.dispose()


async def is_current(url: str) -> bool:
    """Whether the database has exactly the tables this version expects."""
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            there = await connection.run_sync(_revision)
    finally:
        await engine.dispose()
    return there == ScriptDirectory.from_config(config(url)).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """SQLite: a lock file beside the database. PostgreSQL takes an advisory lock in migrations/env.py."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        yield
        return
    file = Path(parsed.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(file.name + ".migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
