"""Replies that an avatar speaks: in order, to their own student, and no further than he wants."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from typing_extensions import override

from application.chat.running import RunningReply
from application.ports.avatar_instances import (
    InstanceFailed,
    InstanceStarting,
    InstanceTimeout,
    InstanceUnreachable,
    NotAccepted,
)
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.conversation import MessageId, SessionId
from domain.errors import DomainError
from domain.speech import Delivery, Viewer
from domain.user import UserId
from tests.fakes.avatar_instances import FakeAvatarInstances
from tests.unit.chat.room import TICK_S, Room, Worker, told, until

ADA = AvatarName("ada")
SENTENCES = [f"This is sentence number {word}. " for word in ("one", "two", "three", "four", "five")]
SAID = [sentence.strip() for sentence in SENTENCES]


@dataclass
class Faulty(FakeAvatarInstances):
    """Refuses with what `faults` has next; None: it does as it is told."""

    faults: list[DomainError | None] = field(default_factory=list)
    slow_s: float = 0.0

    @override
    async def speak(self, lease: Lease, rtc: RtcSession, text: str, *, within_s: float = 3.0) -> None:
        await asyncio.sleep(self.slow_s)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        await super().speak(lease, rtc, text, within_s=within_s)


@pytest.fixture
def instances(room: Room) -> Faulty:
    room.instances = Faulty()
    return room.instances


@pytest.fixture
async def worker(room: Room, instances: Faulty) -> Worker:
    return room.worker()


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def ben(room: Room) -> UserId:
    return await room.someone("ben@example.org")


@pytest.fixture
async def session(room: Room, ann: UserId) -> SessionId:
    return await room.session_of(ann)


async def watched(room: Room, user: UserId) -> RtcSession:
    """The user's browser shows an avatar."""
    lease = room.leases.mappings.get(user)
    if lease is None:
        number = await room.leases.claim(user)
        assert number is not None
        instance = Instance(manager=room.pool.managers[0], avatar=ADA, host="h", port=8615)
        room.pool.of()[ADA] = instance
        now = room.clock.now().timestamp()
        lease = Lease(
            user=user, avatar=ADA, number=number, instance=instance, started_at=now, confirmed_at=now
        )
        assert await room.leases.hold(lease)
    answer = await room.instances.offer(lease, "v=0")
    assert await room.leases.capture(lease, answer.rtc)
    return answer.rtc


async def spoken(room: Room, running: RunningReply) -> None:
    """Until the speaker is done with the reply."""
    assert running.task is not None
    await asyncio.wait([running.task])
    await until(lambda: room.message(running.reply.message).spoken_upto is not None)


