"""The databases that the product can be measured on."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgresql import a_postgresql


@contextmanager
def database_at(kind: str) -> Iterator[dict[str, str]]:
    """The settings that name it; SQLite is what the product uses by itself."""
    if kind == "sqlite":
        yield {}
        return
    with a_postgresql() as url:
        yield {"DATABASE_URL": url}
