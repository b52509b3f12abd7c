from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.clock import Clock
from domain.ice import IceServer
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class TellIceServers:
    """What a browser asks to reach an avatar; relays open for this user, and for some hours, only."""

    servers: Sequence[IceServer]
    secret: str | None
    clock: Clock

    def __call__(self, user: UserId) -> list[IceServer]:
        now = self.clock.now()
        return [
            server.opened_for(user, self.secret, now) if self.secret and server.is_open else server
            for server in self.servers
        ]
