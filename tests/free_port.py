import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Below the ports that kernels give to `bind(0)` and to outgoing connections: what is free here
# stays free until it is used, however many tests run beside this one.
_FIRST, _LAST = 20_000, 32_000


def _mine() -> Iterator[int]:
    """Ports no other test process on this machine holds, each once.

    A byte of one shared file stands for each port; its lock goes with the process."""
    shared = Path(tempfile.gettempdir()) / f"virtual-tutor-test-ports-{os.getuid()}"
    with shared.open("w") as file:
        start = random.randrange(_FIRST, _LAST)
        for step in range(_LAST - _FIRST):
            port = _FIRST + (start - _FIRST + step) % (_LAST - _FIRST)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                continue
            yield port
    raise RuntimeError("this process has used up every port there is for tests")


_ports = _mine()


def free_port() -> int:
    """A loopback port nobody listens on, and that no other test will choose."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no port is free")
