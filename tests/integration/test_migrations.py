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
from tests.fresh_database import fresh_database

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
    return {name for name in names if not name.startswith("passage_fts")} - {"alembic_version"}


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
