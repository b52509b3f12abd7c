"""The line between a viewer and his avatar: whose session is it, and where does the avatar listen?"""

import json
from dataclasses import dataclass, field, replace

import pytest
from typing_extensions import override

from application.avatars.make_offer import OFFERS, MakeOffer
from application.avatars.pass_on import PassOn
from application.ports.avatar_instances import (
    InstanceFailed,
    InstanceUnreachable,
    OfferAnswer,
    Passed,
    ProxyCall,
    SessionLimitReached,
)
from domain.avatar import Lease, LeaseNumber, NoAvatar, NotYourSession, RtcSession, RtcSessionGone
from domain.errors import RateLimited
from tests.fakes.avatar_instances import FakeAvatarInstances
from tests.fakes.throttle import FakeThrottle
from tests.unit.avatars.stage import ANN, BEN, MIRA, OTTO, Stage

SDP = "v=0 offer"


class Placed(FakeAvatarInstances):
    """Listens at some ports only; what was asked where."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf: set[int] = set()
        self.asked: list[int] = []

    @override
    async def offer(self, lease: Lease, sdp: str) -> OfferAnswer:
        self._listening(lease)
        return await super().offer(lease, sdp)

    @override
    async def pass_on(self, lease: Lease, call: ProxyCall) -> Passed:
        self._listening(lease)
        return await super().pass_on(lease, call)

    def _listening(self, lease: Lease) -> None:
        self.asked.append(lease.instance.port)
        if lease.instance.port in self.deaf:
            raise InstanceUnreachable


@dataclass
class Line:
    stage: Stage = field(default_factory=Stage)
    instances: Placed = field(default_factory=Placed)

    def __post_init__(self) -> None:
        leases, use = self.stage.leases, self.stage.use
        self.make_offer = MakeOffer(
            leases=leases,
            instances=self.instances,
            throttle=FakeThrottle(self.stage.clock),
            use_lease=use,
        )
        self.pass_on = PassOn(leases=leases, instances=self.instances, use_lease=use)

    async def speaking(self, lease: Lease, rtc: RtcSession) -> Passed:
        return await self.pass_on(lease, ProxyCall("POST", "is_speaking", rtc))


@pytest.fixture
def line() -> Line:
    return Line()


async def test_the_session_of_an_offer_is_the_viewers_and_the_current_one(line: Line) -> None:
    lease = await line.stage.held()
    for _ in range(2):
        answer = await line.make_offer(lease, SDP)
        assert await line.stage.leases.current_rtc(lease) == answer.rtc
        assert (await line.speaking(lease, answer.rtc)).status == 200


async def test_a_session_is_nobody_elses(line: Line) -> None:
    anns, bens = await line.stage.held(ANN), await line.stage.held(BEN)
    answer = await line.make_offer(anns, SDP)
    line.instances.asked.clear()
    for rtc in (answer.rtc, RtcSession(0), RtcSession(999_999)):
        with pytest.raises(NotYourSession):
            await line.speaking(bens, rtc)
    assert line.instances.asked == []


async def test_a_lease_that_has_ended_leads_nowhere(line: Line) -> None:
    lease = await line.stage.held()
    answer = await line.make_offer(lease, SDP)
    await line.stage.held(ANN, OTTO)
    line.instances.asked.clear()
    for stale in (lease, replace(lease, number=LeaseNumber(99))):
        with pytest.raises(NoAvatar):
            await line.make_offer(stale, SDP)
        with pytest.raises(NoAvatar):
            await line.speaking(stale, answer.rtc)
        with pytest.raises(NoAvatar):
            await line.pass_on(stale, ProxyCall("GET", "health"))
    assert line.instances.asked == []


async def test_an_answer_to_a_lease_that_ended_meanwhile_is_not_told(line: Line) -> None:
    class Slow(Placed):
        @override
        async def offer(self, lease: Lease, sdp: str) -> OfferAnswer:
            answer = await super().offer(lease, sdp)
            await line.stage.disconnect(ANN)
            return answer

    lease = await line.stage.held()
    slow = replace(line.make_offer, instances=Slow())
    with pytest.raises(NoAvatar):
        await slow(lease, SDP)


async def test_a_session_that_is_gone_is_forgotten(line: Line) -> None:
    lease = await line.stage.held()
    answer = await line.make_offer(lease, SDP)
    line.instances.sessions.clear()
    with pytest.raises(RtcSessionGone):
        await line.speaking(lease, answer.rtc)
    with pytest.raises(NotYourSession):
        await line.speaking(lease, answer.rtc)
    assert await line.stage.leases.current_rtc(lease) is None


async def test_using_it_keeps_the_lease(line: Line) -> None:
    lease = await line.stage.held()
    answer = await line.make_offer(lease, SDP)
    for _ in range(3):
        line.stage.clock.pass_(seconds=1700)
        await line.speaking(lease, answer.rtc)
    assert await line.stage.leases.of(ANN)


async def test_offers_are_limited_for_each_user(line: Line) -> None:
    anns, bens = await line.stage.held(ANN), await line.stage.held(BEN)
    line.instances.max_sessions = 1000
    for _ in range(OFFERS.times):
        await line.make_offer(anns, SDP)
    with pytest.raises(RateLimited) as caught:
        await line.make_offer(anns, SDP)
    assert caught.value.retry_after >= 1
    await line.make_offer(bens, SDP)


async def test_a_refused_offer_gives_no_session(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.max_sessions = 0
    with pytest.raises(SessionLimitReached):
        await line.make_offer(lease, SDP)
    assert await line.stage.leases.current_rtc(lease) is None


async def test_an_offer_follows_an_avatar_that_has_moved(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.deaf.add(lease.instance.port)
    moved = line.stage.pool.relaunch(MIRA)
    answer = await line.make_offer(lease, SDP)
    assert line.instances.asked == [lease.instance.port, moved.port]
    assert json.loads(answer.body)["sessionid"] == answer.rtc
    found = await line.stage.leases.of(ANN)
    assert found
    assert found.instance.port == moved.port
    assert (await line.speaking(found, answer.rtc)).status == 200


async def test_a_session_ends_with_the_process_that_had_it(line: Line) -> None:
    lease = await line.stage.held()
    answer = await line.make_offer(lease, SDP)
    line.instances.deaf.add(lease.instance.port)
    line.stage.pool.relaunch(MIRA)
    line.instances.asked.clear()
    with pytest.raises(RtcSessionGone):
        await line.speaking(lease, answer.rtc)
    assert line.instances.asked == [lease.instance.port]
    found = await line.stage.leases.of(ANN)
    assert found
    with pytest.raises(NotYourSession):
        await line.speaking(found, answer.rtc)


async def test_what_is_about_no_session_follows_too(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.deaf.add(lease.instance.port)
    line.stage.pool.relaunch(MIRA)
    assert (await line.pass_on(lease, ProxyCall("GET", "health"))).status == 200


async def test_an_avatar_that_is_gone_has_to_be_started_again(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.deaf.add(lease.instance.port)
    del line.stage.pool.of()[MIRA]
    with pytest.raises(InstanceUnreachable):
        await line.make_offer(lease, SDP)
    assert await line.stage.leases.of(ANN) is None


async def test_one_that_does_not_listen_where_it_should_is_asked_once(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.deaf.add(lease.instance.port)
    for _ in range(2):
        line.instances.asked.clear()
        with pytest.raises(InstanceUnreachable):
            await line.make_offer(lease, SDP)
        assert line.instances.asked == [lease.instance.port]
    assert await line.stage.leases.of(ANN)


async def test_other_failures_are_not_repeated(line: Line) -> None:
    lease = await line.stage.held()
    line.instances.failure = InstanceFailed()
    with pytest.raises(InstanceFailed):
        await line.make_offer(lease, SDP)
    with pytest.raises(InstanceFailed):
        await line.pass_on(lease, ProxyCall("GET", "health"))
    assert len(line.instances.asked) == 2
