"""Whose request is it? Forwarded headers are believed only from proxies that the settings name."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoints.http.bodies import AnyRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
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
        try:
            return any(ipaddress.ip_address(address) in network for network in self.trusted)
        except ValueError:
            return False


def _counted_as(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, V6_SUBNET), strict=False))
    return str(ip)
