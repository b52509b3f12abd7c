"""The queue of code mails."""

import asyncio
import json
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adapters.redis.keyed import Keyed
from adapters.redis.mail import LATER, MAILBOX, QUEUE, RedisMailbox, RedisOutbox
from application.accounts.mails import already_registered_mail, code_mail
from application.ports.mail import Mail, Outbox
from domain.errors import StorageUnavailable
from domain.user import Purpose
from tests.fakes.clock import START, FakeClock
from tests.fakes.mail import FakeMailer, FakeOutbox


def cipher_of(secret: str = "s" * 32) -> Keyed:
    return Keyed.derived(secret, "mail")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def outbox(kind: str, clock: FakeClock, redis: Redis) -> Outbox:
    return FakeOutbox(clock) if kind == "memory" else RedisOutbox(redis, cipher_of().cipher(), clock)


def a_mail(to: str = "ann@example.org") -> Mail:
    return code_mail(to, Purpose.REGISTER, "042042", START)


async def taken(outbox: Outbox, at_most: int) -> list[Mail]:
    """What can be had in so many tries, and not one more: the last try would wait."""
    tries = [await outbox.take() for _ in range(at_most)]
    return [mail for mail in tries if mail is not None]


class TestOutbox:
    async def test_gives_mails_in_order_and_each_once(self, outbox: Outbox) -> None:
        first, second = a_mail(), already_registered_mail("bén@example.org", START)
        await outbox.post(first)
        await outbox.post(second)
        assert await taken(outbox, 2) == [first, second]

    async def test_what_is_not_to_be_delivered_is_never_taken(self, outbox: Outbox) -> None:
        await outbox.post(a_mail("nobody@example.org"), deliver=False)
        await outbox.post(a_mail())
        assert await taken(outbox, 2 if isinstance(outbox, RedisOutbox) else 1) == [a_mail()]

    async def test_what_is_stale_is_never_taken(self, outbox: Outbox, clock: FakeClock) -> None:
        await outbox.post(a_mail())
        clock.pass_(timedelta(seconds=301))
        fresh = code_mail("ben@example.org", Purpose.RESET_PASSWORD, "123456", clock.now())
        await outbox.post(fresh)
        assert await taken(outbox, 2 if isinstance(outbox, RedisOutbox) else 1) == [fresh]

    async def test_a_mail_posted_again_keeps_its_age(self, outbox: Outbox, clock: FakeClock) -> None:
        await outbox.post(a_mail())
        clock.pass_(timedelta(seconds=200))
        (mail,) = await taken(outbox, 1)
        await outbox.post(mail)
        clock.pass_(timedelta(seconds=101))
        assert await taken(outbox, 1) == []

    async def test_waits_for_a_mail(self, outbox: Outbox) -> None:
        if isinstance(outbox, FakeOutbox):
            outbox = FakeOutbox(patience=5)
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0.05)
        await outbox.post(a_mail())
        assert await asyncio.wait_for(waiting, 5) == a_mail()

    async def test_several_takers_share_the_mails(self, outbox: Outbox) -> None:
        mails = [a_mail(f"user{n}@example.org") for n in range(12)]
        for mail in mails:
            await outbox.post(mail)
        shares = await asyncio.gather(*(taken(outbox, 4) for _ in range(3)))
        assert sorted(m.to for share in shares for m in share) == sorted(m.to for m in mails)


class TestPutBack:
    async def test_it_is_taken_again_after_a_while_and_holds_up_no_other(
        self, outbox: Outbox, clock: FakeClock
    ) -> None:
        slow, other = a_mail("slow@example.org"), a_mail()
        await outbox.put_back(slow, timedelta(seconds=0.3))
        await outbox.post(other)
        assert await outbox.take() == other
        clock.pass_(timedelta(seconds=0.3))
        await asyncio.sleep(0.35)
        assert await outbox.take() == slow

    async def test_it_keeps_its_age(self, outbox: Outbox, clock: FakeClock) -> None:
        await outbox.put_back(a_mail(), timedelta(0))
        clock.pass_(timedelta(seconds=301))
        assert await taken(outbox, 1) == []

    async def test_it_is_taken_once(self, outbox: Outbox) -> None:
        for n in range(6):
            await outbox.put_back(a_mail(f"user{n}@example.org"), timedelta(0))
        shares = await asyncio.gather(*(taken(outbox, 2) for _ in range(3)))
        assert len([mail for share in shares for mail in share]) == 6


class TestInRedis:
    async def test_neither_code_nor_address_can_be_read(self, redis: Redis) -> None:
        await RedisOutbox(redis, cipher_of().cipher(), FakeClock()).post(a_mail())
        (raw,) = await redis.lrange(QUEUE, 0, -1)
        assert b"042042" not in raw
        assert b"ann" not in raw
        assert 299 <= await redis.ttl(QUEUE) <= 300

    async def test_a_dropped_mail_looks_like_any_other(self, redis: Redis) -> None:
        outbox = RedisOutbox(redis, cipher_of().cipher(), FakeClock())
        await outbox.post(a_mail())
        await outbox.post(a_mail("bob@example.org"), deliver=False)
        one, other = await redis.lrange(QUEUE, 0, -1)
        assert len(one) == len(other)

    async def test_what_another_key_has_sealed_is_dropped(self, redis: Redis) -> None:
        await RedisOutbox(redis, cipher_of("t" * 32).cipher(), FakeClock()).post(a_mail())
        await redis.lpush(QUEUE, b"no seal at all")
        outbox = RedisOutbox(redis, cipher_of().cipher(), FakeClock())
        assert await taken(outbox, 2) == []
        assert not await redis.exists(QUEUE)

    async def test_what_was_queued_before_mails_had_html_is_still_read(self, redis: Redis) -> None:
        cipher, old = cipher_of().cipher(), ["ann@example.org", "Code", "042042", START.isoformat(), True]
        await redis.lpush(QUEUE, cipher.encrypt(json.dumps(old).encode()))
        outbox = RedisOutbox(redis, cipher, FakeClock())
        assert await outbox.take() == Mail("ann@example.org", "Code", "042042", START)

    async def test_what_was_put_back_can_neither_be_read_nor_stays_for_ever(self, redis: Redis) -> None:
        await RedisOutbox(redis, cipher_of().cipher(), FakeClock()).put_back(a_mail(), timedelta(seconds=60))
        (raw,) = await redis.zrange(LATER, 0, -1)
        assert b"042042" not in raw
        assert 299 <= await redis.ttl(LATER) <= 300

    async def test_an_outage_is_told(self, no_redis: Redis) -> None:
        outbox = RedisOutbox(no_redis, cipher_of().cipher(), FakeClock())
        with pytest.raises(StorageUnavailable):
            await outbox.post(a_mail())
        with pytest.raises(StorageUnavailable):
            await outbox.take()
        with pytest.raises(StorageUnavailable):
            await outbox.put_back(a_mail(), timedelta(0))


class TestMailbox:
    async def test_shows_the_last_hundred_newest_first(self, kind: str, redis: Redis) -> None:
        mailbox: FakeMailer | RedisMailbox = FakeMailer() if kind == "memory" else RedisMailbox(redis)
        mails = [a_mail(f"user{n}@example.org") for n in range(103)]
        for mail in mails:
            await mailbox.deliver(mail)
        assert await mailbox.recent() == mails[:2:-1]

    async def test_keeps_them_for_a_day(self, redis: Redis) -> None:
        await RedisMailbox(redis).deliver(a_mail())
        assert await redis.type(MAILBOX) == b"list"
        assert 86_390 <= await redis.ttl(MAILBOX) <= 86_400
