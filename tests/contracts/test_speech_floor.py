"""Which reply is spoken for a user: one at a time, over all workers."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.redis.speech_floor import RedisSpeechFloor
from application.ports.speech_floor import SpeechFloor
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.speech import Delivery, Viewer
from domain.user import UserId
from tests.fakes.speech_floor import FakeSpeechFloor

ANN, BEN = UserId(7), UserId(70)
INSTANCE = Instance(manager="http://m:8607", avatar=AvatarName("mira"), host="h", port=8615, pid=7)
LEASE = Lease(
    user=ANN,
    avatar=AvatarName("mira"),
    number=LeaseNumber(17_000_000_000_000),
    instance=INSTANCE,
    started_at=1_700_000_000.25,
    confirmed_at=1_700_000_001.5,
)
TO = Viewer(LEASE, RtcSession(100_001))
ONE = Delivery(session=SessionId(1), message=MessageId(11), to=TO)
TWO = Delivery(session=SessionId(12), message=MessageId(111), to=TO)
BEGUN = ONE.took("Hello, world.", 13, 1_700_000_000.125).sending(1_700_000_003.5)


@pytest.fixture
def floor(kind: str, redis: Redis) -> SpeechFloor:
    return FakeSpeechFloor() if kind == "memory" else RedisSpeechFloor(redis)


class TestFloor:
    async def test_is_taken_by_the_newest(self, floor: SpeechFloor) -> None:
        assert await floor.take(ANN, ONE) is None
        assert await floor.keep(ANN, BEGUN)
        assert await floor.take(ANN, TWO) == BEGUN
        assert not await floor.keep(ANN, BEGUN)
        assert await floor.keep(ANN, TWO)

    async def test_is_each_users_own(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, ONE)
        assert await floor.take(BEN, TWO) is None
        assert await floor.clear(BEN) == TWO
        assert await floor.keep(ANN, ONE)

    async def test_cleared_is_nobodys(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, BEGUN)
        assert await floor.clear(ANN) == BEGUN
        assert await floor.clear(ANN) is None
        assert not await floor.keep(ANN, BEGUN)
        assert await floor.take(ANN, TWO) == BEGUN  # a segment of it may be on its way

    async def test_left_is_as_if_nobody_had_had_it(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, BEGUN)
        await floor.leave(ANN, TWO)  # which does not have it
        assert await floor.keep(ANN, BEGUN)
        await floor.leave(ANN, BEGUN)
        assert not await floor.keep(ANN, BEGUN)
        assert await floor.clear(ANN) is None
        assert await floor.take(ANN, TWO) is None

    async def test_is_cleared_of_one_session_only(self, floor: SpeechFloor) -> None:
        await floor.take(ANN, TWO)
        for other in (SessionId(1), SessionId(2), SessionId(121)):
            assert await floor.clear(ANN, other) is None
        assert await floor.keep(ANN, TWO)
        assert await floor.clear(ANN, TWO.session) == TWO

    async def test_keeps_the_greatest_numbers(self, floor: SpeechFloor) -> None:
        most = Delivery(session=SessionId(2**53 - 1), message=MessageId(2**53 - 1), to=TO)
        await floor.take(ANN, most)
        assert await floor.clear(ANN, most.session) == most

    async def test_of_many_who_take_it_one_keeps_it(self, floor: SpeechFloor) -> None:
        speeches = [Delivery(session=SessionId(1), message=MessageId(n), to=TO) for n in range(1, 21)]
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
        for attempt in (floor.take(ANN, ONE), floor.keep(ANN, ONE), floor.clear(ANN), floor.leave(ANN, ONE)):
            with pytest.raises(StorageUnavailable):
                await attempt
