"""The two transports below the adapters, for tests of what holds with either."""

import httpx

from adapters.http.client import http_client
from adapters.http.lean import LeanTransport

TRANSPORTS = ("lean", "stock")


def client_over(transport: str, max_connections: int = 1000) -> httpx.AsyncClient:
    """The product's client over one of TRANSPORTS."""
    lean = LeanTransport(max_connections=max_connections) if transport == "lean" else None
    return http_client(transport=lean, max_connections=max_connections)
