"""PostgreSQL compares vectors itself where it can, and nobody notices where it cannot."""

import asyncio
import logging
from struct import pack
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql import migrate, pgvector
from application.ports.passages import Passages, Vector
from domain.document import FileId
from domain.user import UserId
from tests.builders import a_passage, a_user
from tests.contracts.stores import Shelves, SqlStore, sql_store
from tests.postgresql import fresh_database

MODEL = "model"
ANGLES = [0.1, 0.9, 0.5, 0.3, 0.7]


def towards(angle: float) -> Vector:
    return Vector(pack("<3f", angle, 0.1, (1 - angle**2 - 0.01) ** 0.5))


async def someone(store: SqlStore) -> UserId:
    async with store.work() as w:
        user = a_user("ann@example.org")
        w.users.add(user)
        await w.commit()
    return user.id


async def indexed(store: SqlStore, passages: Passages, owner: UserId) -> FileId:
    file = await Shelves(store).add(owner)
    made = [(a_passage(file, f"text {a}", owner, n, 1), towards(a)) for n, a in enumerate(ANGLES)]
    await passages.replace(file, made, MODEL)
    return file


async def found(passages: Passages, reader: UserId) -> list[tuple[str, float]]:
    near = await passages.nearest(reader, towards(0.9), MODEL, 3)
    return [(one.passage.text, round(one.score, 5)) for one in near]


async def compares(url: str) -> bool:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        there = await connection.scalar(pgvector.HAS_EMBEDDINGS)
    await engine.dispose()
    return there is not None


async def execute(url: str, statement: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture
async def url(postgresql: str) -> str:
    made = await fresh_database(postgresql)
    await asyncio.to_thread(migrate.upgrade, made)
    return made


async def test_with_and_without_it_the_same_is_found(url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await compares(url)
    async with sql_store(url) as store:
        ann = await someone(store)
        await indexed(store, store.new_passages(), ann)
        with_it = await found(store.new_passages(), ann)
    assert [name for name, _ in with_it] == ["text 0.9", "text 0.7", "text 0.5"]
    assert with_it[0][1] == 1

    await execute(url, "ALTER TABLE passage DROP COLUMN embedding")
    async with sql_store(url) as store:
        with caplog.at_level(logging.WARNING):
            assert await found(store.new_passages(), ann) == with_it
            assert await found(store.new_passages(), ann) == with_it
            await indexed(store, store.new_passages(), ann)
    assert [record.message for record in caplog.records if "pgvector" in record.message] == [
        "vectors are compared in this process: this PostgreSQL has no pgvector for us"
    ]


async def test_what_was_indexed_without_it_is_converted(url: str) -> None:
    await execute(url, "ALTER TABLE passage DROP COLUMN embedding")
    async with sql_store(url) as store:
        ann = await someone(store)
        await indexed(store, store.new_passages(), ann)
        without = await found(store.new_passages(), ann)

    await asyncio.to_thread(migrate.upgrade, url)

    assert await compares(url)
    async with sql_store(url) as store:
        assert await found(store.new_passages(), ann) == without
    await execute(url, "UPDATE passage SET embedding = NULL")  # somebody of the former version wrote these
    await asyncio.to_thread(migrate.upgrade, url)
    async with sql_store(url) as store:
        assert await found(store.new_passages(), ann) == without


async def test_the_former_version_finds_its_vectors_again(url: str) -> None:
    async with sql_store(url) as store:
        await indexed(store, store.new_passages(), await someone(store))
    await asyncio.to_thread(command.downgrade, migrate.config(url), "0004")
    assert not await compares(url)
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        kept = (await connection.execute(text("SELECT vector FROM passage ORDER BY ordinal"))).scalars().all()
    await engine.dispose()
    assert kept == [towards(angle) for angle in ANGLES]


async def test_who_may_not_add_extensions_waits_for_somebody_who_may(postgresql: str) -> None:
    name = f"vt_{uuid4().hex[:12]}"
    administrator = await asyncpg.connect(postgresql)
    await administrator.execute(f"CREATE ROLE {name} LOGIN")
    await administrator.execute(f"CREATE DATABASE {name} OWNER {name}")
    await administrator.close()
    theirs = make_url(postgresql).set(drivername="postgresql+asyncpg", database=name)
    ours = theirs.set(username=name).render_as_string(hide_password=False)

    await asyncio.to_thread(migrate.upgrade, ours)
    assert not await compares(ours)
    assert await migrate.is_current(ours)

    await execute(theirs.render_as_string(hide_password=False), "CREATE EXTENSION vector")
    await asyncio.to_thread(migrate.upgrade, ours)
    assert await compares(ours)
