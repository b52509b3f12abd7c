"""Every revision up, down, up, on both databases."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql import mapping, migrate
from domain.conversation import SessionId
from domain.user import UserId
from domain.words import words
from tests.contracts.stores import sql_store
from tests.postgresql import fresh_database

EXPECTED = set(mapping.mapper.metadata.tables)


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    server: str = request.getfixturevalue("postgresql")
    return await fresh_database(server)


async def tables(url: str) -> set[str]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        names: list[str] = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    return {name for name in names if not name.startswith(("passage_fts", "message_fts"))} - {
        "alembic_version"
    }


async def sql(url: str, statement: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_up_down_up(url: str) -> None:
    assert not await migrate.is_current(url)
    await asyncio.to_thread(migrate.upgrade, url)
    assert await tables(url) == EXPECTED
    assert await migrate.is_current(url)

    await asyncio.to_thread(command.downgrade, migrate.config(url), "base")
    assert await tables(url) == set()
    assert not await migrate.is_current(url)

    await asyncio.to_thread(migrate.upgrade, url)
    assert await tables(url) == EXPECTED


async def test_the_mapping_says_what_the_migrations_made(url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    await asyncio.to_thread(command.check, migrate.config(url))


async def test_twice_changes_nothing(url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    await sql(url, "INSERT INTO llm_session (id) VALUES (7)")
    await asyncio.to_thread(migrate.upgrade, url)
    assert await tables(url) == EXPECTED


async def test_of_several_runners_at_once_each_finds_it_done(url: str) -> None:
    program = "import sys; from adapters.sql import migrate; migrate.upgrade(sys.argv[1])"
    runners = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url),
            env={"PYTHONPATH": str(Path(migrate.__file__).parents[2])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    outcomes = [await runner.communicate() for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0, 0], outcomes
    assert await migrate.is_current(url)


async def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    await sql(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.SchemaTooNew, match="newer version"):
        await asyncio.to_thread(migrate.upgrade, url)
    assert await tables(url) == EXPECTED
    assert not await migrate.is_current(url)


SAID = (
    "INSERT INTO llm_session (id) VALUES (1)",
    'INSERT INTO "user" (id, email, password_hash, created_at)'
    " VALUES (1, 'ann@example.org', 'x', '2026-01-01 00:00:00')",
    "INSERT INTO session (id, llm_session_id, user_id, title, created_at, updated_at, message_count)"
    " VALUES (1, 1, 1, 'Cells', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 2)",
    "INSERT INTO message (id, session_id, role, content, state, created_at)"
    " VALUES (1, 1, 'user', '细胞膜 or Osmosis?', 'final', '2026-01-01 00:00:00')",
    "INSERT INTO message (id, session_id, role, content, state, created_at)"
    " VALUES (2, 1, 'assistant', '', 'failed', '2026-01-01 00:00:00')",
    "INSERT INTO message (id, session_id, role, content, state, created_at)"
    " VALUES (3, 1, 'user', NULL, 'final', '2026-01-01 00:00:00')",
)


async def test_what_was_said_before_branches_is_the_current_branch_and_can_be_found(url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, url, "0002")
    for statement in SAID:
        await sql(url, statement)
    await asyncio.to_thread(migrate.upgrade, url)

    async with sql_store(url) as store:
        owner, session = UserId(1), SessionId(1)
        lines = await store.reading.messages(owner, session, 10, None)
        assert lines is not None
        assert [line.id for line in lines] == [1, 3]
        for query in ("osmo", "胞膜"):
            found = await store.reading.search(owner, words(query), 10, 0)
            assert [line.message for line in found.items] == [1], query
        async with store.work() as w:
            kept = await w.sessions.get(session)
            question = await w.messages.last_exchange(session)
        assert kept is not None
        assert (kept.memory_is_fresh, kept.summary, kept.summary_upto, kept.message_count) == (
            False,
            None,
            None,
            2,
        )
        assert question is not None

    await asyncio.to_thread(command.downgrade, migrate.config(url), "0002")
    await sql(url, "UPDATE message SET content = 'still there' WHERE id = 1")
    await asyncio.to_thread(migrate.upgrade, url)
    async with sql_store(url) as store:
        assert (await store.reading.search(owner, ["still"], 10, 0)).total == 1
