"""A ticket opens one thing, as long as the login session lives in which it was made."""

from datetime import timedelta

import pytest

from application.accounts.authenticate import Caller
from application.accounts.tickets import RedeemTicket
from application.ports.tickets import TICKET_LIFE_S, Ticket
from domain.errors import StorageUnavailable
from domain.user import AccountBanned, Status, TokenDead
from tests.fakes.credentials import LIFE
from tests.fakes.tickets import FakeTickets
from tests.unit.accounts.desk import Desk

SCOPE = "reply:9"


@pytest.fixture
def tickets(desk: Desk) -> FakeTickets:
    return FakeTickets(desk.clock)


@pytest.fixture
def redeem(desk: Desk, tickets: FakeTickets) -> RedeemTicket:
    return RedeemTicket(tickets=tickets, still_in=desk.still_in, reading=desk.reading)


class TestATicket:
    async def test_stands_for_who_fetched_it_any_number_of_times(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        ann = await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        for _ in range(3):
            caller = await redeem(secret, SCOPE)
            assert isinstance(caller, Caller)
            assert (caller.account.id, caller.claims) == (ann.id, claims)

    async def test_opens_nothing_else(self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket) -> None:
        await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        for scope in ("reply:99", "reply:", "files", ""):
            with pytest.raises(TokenDead):
                await redeem(secret, scope)

    async def test_that_nobody_issued_opens_nothing(self, redeem: RedeemTicket) -> None:
        for secret in ("", "x", "ticket-1"):
            with pytest.raises(TokenDead):
                await redeem(secret, SCOPE)

    async def test_lives_for_ten_minutes(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        desk.later(seconds=TICKET_LIFE_S - 1)
        await redeem(secret, SCOPE)
        desk.later(seconds=1)
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)

    async def test_keeps_nobody_logged_in(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        desk.sessions.idle = timedelta(hours=1)
        await desk.someone()
        token, claims = await desk.signed_in()
        desk.later(minutes=59)
        secret = await tickets.issue(Ticket(SCOPE, claims))
        await redeem(secret, SCOPE)
        desk.later(minutes=2)
        with pytest.raises(TokenDead):
            await desk.caller(token)
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)


class TestTheLoginSession:
    async def test_that_is_ended_takes_its_tickets_along(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        await desk.logout(claims)
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)

    async def test_that_another_replaced_does_too(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        _, newer = await desk.signed_in()
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)
        await redeem(await tickets.issue(Ticket(SCOPE, newer)), SCOPE)

    async def test_goes_on_in_a_successors_token(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        desk.clock.pass_(LIFE.life / 2)
        secret = await tickets.issue(Ticket(SCOPE, claims))
        successor = await desk.refresh(await desk.caller(token))
        assert successor is not None
        newer = (await desk.caller(successor.token)).claims  # its first use: the older one has a minute left
        assert (await redeem(secret, SCOPE)).claims == claims
        desk.later(seconds=61)
        assert (await redeem(secret, SCOPE)).claims == newer
        await desk.logout(newer)
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)

    async def test_of_a_predecessor_ends_the_successors_tickets_too(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        desk.clock.pass_(LIFE.life / 2)
        successor = await desk.refresh(await desk.caller(token))
        assert successor is not None
        newer = desk.tokens.read(successor.token, desk.clock.now())
        secret = await tickets.issue(Ticket(SCOPE, newer))
        await desk.logout(claims)
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)

    async def test_that_the_database_revoked_alone_opens_nothing(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        ann = await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        desk.sessions.down = True
        await desk.log_out_everywhere(ann.id)
        desk.sessions.down = False
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)


class TestTheAccount:
    async def test_that_is_banned_is_told_so(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        ann = await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        await desk.set_status(ann, Status.BANNED)
        with pytest.raises(AccountBanned):
            await redeem(secret, SCOPE)

    async def test_that_is_gone_opens_nothing(
        self, desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
    ) -> None:
        await desk.someone()
        _, claims = await desk.signed_in()
        secret = await tickets.issue(Ticket(SCOPE, claims))
        desk.tables.users.clear()
        with pytest.raises(TokenDead):
            await redeem(secret, SCOPE)


async def test_an_outage_lets_nobody_in_on_a_guess(
    desk: Desk, tickets: FakeTickets, redeem: RedeemTicket
) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    secret = await tickets.issue(Ticket(SCOPE, claims))
    desk.sessions.down = True
    with pytest.raises(StorageUnavailable):
        await redeem(secret, SCOPE)
