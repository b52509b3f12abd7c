"""SQLite's driver, with one trip to its thread for each statement.

aiosqlite itself makes four, for the cursor, the statement, its rows and the cursor's end. Each of them
switches threads twice and waits for a turn of the event loop, mostly while everybody else waits to write. A
transaction begins with its first statement, in the same trip.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite
from typing_extensions import override

Executing = Callable[[sqlite3.Connection, Any], sqlite3.Cursor]

PORTION = 64  # rows that an iteration would fetch at once; nothing here iterates


@dataclass(frozen=True, slots=True)
class Outcome:
    """All there is to know of a statement once it was executed."""

    rows: Sequence[Any] = ()
    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None

    @classmethod
    def of(
        cls, connection: sqlite3.Connection, begin: str | None, execute: Executing, parameters: Any
    ) -> "Outcome":
        """Called in the connection's thread."""
        if begin is not None:
            connection.execute(begin).close()
        cursor = execute(connection, parameters)
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
    _begin: str | None = None  # what opens the transaction, until its first statement
    _begun = False  # sent to the thread, if not yet done there

    @override
    def cursor(self) -> Cursor:  # type: ignore[override]  # all that SQLAlchemy asks of one
        return Cursor(self)

    async def outcome(self, sql: str, parameters: Any) -> Outcome:
        if sql.startswith("BEGIN"):
            self._begin = sql
            return Outcome()
        return await self._outcome(lambda connection, given: connection.execute(sql, given), parameters)

    async def outcome_of_many(self, sql: str, parameters: Any) -> Outcome:
        return await self._outcome(lambda connection, given: connection.executemany(sql, given), parameters)

    async def _outcome(self, execute: Executing, parameters: Any) -> Outcome:
        begin, self._begin = self._begin, None
        self._begun |= begin is not None
        return await self._execute(Outcome.of, self._conn, begin, execute, parameters)  # type: ignore[no-any-return, no-untyped-call]  # untyped in aiosqlite

    @override
    async def commit(self) -> None:
        if self._ends():
            await super().commit()

    @override
    async def rollback(self) -> None:
        if self._ends():  # a connection that only read is given back without a trip
            await super().rollback()

    def _ends(self) -> bool:
        """Whether there is something to end; from now on there is not."""
        begun, self._begin, self._begun = self._begun or self.in_transaction, None, False
        return begun


def connect(database: str, **options: Any) -> Connection:
    """Instead of `aiosqlite.connect`."""
    connection = Connection(lambda: sqlite3.connect(database, **options), PORTION)
    connection._thread.daemon = True  # noqa: SLF001  # as SQLAlchemy does with aiosqlite's own
    return connection
