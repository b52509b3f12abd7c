from itertools import count

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.tickets import TICKET_LIFE_S, Ticket, Tickets


class FakeTickets(Tickets):
    """Numbered secrets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._issued: dict[str, tuple[Ticket, float]] = {}

    @override
    async def issue(self, ticket: Ticket) -> str:
        secret = f"ticket-{next(self._numbers)}"
        self._issued[secret] = (ticket, self._now() + TICKET_LIFE_S)
        return secret

    @override
    async def find(self, secret: str) -> Ticket | None:
        ticket, until = self._issued.get(secret, (None, 0.0))
        return ticket if self._now() < until else None

    def _now(self) -> float:
        return self._clock.now().timestamp()
