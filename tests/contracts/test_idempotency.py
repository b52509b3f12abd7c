"""What was asked under a key that a client chose."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.redis.idempotency import RedisIdempotencyKeys
from application.ports.idempotency import IdempotencyKeys, KeptAsk
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.fakes.idempotency import FakeIdempotencyKeys

ANN, BEN = UserId(7), UserId(8)
KEPT = KeptAsk("print", SessionId(3), MessageId(4), MessageId(5))
CLAIMED, RECLAIMED = KeptAsk("print"), KeptAsk("print", SessionId(3), MessageId(4))


@pytest.fixture
def keys(kind: str, redis: Redis) -> IdempotencyKeys:
    return FakeIdempotencyKeys() if kind == "memory" else RedisIdempotencyKeys(redis)


class TestClaiming:
    async def test_is_for_the_first(self, keys: IdempotencyKeys) -> None:
        assert await keys.claim(ANN, "k", "print") is None
        assert await keys.claim(ANN, "k", "print") == CLAIMED
        assert await keys.claim(ANN, "k", "other") == CLAIMED

    async def test_tells_what_was_asked(self, keys: IdempotencyKeys) -> None:
        await keys.claim(ANN, "k", "print")
        await keys.keep(ANN, "k", KEPT)
        assert await keys.claim(ANN, "k", "other") == KEPT

    async def test_is_per_user_and_key(self, keys: IdempotencyKeys) -> None:
        for user, key in ((ANN, "k"), (BEN, "k"), (ANN, "K"), (ANN, "k "), (ANN, "x" * 128), (ANN, "*:7")):
            assert await keys.claim(user, key, "print") is None

    async def test_of_many_at_once_one_gets_it(self, keys: IdempotencyKeys) -> None:
        found = await asyncio.gather(*(keys.claim(ANN, "k", f"{n}") for n in range(50)))
        assert found.count(None) == 1
        assert len(set(found) - {None}) == 1  # and all others see whose it is

    async def test_is_free_again_when_nothing_was_stored(self, keys: IdempotencyKeys) -> None:
        await keys.claim(ANN, "k", "print")
        await keys.let_go(ANN, "k")
        assert await keys.claim(ANN, "k", "other") is None
        await keys.let_go(BEN, "never claimed")


class TestReclaiming:
    async def test_takes_the_answer_out(self, keys: IdempotencyKeys) -> None:
        await keys.keep(ANN, "k", KEPT)
        assert await keys.reclaim(ANN, "k", KEPT)
        assert await keys.claim(ANN, "k", "print") == RECLAIMED
        await keys.keep(ANN, "k", KEPT)
        assert await keys.claim(ANN, "k", "print") == KEPT

    async def test_of_many_at_once_one_gets_it(self, keys: IdempotencyKeys) -> None:
        await keys.keep(ANN, "k", KEPT)
        assert sum(await asyncio.gather(*(keys.reclaim(ANN, "k", KEPT) for _ in range(20)))) == 1

    async def test_of_what_has_changed_or_is_gone_is_refused(self, keys: IdempotencyKeys) -> None:
        assert not await keys.reclaim(ANN, "k", KEPT)
        assert await keys.claim(ANN, "k", "print") is None  # and leaves nothing
        newer = KeptAsk("print", SessionId(3), MessageId(4), MessageId(6))
        await keys.keep(ANN, "k", newer)
        assert not await keys.reclaim(ANN, "k", KEPT)
        assert not await keys.reclaim(BEN, "k", newer)
        assert await keys.claim(ANN, "k", "print") == newer


class TestInRedis:
    KEY = "idem:7:8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a"  # of "k"

    async def test_a_holder_that_dies_frees_it_soon(self, redis: Redis) -> None:
        keys = RedisIdempotencyKeys(redis)
        await keys.claim(ANN, "k", "print")
        assert 25 < await redis.ttl(self.KEY) <= 30
        await keys.claim(ANN, "k", "print")
        assert await redis.keys() == [self.KEY.encode()]
        await keys.keep(ANN, "k", KEPT)
        await keys.reclaim(ANN, "k", KEPT)
        assert 25 < await redis.ttl(self.KEY) <= 30

    async def test_what_was_asked_is_known_for_a_day(self, redis: Redis) -> None:
        keys = RedisIdempotencyKeys(redis)
        await keys.claim(ANN, "k", "print")
        await keys.keep(ANN, "k", KEPT)
        assert 86390 < await redis.ttl(self.KEY) <= 86400
        await keys.claim(ANN, "k", "print")  # asking prolongs nothing
        await redis.expire(self.KEY, 100)
        await keys.claim(ANN, "k", "print")
        assert await redis.ttl(self.KEY) <= 100

    async def test_a_failed_reclaim_changes_no_time(self, redis: Redis) -> None:
        keys = RedisIdempotencyKeys(redis)
        await keys.keep(ANN, "k", KEPT)
        assert not await keys.reclaim(ANN, "k", RECLAIMED)
        assert await redis.ttl(self.KEY) > 86000


async def test_an_outage_is_said(kind: str, no_redis: Redis) -> None:
    fake = FakeIdempotencyKeys()
    fake.down = True
    keys: IdempotencyKeys = fake if kind == "memory" else RedisIdempotencyKeys(no_redis)
    for ask in (
        keys.claim(ANN, "k", "print"),
        keys.reclaim(ANN, "k", KEPT),
        keys.keep(ANN, "k", KEPT),
        keys.let_go(ANN, "k"),
    ):
        with pytest.raises(StorageUnavailable):
            await ask
