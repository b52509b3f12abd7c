import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from structlog.contextvars import get_contextvars

from adapters.http.trust import trusted

CONNECT_S = 5.0
POOL_S = 5.0


def http_client(
    *,
    idle_s: float = 120.0,
    max_connections: int | None = 1000,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """The client for upstreams: one per process (or per upstream), closed by whoever made it.

    It follows no redirect, reads no proxy or netrc from the environment, keeps no cookie and asks for
    uncompressed answers. What is asked on behalf of a request carries that request's id. `transport`
    replaces the stock one, and the connection limit with it.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # at INFO every URL would be written down
    return httpx.AsyncClient(
        transport=transport or _stock(max_connections),
        trust_env=False,
        follow_redirects=False,
        # A jar would carry one user's cookie, or one upstream's, to the next.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "virtual-tutor", "accept-encoding": "identity"},
        timeout=httpx.Timeout(idle_s, connect=CONNECT_S, pool=POOL_S),
        event_hooks={"request": [_on_behalf]},
    )


def patience(client: httpx.AsyncClient, idle_s: float) -> httpx.Timeout:
    """The client's own limits for connecting, and `idle_s` for every read and write."""
    return httpx.Timeout(idle_s, connect=client.timeout.connect, pool=client.timeout.pool)


async def _on_behalf(request: httpx.Request) -> None:
    if id := get_contextvars().get("request_id"):  # the one in the log; a reply's task inherits it
        request.headers["x-request-id"] = id


def _stock(max_connections: int | None) -> httpx.AsyncHTTPTransport:
    # Nothing here may be sent twice, so no call may meet a connection that the other side has just closed
    # (llama.cpp closes after each stream without saying so): every call gets a connection of its own.
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(verify=trusted(), limits=limits, trust_env=False)
