from dataclasses import dataclass
from datetime import timedelta

from application.ports.credentials import Claims
from application.ports.persistence import Reading
from application.ports.throttle import Limit, Throttle
from application.ports.tickets import Ticket, Tickets
from domain.conversation import MessageId, MessageNotFound
from domain.errors import RateLimited

FILES_SCOPE = "files"
TICKETS = Limit("ticket", 60, timedelta(minutes=1))  # of one user


def reply_scope(message: MessageId) -> str:
    return f"reply:{message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """A ticket for reading one stream: a browser's `EventSource` can send no token."""

    tickets: Tickets
    reading: Reading
    throttle: Throttle

    async def __call__(self, claims: Claims, message: MessageId) -> str:
        """For following one reply. Raises RateLimited, MessageNotFound."""
        await self._admit(claims)
        if await self.reading.reply(claims.user, message) is None:
            raise MessageNotFound
        return await self.tickets.issue(Ticket(reply_scope(message), claims))

    async def for_files(self, claims: Claims) -> str:
        """For following how it stands with one's files. Raises RateLimited."""
        await self._admit(claims)
        return await self.tickets.issue(Ticket(FILES_SCOPE, claims))

    async def _admit(self, claims: Claims) -> None:
        if wait := await self.throttle.take(TICKETS, str(claims.user)):
            raise RateLimited(retry_after=wait)