class TestSpeech:
    async def test_is_the_answer_in_order(self, room: Room, worker: Worker, ann: UserId) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        running = await worker.ask(ann, "What?")
        await spoken(room, running)
        assert room.instances.said == [(rtc, text) for text in SAID]
        assert room.message(running.reply.message).spoken_upto == len("".join(SENTENCES))

    async def test_is_over_with_what_can_be_heard(self, room: Room, worker: Worker, ann: UserId) -> None:
        await watched(room, ann)
        room.model.pieces = ["Look at this. ", "\n\n---\n"]
        running = await worker.ask(ann, "What?")
        await spoken(room, running)
        assert room.message(running.reply.message).spoken_upto == len(running.reply.text)

    async def test_is_not_far_ahead_of_the_voice(self, room: Room, worker: Worker, ann: UserId) -> None:
        await watched(room, ann)
        room.model.pieces = SENTENCES * 20
        running = await worker.ask(ann, "What?")
        assert running.task is not None
        await asyncio.wait([running.task])
        await asyncio.sleep(5 * TICK_S)
        assert 10 < len(room.instances.said) < 25  # twenty seconds of a quick voice
        for _ in range(60):
            room.clock.pass_(seconds=5)
            await asyncio.sleep(TICK_S)
        await spoken(room, running)
        assert [text for _, text in room.instances.said] == SAID * 20

    async def test_without_a_viewer_goes_nowhere(self, room: Room, worker: Worker, ann: UserId) -> None:
        running = await worker.ask(ann, "What?")
        assert running.task is not None
        await running.task
        await asyncio.sleep(TICK_S)
        assert room.instances.said == []
        assert room.floor.held == {}

    async def test_holds_up_no_token(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        await watched(room, ann)
        instances.slow_s = 30
        running = await worker.ask(ann, "What?")
        assert running.task is not None
        await asyncio.wait_for(running.task, 5)
        assert told(running.reply.log[:])[-1]["status"] == "complete"

    async def test_is_nobody_who_reads(self, room: Room, worker: Worker, ann: UserId) -> None:
        await watched(room, ann)
        room.model.hold_after = 1
        running = await worker.ask(ann, "What?")
        await until(lambda: bool(running.feed.readers))
        assert not running.is_read(0.0)
        room.model.release()

    async def test_of_another_user_is_not_mixed_in(
        self, room: Room, worker: Worker, ann: UserId, ben: UserId
    ) -> None:
        mine, his = await watched(room, ann), await watched(room, ben)
        room.model.pieces = SENTENCES
        both = [await worker.ask(ann, "One?"), await worker.ask(ben, "Two?")]
        for running in both:
            await spoken(room, running)
        for rtc in (mine, his):
            assert [text for whom, text in room.instances.said if whom == rtc] == SAID


class TestSilence:
    async def test_comes_with_a_stop(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        room.model.hold_after = 2
        running = await worker.ask(ann, "What?", session)
        await until(lambda: instances.said == [(rtc, SAID[0])])
        await worker.stop_reply(ann, session)
        room.model.release()
        said = list(instances.said)
        await asyncio.sleep(3 * TICK_S)
        assert instances.said == said
        assert instances.interrupted == [rtc]
        assert room.message(running.reply.message).spoken_upto == 0

    async def test_comes_for_a_segment_on_its_way(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.slow_s = 2 * TICK_S
        await worker.ask(ann, "What?", session)
        await until(lambda: bool(room.floor.held and room.floor.held[ann].sending_until))
        await worker.stop_reply(ann, session)
        await until(lambda: len(instances.interrupted) == 2)  # ours, and that of who sent it
        assert instances.said == [(rtc, SAID[0])]

    async def test_comes_with_the_next_question_which_tells_what_was_heard(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        room.instances.talking.add(rtc)
        first = await worker.ask(ann, "What?", session)
        await until(lambda: ann in room.floor.held and room.floor.held[ann].upto == len("".join(SENTENCES)))
        assert first.task is not None
        await asyncio.wait([first.task])
        room.clock.pass_(seconds=3.5)  # one sentence and a half
        second = await worker.ask(ann, "Pardon?", session)
        assert room.instances.interrupted == [rtc]
        assert room.message(first.reply.message).spoken_upto == len(SENTENCES[0].rstrip())
        room.instances.talking.clear()
        await spoken(room, second)
        assert [question.heard for question in room.answers.questions] == [None, SAID[0]]

    async def test_is_no_interruption_once_all_was_heard(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        await watched(room, ann)
        first = await worker.ask(ann, "What?", session)
        await spoken(room, first)
        room.clock.pass_(seconds=60)
        second = await worker.ask(ann, "And?", session)
        await spoken(room, second)
        assert room.instances.interrupted == []
        assert room.answers.questions[-1].heard is None

    async def test_is_not_asked_for_another_session(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.instances.talking.add(await watched(room, ann))
        room.model.pieces = SENTENCES
        await worker.ask(ann, "What?", session)
        await until(lambda: len(room.instances.said) == len(SAID))
        other = (await worker.ask(ann, "Else?")).reply.session
        await until(lambda: ann in room.floor.held and room.floor.held[ann].session == other)
        interrupted = list(room.instances.interrupted)
        await worker.stop_reply(ann, session)
        await asyncio.sleep(TICK_S)
        assert room.instances.interrupted == interrupted
        assert room.floor.held[ann].session == other
        room.instances.talking.clear()


class TestFaults:
    @pytest.mark.parametrize("fault", [NotAccepted(), InstanceUnreachable()])
    async def test_once_or_twice_are_got_over(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty, fault: DomainError
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.faults = [None, fault, fault]
        running = await worker.ask(ann, "What?")
        await spoken(room, running)
        assert instances.said == [(rtc, text) for text in SAID]
        assert "avatar" not in [event["status"] for event in told(running.reply.log[:])]

    async def test_of_one_that_is_still_starting_are_waited_out(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.faults = [InstanceStarting()] * 10
        running = await worker.ask(ann, "What?")
        await spoken(room, running)
        assert instances.said == [(rtc, text) for text in SAID]
        assert "avatar" not in [event["status"] for event in told(running.reply.log[:])]

    async def test_of_one_that_has_its_hands_full_are_waited_out(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.faults = [None, *[NotAccepted()] * 10]
        running = await worker.ask(ann, "What?")
        await spoken(room, running)
        assert instances.said == [(rtc, text) for text in SAID]
        assert "avatar" not in [event["status"] for event in told(running.reply.log[:])]

    async def test_what_was_taken_and_not_yet_heard_is_said_again_elsewhere(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.talking.add(rtc)
        running = await worker.ask(ann, "What?")
        await until(lambda: len(instances.said) == len(SAID))
        room.clock.pass_(seconds=5.0)  # two and a half
        instances.sessions.discard(rtc)
        other = await watched(room, ann)
        await spoken(room, running)
        assert instances.said == [(rtc, text) for text in SAID] + [(other, text) for text in SAID[2:]]

    async def test_what_may_have_been_heard_is_not_said_again(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.faults = [None, InstanceTimeout()]
        await spoken(room, await worker.ask(ann, "What?"))
        assert instances.said == [(rtc, text) for text in (SAID[0], *SAID[2:])]

    @pytest.mark.parametrize(
        "faults", [[InstanceFailed()] * 3, [InstanceUnreachable()] * 3, [InstanceTimeout()] * 3]
    )
    async def test_that_last_are_told_and_end_with_another_connection(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty, faults: list[DomainError]
    ) -> None:
        rtc = await watched(room, ann)
        room.model.pieces, room.model.hold_after = SENTENCES, 5
        instances.faults = [None, *faults]
        instances.slow_s = 2 * TICK_S
        running = await worker.ask(ann, "What?")

        def states() -> list[object]:
            return [event["state"] for event in told(running.reply.log[:]) if event["status"] == "avatar"]

        await until(lambda: instances.said == [(rtc, SAID[0])])
        room.clock.pass_(seconds=2.1)  # it was heard
        await until(lambda: states() == ["lost"])
        other = await watched(room, ann)
        await until(lambda: states() == ["lost", "recovered"])
        room.model.release()
        await spoken(room, running)
        assert instances.said == [(rtc, SAID[0]), *((other, text) for text in SAID[1:])]
        assert "".join(SENTENCES) == running.reply.text

    async def test_of_a_session_that_is_gone_forget_it(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        rtc = await watched(room, ann)
        room.model.hold_after = 3
        instances.sessions.discard(rtc)
        running = await worker.ask(ann, "What is it? Tell me.")
        room.model.release()
        lease = room.leases.mappings[ann]
        await until(lambda: room.leases.rtc[ann] == [])
        assert await room.leases.current_rtc(lease) is None
        assert running.task is not None
        await running.task

    async def test_nobody_is_waited_for_for_ever(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        await watched(room, ann)
        room.model.pieces = SENTENCES
        instances.faults = [None, *[InstanceUnreachable()] * 3]
        instances.slow_s = TICK_S
        running = await worker.ask(ann, "What?")
        await until(lambda: len(instances.said) == 1)
        room.clock.pass_(seconds=2.1)
        await spoken(room, running)
        assert [text for _, text in instances.said] == SAID[:1]
        assert room.message(running.reply.message).spoken_upto == len(SENTENCES[0].rstrip())

    async def test_a_lease_that_ended_is_not_used(
        self, room: Room, worker: Worker, ann: UserId, instances: Faulty
    ) -> None:
        await watched(room, ann)
        room.model.pieces, room.model.hold_after = SENTENCES, 2
        running = await worker.ask(ann, "What?")
        await until(lambda: len(instances.said) == 1)
        room.clock.pass_(seconds=2.1)
        await room.leases.drop(room.leases.mappings[ann], 0.0, None)
        room.model.release()
        await spoken(room, running)
        assert len(instances.said) == 1

    async def test_an_outage_of_redis_leaves_the_text_alone(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        await watched(room, ann)
        room.floor.down = room.leases.down = True
        running = await worker.ask(ann, "What?", session)
        assert running.task is not None
        await running.task
        await worker.stop_reply(ann, session)
        assert running.reply.text


INSTANCE = Instance(manager="http://m", avatar=ADA, host="h", port=8615)
VIEWER = Viewer(
    Lease(
        user=UserId(1),
        avatar=ADA,
        number=LeaseNumber(3),
        instance=INSTANCE,
        started_at=1.0,
        confirmed_at=1.0,
    ),
    RtcSession(100_001),
)


class TestDelivery:
    def test_is_heard_as_time_goes_by(self) -> None:
        delivery = Delivery(session=SessionId(1), message=MessageId(2), to=VIEWER)
        assert (delivery.upto, delivery.heard(9.0), delivery.goes_on(9.0)) == (0, 0, False)
        delivery = delivery.took("x" * 28, 30, 10.0).took("y" * 14, 45, 10.5)
        assert delivery.upto == 45
        assert [delivery.heard(now) for now in (10.0, 11.9, 12.0, 12.9, 13.0)] == [0, 0, 30, 30, 45]
        assert (delivery.goes_on(12.9), delivery.goes_on(13.0)) == (True, False)

    def test_forgets_what_is_long_said(self) -> None:
        delivery = Delivery(session=SessionId(1), message=MessageId(2), to=VIEWER)
        for n in range(1000):
            delivery = delivery.took("word", 4 * n, float(n))
        assert len(delivery.given) <= 2
        assert delivery.heard(2000.0) == 3996

    def test_on_its_way_counts_as_going_on(self) -> None:
        delivery = Delivery(session=SessionId(1), message=MessageId(2), to=VIEWER).sending(5.0)
        assert (delivery.goes_on(4.0), delivery.goes_on(5.0)) == (True, False)
        assert replace(delivery, sending_until=0.0).goes_on(4.0) is False
