"""How long does a search in our own index take when it is large?

    .venv/bin/python bench/passages.py [--passages 50000] [--only sqlite]

Passages of made-up words with random vectors, in files of a hundred: a fifth is everybody's, a fifth belongs
to one student, the rest to thirty others. SQLite, PostgreSQL with pgvector, PostgreSQL without it.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import text

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent)]

from adapters.sql import migrate  # noqa: E402 (the path is set above)
from application.ports.passages import Passages, Vector  # noqa: E402 (the path is set above)
from domain.user import UserId  # noqa: E402 (the path is set above)
from tests.builders import a_passage, a_user  # noqa: E402 (the path is set above)
from tests.contracts.stores import Shelves, SqlStore, sql_store  # noqa: E402 (the path is set above)
from tests.postgresql import a_postgresql, fresh_database  # noqa: E402 (the path is set above)

MODEL, DIMENSIONS, PER_FILE = "bench", 384, 100
OTHERS, QUESTIONS, CANDIDATES = 30, 40, 20
VOCABULARY = 20_000
chance = random.Random(7)
vectors = np.random.default_rng(7)


def some_words(count: int) -> str:
    """A few words are everywhere and most are rare, as in real text."""
    return " ".join(f"w{int(VOCABULARY ** chance.random())}" for _ in range(count))


def some_vectors(count: int) -> list[Vector]:
    rows = vectors.standard_normal((count, DIMENSIONS)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [Vector(row.tobytes()) for row in rows]


async def someone(store: SqlStore, name: str) -> UserId:
    async with store.work() as w:
        user = a_user(f"{name}@example.org")
        w.users.add(user)
        await w.commit()
    return user.id


async def fill(store: SqlStore, passages: int) -> UserId:
    """The student who owns a fifth."""
    student, *others = [await someone(store, f"user-{n}") for n in range(OTHERS + 1)]
    for n in range(passages // PER_FILE):
        owner = (None, student, *chance.choices(others, k=3))[n % 5]
        file = await Shelves(store).add(owner, f"{some_words(2)}-{n}.txt")
        made = [a_passage(file, some_words(90), owner, ordinal, 1) for ordinal in range(PER_FILE)]
        pairs = list(zip(made, some_vectors(PER_FILE), strict=True))
        await store.new_passages().replace(file, pairs, MODEL)
    return student


async def measured(searched: Callable[[], Awaitable[object]]) -> str:
    await searched()
    taken = []
    for _ in range(QUESTIONS):
        began = time.perf_counter()
        await searched()
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):7.1f} {max(taken):7.1f} {min(taken):7.1f}"


async def report(name: str, passages: Passages, reader: UserId) -> None:
    async def nearest() -> None:
        await passages.nearest(reader, some_vectors(1)[0], MODEL, CANDIDATES)

    async def rare() -> None:
        await passages.matching(
            reader, [f"w{chance.randrange(5_000, VOCABULARY)}" for _ in range(6)], CANDIDATES
        )

    async def common() -> None:
        await passages.matching(reader, [f"w{chance.randrange(1, 60)}" for _ in range(6)], CANDIDATES)

    async def files() -> None:
        await passages.files(reader)

    for what, do in (("meaning", nearest), ("rare words", rare), ("common words", common), ("names", files)):
        print(f"{name:24} {what:14} {await measured(do)}", flush=True)


@asynccontextmanager
async def databases(only: str) -> AsyncIterator[list[tuple[str, str]]]:
    with tempfile.TemporaryDirectory() as folder:
        found = []
        if only in "sqlite":
            found.append(("SQLite", f"sqlite+aiosqlite:///{folder}/app.db"))
        if only not in "postgresql":
            yield found
            return
        with a_postgresql() as server:
            yield [*found, ("PostgreSQL, pgvector", await fresh_database(server))]


async def main(passages: int, only: str) -> None:
    print(f"{passages} passages, {QUESTIONS} searches each: median, worst, best in ms")
    async with databases(only) as found:
        for name, url in found:
            await asyncio.to_thread(migrate.upgrade, url)
            async with sql_store(url) as store:
                began = time.perf_counter()
                reader = await fill(store, passages)
                print(
                    f"{name:24} written        {1000 * (time.perf_counter() - began) / passages:7.2f} ms each"
                )
                if name != "SQLite":
                    async with store.engine.begin() as connection:
                        await connection.execute(text("ANALYZE"))
                await report(name, store.new_passages(), reader)
                if name != "SQLite":
                    async with store.engine.begin() as connection:
                        await connection.execute(text("ALTER TABLE passage DROP COLUMN embedding"))
            if name != "SQLite":
                async with sql_store(url) as store:
                    await report("PostgreSQL, without", store.new_passages(), reader)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=50_000)
    parser.add_argument("--only", default="", choices=["", "sqlite", "postgresql"])
    given = parser.parse_args()
    asyncio.run(main(given.passages, given.only))
