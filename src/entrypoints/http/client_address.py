"""Whose request is it? Forwarded headers are believed only from proxies that the settings name."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoints.http.bodies import AnyRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_WITH_PORT = re.compile(r"^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$")
V6_SUBNET = 64  # one household or host: what a single person can roam in


@dataclass(frozen=True, slots=True)
class ClientAddress:
    trusted: Sequence[Network]

    def __call__(self, request: AnyRequest) -> str:
        """The address that limits count, an IPv6 one by its /64."""
        peer = request.scope.get("client")
        address = peer[0] if peer else "unknown"
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))  # the header may be repeated
        chain = [part.strip() for part in forwarded.split(",") if part.strip()]
        while chain and self._is_trusted(address):
            address = chain.pop()
        return _counted_as(address)

    def _is_trusted(self, address: str) -> bool:
        ip = _parsed(address)
        return ip is not None and any(ip in network for network in self.trusted)


def _counted_as(address: str) -> str:
    ip = _parsed(address)
    if ip is None:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, V6_SUBNET), strict=False))
    return str(ip)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Some proxies name the port too (`192.0.2.1:4711`, `[2001:db8::1]:4711`), and a socket for both families
    shows IPv4 peers as `::ffff:192.0.2.1`."""
    bare = _WITH_PORT.sub(r"\1\2", address)
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return (isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped) or ip
