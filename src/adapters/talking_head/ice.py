"""Ways by which a viewer's browser may reach us."""

import re

import aioice.ice
from aiortc import RTCIceServer

_HIDDEN = re.compile(r"a=candidate:(?:\S+ ){4}\S+\.local ", re.IGNORECASE)


def offer_loopback_too() -> None:
    """For the whole process: 127.0.0.1 becomes a candidate like every other address. aioice leaves it out and
    has no option for it, but without any network it is the one way to a browser on this machine."""
    known = aioice.ice.get_host_addresses

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [*known(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]

    aioice.ice.get_host_addresses = addresses


def without_hidden_candidates(sdp: str) -> str:
    """Browsers hide their addresses behind mDNS names. Asking the network for those takes a second where
    nobody answers, and it is not needed: the browser's own checks reach us and tell where it is."""
    lines = sdp.splitlines(keepends=True)
    known = [line for line in lines if not _HIDDEN.match(line)]
    if len(known) < len(lines):
        known = [line for line in known if not line.startswith("a=end-of-candidates")]
    return "".join(known)


def ice_servers(given: object) -> tuple[RTCIceServer, ...]:
    """From the list that browsers take: [{"urls": …, "username": …, "credential": …}]. Raises ValueError."""
    if not isinstance(given, list):
        raise ValueError("must be a JSON list of ICE servers")
    servers = []
    for server in given:
        urls = server.get("urls") if isinstance(server, dict) else None
        texts = [url for url in (urls if isinstance(urls, list) else [urls]) if isinstance(url, str)]
        if not texts or (isinstance(urls, list) and len(texts) < len(urls)):
            raise ValueError("must name the urls of each ICE server")
        name, credential = server.get("username"), server.get("credential")
        if not all(part is None or isinstance(part, str) for part in (name, credential)):
            raise ValueError("must have texts as username and credential")
        servers.append(RTCIceServer(texts, name, credential))
    return tuple(servers)
