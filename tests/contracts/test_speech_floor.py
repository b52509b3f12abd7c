"""Which reply is spoken for a user: one at a time, over all workers."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.redis.speech_floor import RedisSpeechFloor
from application.ports.speech_floor import SpeechFloor
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.speech import Delivery
from domain.user import UserId
from tests.fakes.speech_floor import FakeSpeechFloor

ANN, BEN = UserId(7), UserId(70)
ONE = Delivery(session=SessionId(1), message=MessageId(11))
TWO = Delivery(session=SessionId(12), message=MessageId(111))
BEGUN = ONE.took("Hello, world.", 13, 1_700_000_000.125).sending(1_700_000_003.5)


@pytest.fixture
def floor(kind: str, redis: Redis) -> SpeechFloor:
    return FakeSpeechFloor() if kind == "memory" else RedisSpeechFloor(redis)


def rounded(delivery: Delivery | None) -> tuple[object, ...] | None:
    """Times to the millisecond."""
    if delivery is None:
        return None
    given = [(one.upto, round(one.ends_at, 3)) for one in delivery.given]
    return delivery.session, delivery.message, given, round(delivery.sending_until, 3)


class TestFloor:
    async def test_is_taken_by_the_newest(self, floor: SpeechFloor) -> None:
        assert await floor.take(ANN, ONE) is None
        assert await floor.keep(ANN, BEGUN)
        assert rounded(await floor.take(ANN, TWO)) == rounded(BEGUN)
        assert not await floor.keep(ANN, BEGUN)
        assert await floor.keep(ANN, TWO)

    async def test_is_each_users_own(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, ONE)
        assert await floor.take(BEN, TWO) is None
        assert await floor.clear(BEN) == TWO
        assert await floor.keep(ANN, ONE)

    async def test_cleared_is_nobodys(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, BEGUN)
        assert rounded(await floor.clear(ANN)) == rounded(BEGUN)
        assert await floor.clear(ANN) is None
        assert not await floor.keep(ANN, BEGUN)
        assert await floor.take(ANN, TWO) is None

    async def test_is_cleared_of_one_session_only(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, TWO)
        for other in (SessionId(1), SessionId(2), SessionId(121)):
            assert await floor.clear(ANN, other) is None
        assert await floor.keep(ANN, TWO)
        assert await floor.clear(ANN, TWO.session) == TWO

    async def test_keeps_the_greatest_numbers(self, floor: SpeechFloor) -> None:
        most = Delivery(session=SessionId(2**53 - 1), message=MessageId(2**53 - 1))
        await floor.take(ANN, most)
        assert await floor.clear(ANN, most.session) == most

    async def test_of_many_who_take_it_one_keeps_it(self, floor: SpeechFloor) -> None:
        speeches = [Delivery(session=SessionId(1), message=MessageId(n)) for n in range(1, 21)]
        before = await asyncio.gather(*(floor.take(ANN, speech) for speech in speeches))
        kept = await asyncio.gather(*(floor.keep(ANN, speech) for speech in speeches))
        assert sum(kept) == 1
        assert sum(one is None for one in before) == 1  # each of the others has put one out
        assert len({one.message for one in before if one}) == 19


async def test_it_does_not_stay_for_ever(redis: Redis) -> None:
    await RedisSpeechFloor(redis).take(ANN, ONE)
    assert 0 < await redis.ttl("avatar:floor:7") <= 3600


async def test_an_outage_is_said(no_redis: Redis) -> None:
    down = FakeSpeechFloor(down=True)
    gone = RedisSpeechFloor(no_redis)
    for floor in (down, gone):
        for attempt in (floor.take(ANN, ONE), floor.keep(ANN, ONE), floor.clear(ANN)):
            with pytest.raises(StorageUnavailable):
                await attempt
