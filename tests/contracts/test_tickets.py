"""Secrets that stand for a login for a short time."""

import base64
import hashlib
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adapters.redis.tickets import RedisTickets
from application.ports.credentials import Claims
from application.ports.tickets import TICKET_LIFE_S, Ticket, Tickets
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.contracts.times import Time
from tests.fakes.clock import START, FakeClock
from tests.fakes.tickets import FakeTickets

CLAIMS = Claims(
    UserId(7), "a-jti", START, START + timedelta(hours=5), START - timedelta(hours=1, microseconds=250_000)
)
TICKET = Ticket("reply:9", CLAIMS)
ODD = ["", "x", "ticket-0", "é", "\udc80", "*", "ticket:" + "0" * 64, "x" * 10_000]


@pytest.fixture
def tickets(kind: str, time: Time, redis: Redis) -> Tickets:
    return FakeTickets(time.clock) if kind == "memory" else RedisTickets(redis)


class TestTickets:
    async def test_stand_for_what_they_were_issued_for(self, tickets: Tickets) -> None:
        secret = await tickets.issue(TICKET)
        for _ in range(3):  # any number of times
            assert await tickets.find(secret) == TICKET

    async def test_are_many_for_the_same_thing(self, tickets: Tickets) -> None:
        secrets = {await tickets.issue(TICKET) for _ in range(20)}
        assert len(secrets) == 20
        other = Ticket("files", CLAIMS)
        secret = await tickets.issue(other)
        assert await tickets.find(secret) == other
        assert [await tickets.find(one) for one in secrets] == [TICKET] * 20

    @pytest.mark.parametrize("secret", ODD)
    async def test_others_are_none(self, tickets: Tickets, secret: str) -> None:
        await tickets.issue(TICKET)
        assert await tickets.find(secret) is None


class TestInRedis:
    async def test_live_for_ten_minutes(self, redis: Redis) -> None:
        await RedisTickets(redis).issue(TICKET)
        (key,) = await redis.keys()
        assert TICKET_LIFE_S - 10 < await redis.ttl(key) <= TICKET_LIFE_S == 600

    async def test_their_secrets_are_long_and_written_nowhere(self, redis: Redis) -> None:
        secret = await RedisTickets(redis).issue(TICKET)
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        key = f"ticket:{hashlib.sha256(secret.encode()).hexdigest()}"
        assert await redis.keys() == [key.encode()]
        assert secret not in str(await redis.get(key))

    async def test_using_one_prolongs_nothing(self, redis: Redis) -> None:
        tickets = RedisTickets(redis)
        secret = await tickets.issue(TICKET)
        (key,) = await redis.keys()
        await redis.expire(key, 100)
        await tickets.find(secret)
        assert await redis.ttl(key) <= 100

    async def test_an_outage_is_said(self, no_redis: Redis) -> None:
        for ask in (RedisTickets(no_redis).issue(TICKET), RedisTickets(no_redis).find("x")):
            with pytest.raises(StorageUnavailable):
                await ask


async def test_the_fake_ones_grow_old_too() -> None:
    clock = FakeClock()
    tickets = FakeTickets(clock)
    secret = await tickets.issue(TICKET)
    clock.pass_(seconds=TICKET_LIFE_S - 1)
    assert await tickets.find(secret) == TICKET
    clock.pass_(seconds=1)
    assert await tickets.find(secret) is None
