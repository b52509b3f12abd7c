from datetime import UTC, datetime

import pytest

from domain.ice import RELAY_LIFE, IceServer, is_ice_url
from domain.user import UserId

NOW = datetime(2025, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "stun:stun.school.org",
        "stuns:stun.school.org:5349",
        "turn:10.0.0.1:3478",
        "turn:turn.school.org?transport=tcp",
        "turns:[2001:db8::1]:5349?transport=udp",
    ],
)
def test_these_name_servers(url: str) -> None:
    assert is_ice_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "stun:",
        "http://x",
        "stun://x",
        "turn:x?transport=sctp",
        "stun:x?transport=udp",
        "turn:u@x",
        "stun:a b",
    ],
)
def test_these_do_not(url: str) -> None:
    assert not is_ice_url(url)


def test_a_relay_without_credentials_is_open() -> None:
    assert IceServer(("turn:x",)).is_open
    assert IceServer(("stun:x", "turns:y")).is_open
    assert not IceServer(("stun:x",)).is_open
    assert not IceServer(("turn:x",), "a", "b").is_open


def test_credentials_are_the_users_and_expire() -> None:
    opened = IceServer(("turn:x",)).opened_for(UserId(7), "north", NOW)
    until = int((NOW + RELAY_LIFE).timestamp())
    assert opened.username == f"{until}:7"
    assert opened.urls == ("turn:x",)
    other = IceServer(("turn:x",)).opened_for(UserId(8), "north", NOW)
    later = IceServer(("turn:x",)).opened_for(UserId(7), "south", NOW)
    assert len({opened.credential, other.credential, later.credential}) == 3


def test_the_credential_is_the_known_one() -> None:
    """Computed by `printf 1763445600:7 | openssl dgst -sha1 -hmac north -binary | base64`."""
    start = datetime.fromtimestamp(1763445600, UTC) - RELAY_LIFE
    opened = IceServer(("turn:x",)).opened_for(UserId(7), "north", start)
    assert opened.username == "1763445600:7"
    assert opened.credential == "OXvJ+PU0+Gs6rRAFYTF3/JTaplg="
