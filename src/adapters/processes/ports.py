"""Local TCP ports."""

import socket
from contextlib import suppress


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def loopback_listener(port: int = 0) -> socket.socket:
    """A listening socket; connections wait there until somebody serves them. Port 0: any that is free."""
    return socket.create_server(("127.0.0.1", port), backlog=512)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. An unknown host is not free."""
    with suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        return True
    return False
