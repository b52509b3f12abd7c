"""Reading a stream where the client can send no token: with a ticket that was fetched with one."""

from dataclasses import dataclass

from application.accounts.authenticate import Caller
from application.accounts.still_in import StillIn
from application.ports.persistence import Reading
from application.ports.tickets import Tickets
from domain.user import AccountBanned, TokenDead


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemTicket:
    """Ticket to caller. It opens one thing, for reading, and dies with the login session it was made in."""

    tickets: Tickets
    still_in: StillIn
    reading: Reading

    async def __call__(self, secret: str, scope: str) -> Caller:
        """Raises TokenDead, AccountBanned, StorageUnavailable."""
        ticket = await self.tickets.find(secret)
        if ticket is None or ticket.scope != scope:
            raise TokenDead
        account = await self.reading.account(ticket.claims.user)
        if account is None or account.revoked(ticket.claims.auth_time):
            raise TokenDead
        if account.banned:
            raise AccountBanned
        claims = await self.still_in.living(ticket.claims)
        if claims is None:
            raise TokenDead
        return Caller(account, claims)
