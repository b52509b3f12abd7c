"""Ending a reply, from whichever worker the order comes."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import pytest

from application.chat.reply import ReplyState
from application.chat.running import RunningReply
from application.chat.stop import Ended
from domain.conversation import MessageState, SessionId, SessionNotFound
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.unit.chat.room import Room, Worker, ended, told, until, visit


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def session(room: Room, ann: UserId) -> SessionId:
    return await room.session_of(ann)


@pytest.fixture
async def theirs(room: Room) -> AsyncIterator[Worker]:
    async with room.open_worker("theirs") as theirs:
        yield theirs


@pytest.fixture
async def running(room: Room, worker: Worker, ann: UserId, session: SessionId) -> RunningReply:
    room.model.hold_after = 2
    running = await worker.ask(ann, "What?", session)
    await until(lambda: len(running.reply.log) == 2)
    return running


@pytest.mark.parametrize("here", [True, False])
async def test_a_reply_ends_with_what_was_said_stored(
    room: Room, worker: Worker, theirs: Worker, ann: UserId, running: RunningReply, here: bool
) -> None:
    reading = asyncio.create_task(visit(worker, ann, running.reply.message))
    stopped = await (worker if here else theirs).stop_reply(ann, running.reply.session)
    message = room.message(running.reply.message)
    assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
    assert stopped.message == running.reply.message
    assert stopped.upstream_closed_ms is not None
    assert 0 <= stopped.upstream_closed_ms < 200
    assert (room.model.closed_early, room.model.speaking) == (1, 0)
    assert room.cluster.runs == {}
    assert [event["status"] for event in told(await reading)] == [*["streaming"] * 2, "finished", "complete"]


async def test_many_stop_at_once_and_all_are_told(
    room: Room, worker: Worker, theirs: Worker, ann: UserId, running: RunningReply
) -> None:
    orders = [one.stop_reply(ann, running.reply.session) for one in (worker, theirs) * 3]
    assert {one.message for one in await asyncio.gather(*orders)} <= {running.reply.message, None}
    assert room.model.closed_early == 1
    assert room.message(running.reply.message).state is MessageState.INTERRUPTED


async def test_nothing_to_stop_is_no_error(
    room: Room, worker: Worker, theirs: Worker, ann: UserId, session: SessionId
) -> None:
    assert await worker.stop_reply(ann, session) == Ended(None, None)
    await ended(await worker.ask(ann, "What?", session))
    for one in (worker, theirs):
        assert await one.stop_reply(ann, session) == Ended(None, None)
    assert room.calls.made == []


async def test_what_is_being_stored_already_stays_complete(
    room: Room, worker: Worker, ann: UserId, session: SessionId
) -> None:
    running = await worker.ask(ann, "What?", session)
    async with room.work():  # holds up the commit
        await until(lambda: running.settling)
        stopping = asyncio.create_task(worker.stop_reply(ann, session))
        await asyncio.sleep(0.01)
    assert await stopping == Ended(None, None)
    assert running.reply.state is ReplyState.COMPLETE


async def test_is_the_owners_alone(room: Room, worker: Worker, theirs: Worker, running: RunningReply) -> None:
    ben = await room.someone("ben@example.org")
    for one in (worker, theirs):
        for session in (running.reply.session, SessionId(999)):
            with pytest.raises(SessionNotFound):
                await one.stop_reply(ben, session)
    assert not running.reply.ended
    room.model.release()
    await ended(running)


class TestADeadOwner:
    async def test_is_stood_in_for(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        await room.dead_run(id)
        session = room.message(id).session_id
        assert await worker.stop_reply(room.owner(id), session) == Ended(id, None)
        assert (room.message(id).content, room.message(id).state) == ("Hello, ", MessageState.INTERRUPTED)
        assert room.cluster.runs == {}
        assert await worker.stop_reply(room.owner(id), session) == Ended(None, None)

    async def test_that_never_said_what_it_answers_frees_the_session(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        await room.cluster.worker("dead").claim(session)
        room.cluster.die("dead")
        assert await worker.stop_reply(ann, session) == Ended(None, None)
        assert room.cluster.runs == {}


class TestAnOwnerThatDoesNotConfirm:
    async def test_is_an_outage(self, room: Room, theirs: Worker, ann: UserId, session: SessionId) -> None:
        room.model.hold_after = 1
        deaf = room.worker("deaf")
        running = await deaf.ask(ann, "What?", session)
        await running.feed.begun(5)
        began = perf_counter()
        with pytest.raises(StorageUnavailable):
            await theirs.stop_reply(ann, session)
        assert perf_counter() - began >= room.wait_s - 0.01
        assert not running.reply.ended
        room.model.release()
        await ended(running)

    async def test_had_come_to_its_own_end(
        self, room: Room, theirs: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 1
        deaf = room.worker("deaf")
        running = await deaf.ask(ann, "What?", session)
        await running.feed.begun(5)
        stopping = asyncio.create_task(theirs.stop_reply(ann, session))
        await asyncio.sleep(0.05)
        room.model.release()
        assert await stopping == Ended(None, None)
        assert (await ended(running)).reply.state is ReplyState.COMPLETE

    @pytest.mark.parametrize("what", ["calls", "cluster"])
    async def test_because_nobody_can_be_reached(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply, what: str
    ) -> None:
        store = room.calls if what == "calls" else room.cluster
        store.down = True
        with pytest.raises(StorageUnavailable):
            await theirs.stop_reply(ann, running.reply.session)
        store.down = False
        room.model.release()
        await ended(running)


class TestHeed:
    async def test_ends_whatever_a_user_is_told(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        ben = await room.someone("ben@example.org")
        his = await theirs.ask(ben, "What?")
        await his.feed.begun(5)
        await room.calls.stop_user(ann)
        await ended(running)
        assert running.reply.state is ReplyState.INTERRUPTED
        room.model.release()
        assert (await ended(his)).reply.state is ReplyState.COMPLETE

    async def test_ends_what_nobody_reads(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        other = await theirs.ask(ann, "What?")
        await other.feed.begun(5)
        reading = asyncio.create_task(visit(theirs, ann, other.reply.message))
        await until(lambda: other.feed.readers)
        for session in (other.reply.session, running.reply.session):
            await room.calls.stop_unread(session)
        await ended(running)
        assert not other.reply.ended
        room.model.release()
        await reading
        assert other.reply.state is ReplyState.COMPLETE

    async def test_a_reply_that_takes_its_time_to_end_holds_up_no_other_call(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        other = await theirs.ask(ann, "What?")
        await other.feed.begun(5)
        async with room.work():  # holds up both commits
            stopping = [
                asyncio.create_task(theirs.stop_reply(ann, one.reply.session)) for one in (running, other)
            ]
            await until(lambda: running.settling and other.settling)
        found = await asyncio.gather(*stopping)
        assert [one.message for one in found] == [running.reply.message, other.reply.message]

    async def test_an_outage_while_confirming_ends_nothing_else(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with room.work():  # holds up the commit
            stopping = asyncio.create_task(theirs.stop_reply(ann, running.reply.session))
            await until(lambda: running.settling)
            room.calls.down = True
        assert await stopping == Ended(None, None)  # it was ended, and nobody could say so
        room.calls.down = False
        await ended(running)
        again = await worker.ask(ann, "What?", running.reply.session)
        await again.feed.begun(5)
        assert (await theirs.stop_reply(ann, running.reply.session)).message == again.reply.message
