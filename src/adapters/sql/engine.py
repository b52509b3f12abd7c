"""One engine per process; SQLite tuned so that writers queue instead of failing."""

from typing import Any

from advanced_alchemy.config import AsyncSessionConfig, EngineConfig, SQLAlchemyAsyncConfig
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from adapters.sql.sqlite_driver import connect
from adapters.sql.turns import Turns

BUSY_MS = 5000
TURNS = "turns"  # in the sessions' `info`: where they queue, if they must
SQLITE = {"async_creator_fn": connect}
POSTGRESQL = {
    "timeout": 5,
    "command_timeout": 5,
    "server_settings": {
        "default_transaction_isolation": "read committed",  # what our locks rely on
        # whoever is cut off in the middle must not hold what the others wait for
        "lock_timeout": "4s",
        "idle_in_transaction_session_timeout": "15s",
    },
}


def database(url: str, pool_size: int = 10) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Engine and session maker for `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`.

    Every transaction of the engine may write; `reading(engine)` gives the view for those that do not.
    """
    sqlite = url.startswith("sqlite")
    config = SQLAlchemyAsyncConfig(
        connection_string=url,
        engine_config=EngineConfig(
            hide_parameters=True,  # an error message must not carry what people wrote
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_pre_ping=not sqlite,
            connect_args=SQLITE if sqlite else POSTGRESQL,
        ),
        session_config=AsyncSessionConfig(expire_on_commit=False, autoflush=False),
    )
    engine = config.get_engine()
    if sqlite:
        event.listen(engine.sync_engine, "connect", _tune)
        event.listen(engine.sync_engine, "begin", _begin)
    info = {TURNS: Turns()} if sqlite else {}
    return engine, async_sessionmaker(engine, expire_on_commit=False, autoflush=False, info=info)


def reading(engine: AsyncEngine) -> AsyncEngine:
    """A view of the engine that never waits for a writer (SQLite's WAL lets readers go on). There each
    statement sees the newest state for itself: a transaction around every look would cost as much as the
    look."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(sqlite_begin=None)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _tune(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we emit BEGIN ourselves
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII alone
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={BUSY_MS}",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=ON",  # what is deleted is written over
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin(connection: Connection) -> None:
    # taking the write lock at once: upgrading later would fail with SQLITE_BUSY without waiting
    if begin := connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"):
        connection.exec_driver_sql(begin)
