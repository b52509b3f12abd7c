"""Whom limits count (contract 1.2, 2.2): the peer, unless a trusted proxy names another; IPv6 by its /64."""

from ipaddress import ip_network
from typing import Any

import pytest
from litestar import Request

from entrypoints.http.client_address import ClientAddress

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def address(peer: str | None, *forwarded: str, trusted: bool = True) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = (peer, 4711) if peer is not None else None
    scope: Any = {"type": "http", "headers": headers, "client": client}  # what is read of it
    return ClientAddress(PROXIES if trusted else [])(Request(scope))


def test_the_peer_counts() -> None:
    assert address("203.0.113.7") == "203.0.113.7"
    assert address(None) == "unknown"
    assert address("a path of a socket") == "unknown"


def test_of_strangers_nothing_is_believed() -> None:
    assert address("203.0.113.7", "198.51.100.1") == "203.0.113.7"
    assert address("10.0.0.1", "198.51.100.1", trusted=False) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # what the client wrote itself comes first
        (["198.51.100.1, 10.0.0.9"], "198.51.100.1"),
        (["1.2.3.4", "198.51.100.1 , 10.0.0.9"], "198.51.100.1"),
        (["nonsense"], "unknown"),
        ([""], "10.0.0.1"),
        (["10.0.0.2"], "10.0.0.2"),
    ],
)
def test_of_trusted_proxies_the_nearest_stranger_is(forwarded: list[str], expected: str) -> None:
    assert address("10.0.0.1", *forwarded) == expected


def test_who_roams_in_a_network_of_his_own_is_one() -> None:
    assert len({address(f"2001:db8:1:2::{n:x}") for n in range(200)}) == 1
    assert address("2001:db8:1:2::1") != address("2001:db8:1:3::1")
    assert address("fd00::1", "2001:db8:1:2:ffff::1") == address("2001:db8:1:2::1")


def test_ipv4_spelled_as_ipv6_is_the_same() -> None:
    assert address("::ffff:203.0.113.7") == address("203.0.113.7")
    assert address("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"  # a proxy at a socket for both


def test_a_port_behind_the_address_does_not_count() -> None:
    assert address("10.0.0.1", "198.51.100.1:4711") == "198.51.100.1"
    assert address("10.0.0.1", "[2001:db8:1:2::1]:4711, 10.0.0.2:80") == address("2001:db8:1:2::9")
    assert address("10.0.0.1", "198.51.100.1:") == "unknown"
