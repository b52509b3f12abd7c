"""No room for what a transaction writes: it is refused as a whole, and what is there can be read."""

import pytest
from sqlalchemy import text

from adapters.sql.work import connected
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.builders import a_user
from tests.contracts.stores import SqlStore

NOTE = (
    "INSERT INTO notification (user_id, title, message, type, is_read, created_at)"
    " VALUES (:user, 'long', :message, 'info', false, '2025-11-18 10:30:45')"
)


async def test_sqlite_says_so(sqlite_store: SqlStore) -> None:
    await sqlite_store.clear()
    async with sqlite_store.work() as w:
        ann = a_user("ann@example.org")
        w.users.add(ann)
        await w.commit()

    with pytest.raises(StorageUnavailable):
        await _note_in_full_database(sqlite_store, ann.id)

    assert await sqlite_store.notes() == []
    async with sqlite_store.work() as w:
        assert await w.users.get(ann.id) is not None


async def test_postgresql_says_so(postgresql_store: SqlStore) -> None:
    full = "DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
    async with connected(postgresql_store.sessions) as session:
        with pytest.raises(StorageUnavailable):
            async with connected(postgresql_store.sessions) as other:
                await other.execute(text(full))

        assert await session.scalar(text("SELECT 1")) == 1


async def _note_in_full_database(store: SqlStore, user: UserId) -> None:
    async with connected(store.sessions) as session:
        pages, free = [await session.scalar(text(f"PRAGMA {n}")) for n in ("page_count", "freelist_count")]
        await session.execute(text(f"PRAGMA max_page_count = {pages}"))
        try:
            await session.execute(text(NOTE), {"user": user, "message": "x" * (free + 250) * 4096})
            await session.commit()
        finally:
            await session.rollback()
            await session.execute(text("PRAGMA max_page_count = 4294967294"))
