"""How two ends of a call find each other: servers that tell an end its address, or relay for it."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.user import UserId

RELAY_LIFE = timedelta(hours=6)  # of made-up credentials: longer than anybody watches without a new offer
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])"
_AT = rf"{_HOST}(?::[0-9]{{1,5}})?"
_URL = re.compile(rf"stuns?:{_AT}|turns?:{_AT}(?:\?transport=(?:udp|tcp))?")


@dataclass(frozen=True, slots=True)
class IceServer:
    """STUN servers need no credentials, TURN servers do."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    @property
    def relays(self) -> bool:
        return any(url.startswith("turn") for url in self.urls)

    @property
    def is_open(self) -> bool:
        """A relay without credentials of its own: it takes those made with the shared secret."""
        return self.relays and self.credential is None

    def opened_for(self, user: UserId, secret: str, now: datetime) -> "IceServer":
        """With credentials that a TURN server of the REST scheme (coturn's `use-auth-secret`) accepts until
        they are too old."""
        username = f"{int((now + RELAY_LIFE).timestamp())}:{user}"
        digest = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
        return replace(self, username=username, credential=base64.b64encode(digest).decode())


def is_ice_url(text: str) -> bool:
    return _URL.fullmatch(text) is not None
