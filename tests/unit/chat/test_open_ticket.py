from datetime import timedelta

import pytest

from application.chat.open_ticket import OpenTicket, reply_scope
from application.ports.credentials import Claims
from application.ports.tickets import Ticket
from domain.conversation import MessageId, MessageNotFound
from domain.errors import RateLimited
from domain.user import UserId
from tests.fakes.clock import START
from tests.fakes.tickets import FakeTickets
from tests.unit.chat.room import Room, Worker, ended


def claims_of(user: UserId) -> Claims:
    return Claims(user, "a-jti", START, START + timedelta(hours=5), START)


async def test_a_ticket_is_for_one_reply_of_ones_own(room: Room, worker: Worker) -> None:
    ann, ben = await room.someone(), await room.someone("ben@example.org")
    room.model.hold_after = 1
    running = await worker.ask(ann, "What?")
    question, answer = room.tables.messages
    tickets = FakeTickets(room.clock)
    open_ticket = OpenTicket(tickets=tickets, reading=room.reading, throttle=room.throttle)

    secret = await open_ticket(claims_of(ann), answer)  # while it is being generated
    assert await tickets.find(secret) == Ticket(reply_scope(answer), claims_of(ann))
    for user, message in ((ben, answer), (ann, question), (ann, MessageId(999))):
        with pytest.raises(MessageNotFound):
            await open_ticket(claims_of(user), message)

    room.model.release()
    await ended(running)
    assert await open_ticket(claims_of(ann), answer) != secret


async def test_sixty_a_minute_are_enough(room: Room) -> None:
    ann = await room.someone()
    open_ticket = OpenTicket(tickets=FakeTickets(room.clock), reading=room.reading, throttle=room.throttle)
    for _ in range(60):
        with pytest.raises(MessageNotFound):
            await open_ticket(claims_of(ann), MessageId(999))
    with pytest.raises(RateLimited):
        await open_ticket(claims_of(ann), MessageId(999))


def test_each_reply_is_a_scope_of_its_own() -> None:
    assert len({reply_scope(MessageId(n)) for n in range(100)}) == 100
