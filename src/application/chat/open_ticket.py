from dataclasses import dataclass

from application.ports.credentials import Claims
from application.ports.persistence import Reading
from application.ports.tickets import Ticket, Tickets
from domain.conversation import MessageId, MessageNotFound


def reply_scope(message: MessageId) -> str:
    return f"reply:{message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """A ticket for reading one reply: a browser's `EventSource` can send no token."""

    tickets: Tickets
    reading: Reading

    async def __call__(self, claims: Claims, message: MessageId) -> str:
        """Raises MessageNotFound."""
        if await self.reading.reply(claims.user, message) is None:
            raise MessageNotFound
        return await self.tickets.issue(Ticket(reply_scope(message), claims))
