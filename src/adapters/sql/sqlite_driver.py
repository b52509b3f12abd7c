"""SQLite's driver, with one trip to its thread for each statement.

aiosqlite itself makes four, for the cursor, the statement, its rows and the cursor's end. Each of them
switches threads twice and waits for a turn of the event loop, mostly while everybody else waits to write.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite
from typing_extensions import override

PORTION = 64  # rows that an iteration would fetch at once; nothing here iterates


@dataclass(frozen=True, slots=True)
class Outcome:
    """All there is to know of a statement once it was executed."""

    rows: Sequence[Any] = ()
    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None

    @classmethod
    def of(cls, execute: Callable[..., sqlite3.Cursor], sql: str, parameters: Any) -> "Outcome":
        """Called in the connection's thread."""
        cursor = execute(sql, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        outcome = cls(rows, cursor.description, cursor.rowcount, cursor.lastrowid)
        cursor.close()
        return outcome


class Cursor:
    """A cursor that brings its rows along, as SQLAlchemy's adapter wants it."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._outcome = Outcome()
        self.arraysize = 1

    async def __aenter__(self) -> "Cursor":
        return self

    @property
    def description(self) -> Any:
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._outcome.lastrowid

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> "Cursor":
        self._outcome = await self._connection.outcome(sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Cursor":
        self._outcome = await self._connection.outcome_of_many(sql, parameters)
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._outcome.rows

    async def close(self) -> None:
        """It was closed where its statement was executed."""


class Connection(aiosqlite.Connection):
    @override
    def cursor(self) -> Cursor:  # type: ignore[override]  # all that SQLAlchemy asks of one
        return Cursor(self)

    async def outcome(self, sql: str, parameters: Any) -> Outcome:
        return await self._execute(Outcome.of, self._conn.execute, sql, parameters)  # type: ignore[no-any-return, no-untyped-call]  # untyped in aiosqlite

    async def outcome_of_many(self, sql: str, parameters: Any) -> Outcome:
        return await self._execute(Outcome.of, self._conn.executemany, sql, parameters)  # type: ignore[no-any-return, no-untyped-call]  # untyped in aiosqlite

    @override
    async def rollback(self) -> None:
        if self.in_transaction:  # a connection that only read is given back without a trip
            await super().rollback()


def connect(database: str, **options: Any) -> Connection:
    """Instead of `aiosqlite.connect`."""
    connection = Connection(lambda: sqlite3.connect(database, **options), PORTION)
    connection._thread.daemon = True  # noqa: SLF001  # as SQLAlchemy does with aiosqlite's own
    return connection
