"""A server of our own with many accounts in it: started as in production, on a free port, in a folder that is
thrown away. Limits are as they are; whoever measures spreads over accounts and loopback addresses."""

import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher

import adapters.sql.mapping  # noqa: F401  (importing it maps the entities)
from adapters.argon2.hasher import LANES, MEMORY_KIB, PASSES
from adapters.sql.engine import database
from adapters.sql.work import SqlWorkFactory
from domain.user import Role, new_user
from entrypoints.settings import Settings
from tests.free_port import free_port
from tests.integration.house import House
from tests.integration.served import served

PASSWORD = "bench bench bench"
NOBODY_LISTENS = "http://127.0.0.1:9"  # no model: nothing is asked here
ARGON2 = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@asynccontextmanager
async def a_server(accounts: int) -> AsyncIterator[House]:
    with tempfile.TemporaryDirectory(prefix="vt-bench-") as folder, mail_sink() as mail_port:
        settings = {
            "ENVIRONMENT": "production",
            "HOST": "127.0.0.1",
            "SECRET_KEY": secrets.token_hex(32),
            "JWT_SECRET_KEY": secrets.token_hex(32),
            "CORS_ORIGINS": "https://bench.example",
            "LLM_URL": NOBODY_LISTENS,
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(mail_port),
            "MAIL_USE_TLS": "false",
            "MAIL_DEFAULT_SENDER": "bench@example.org",
        }
        async with served(Path(folder), **settings) as one:
            await settle(one.house.settings, accounts)
            yield one.house


async def settle(settings: Settings, accounts: int) -> None:
    """Everybody has one password; hashing it so often would take longer than the measurement."""
    hash, now = ARGON2.hash(PASSWORD), datetime.now(UTC)
    engine, sessions = database(settings.sqlalchemy_url)
    async with SqlWorkFactory(sessions)() as w:
        for n in range(accounts):
            w.users.add(new_user(known(n), hash, Role.STUDENT, now))
        await w.commit()
    await engine.dispose()


def known(n: int) -> str:
    return f"known{n:04}@example.org"


def unknown(n: int) -> str:
    """As long as a known one."""
    return f"other{n:04}@example.org"


def loopback(n: int) -> str:
    """One of many addresses of this machine."""
    return f"127.0.{1 + n // 250}.{1 + n % 250}"


@contextmanager
def mail_sink() -> Iterator[int]:
    """Takes every mail and forgets it; a process of its own, so that it takes no turn from who measures."""
    port = free_port()
    sink = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*sink, "-c", "aiosmtpd.handlers.Sink"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                probe.settimeout(0.05)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield port
    finally:
        process.terminate()
        process.wait()
