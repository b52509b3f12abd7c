"""Tickets stand for a login where a client can send no header, for one thing and a short time."""

from dataclasses import dataclass
from typing import Protocol

from application.ports.credentials import Claims

TICKET_LIFE_S = 600


@dataclass(frozen=True, slots=True)
class Ticket:
    """Opens `scope`, and nothing else, for whom the claims name; as long as that login session lives."""

    scope: str
    claims: Claims


class Tickets(Protocol):
    """Good for ten minutes, any number of times. Raises StorageUnavailable."""

    async def issue(self, ticket: Ticket) -> str:
        """The secret that stands for it from now on: 256 random bits."""
        ...

    async def find(self, secret: str) -> Ticket | None: ...
