from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url


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
