"""A reply of another worker, heard here."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.chat.feed import Feed
from application.chat.running import RunningReply
from application.ports.calls import Followed
from domain.conversation import MessageState
from domain.user import UserId
from tests.unit.chat.room import TICK_S, Room, Worker, ended, numbers, read_on, told, until


@pytest.fixture
async def theirs(room: Room) -> AsyncIterator[Worker]:
    async with room.open_worker("theirs") as theirs:
        yield theirs


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def running(room: Room, worker: Worker, ann: UserId) -> RunningReply:
    """Half of it is said, and copied."""
    room.model.hold_after = 2
    running = await worker.ask(ann, "What?")
    await until(lambda: running.mirrored == 2)
    return running


async def listening(feed: Feed, seen: int) -> "asyncio.Task[list[bytes]]":
    """Somebody who has heard so much, and waits for more."""
    reading = asyncio.create_task(read_on(feed))
    await until(lambda: any(reader.seen >= seen and reader.waiting for reader in feed.readers))
    return reading


class TestFeed:
    async def test_is_one_for_all_who_read_here(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        message = running.reply.message
        async with theirs.follow(ann, message, None) as one, theirs.follow(ann, message, 2) as other:
            assert one.feed is other.feed
            reading = [
                asyncio.create_task(read_on(place.feed, place.after)) for place in (one, other, one, other)
            ]
            await asyncio.sleep(TICK_S)
            room.model.release()
            heard, log = await asyncio.gather(*reading), running.reply.log
            assert heard == [log[:], log[2:], log[:], log[2:]]

    async def test_outlives_who_came_first(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, 1) as second:
            async with theirs.follow(ann, running.reply.message, None) as first:
                assert first.feed is second.feed
            reading = asyncio.create_task(read_on(second.feed, second.after))
            await asyncio.sleep(TICK_S)
            room.model.release()
            assert await reading == running.reply.log[1:]

    async def test_ends_with_the_reply(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.model.release()
            assert await reading == running.reply.log[:]
            assert place.feed.over
            assert place.feed.failure is None
        assert (running.reply.message, len(running.reply.log)) in room.logs.ends

    async def test_closes_without_an_end_when_the_worker_goes_away(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            theirs.elsewhere.close()
            assert await reading == running.reply.log[:2]
        assert not running.reply.ended
        async with theirs.follow(ann, running.reply.message, 2) as place:  # somebody new is served still
            assert not place.feed.over


class TestTheOwner:
    async def test_is_told_as_long_as_somebody_reads(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        loop = asyncio.get_running_loop()
        assert not running.is_read(loop.time())
        async with theirs.follow(ann, running.reply.message, None):
            await until(lambda: running.is_read(loop.time()))
            said = [call for call in room.calls.made if isinstance(call, Followed)]
            assert [running.reply.message] in [call.messages for call in said]
            until_then = running.followed_until
            await until(lambda: running.followed_until > until_then)  # again and again
        await asyncio.sleep(2 * TICK_S)
        made = len(room.calls.made)
        await asyncio.sleep(5 * TICK_S)
        assert len(room.calls.made) == made

    async def test_copies_what_is_followed_at_once_and_the_rest_in_time(
        self, room: Room, ann: UserId
    ) -> None:
        room.tick_s = 30
        room.model.hold_after = 1
        worker = room.worker()
        followed, other = [await worker.ask(ann, f"{n}?") for n in range(2)]
        await until(lambda: len(followed.reply.log) == len(other.reply.log) == 1)
        worker.replies.followed([followed.reply.message])
        worker.replies.open()
        await until(lambda: followed.mirrored == other.mirrored == 1)
        for _ in range(3):
            for running in (followed, other):
                running.reply.say("more")
            await until(lambda: followed.mirrored == len(followed.reply.log), 2)
        assert other.mirrored == 1
        room.model.release()
        await worker.replies.drain(1)

    async def test_that_falls_silent_is_not_asked_about_at_every_turn(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            await asyncio.sleep(15 * TICK_S)  # longer than its silence makes us doubt
            assert not reading.done()
            room.model.release()
            assert await reading == running.reply.log[:]


class TestFaults:
    async def test_a_store_that_is_emptied_costs_nothing(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.logs.flush()
            running.reply.say("more")
            running.feed.news()
            await until(lambda: place.feed.log == running.reply.log[:])
            room.logs.flush()
            room.model.release()
            assert await reading == running.reply.log[:]

    async def test_an_outage_is_waited_out(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.logs.down = room.calls.down = room.database.down = True
            await asyncio.sleep(10 * TICK_S)
            assert not reading.done()
            room.logs.down = room.calls.down = room.database.down = False
            room.model.release()
            assert await reading == running.reply.log[:]

    async def test_an_outage_of_the_calls_alone_stops_nobody_from_hearing(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        room.calls.down = True
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.model.release()
            assert await reading == running.reply.log[:]

    async def test_an_end_that_was_never_copied_is_found_in_the_database(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.logs.down = True
            room.model.release()
            await ended(running)
            room.logs.down = False
            frames = await reading
        *chunks, finished, complete = told(frames)
        assert "".join(event["chunk"] for event in chunks) == "Hello, world."
        assert finished == {"status": "finished"}
        assert complete == told(running.reply.log)[-1]
        assert numbers(frames) == list(range(1, len(frames) + 1))

    async def test_a_dead_owners_reply_ends_when_somebody_settles_it(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            assert await theirs.settle(running.reply.session, running.reply.message)
            frames = await reading
        *chunks, error, complete = told(frames)
        assert "".join(event["chunk"] for event in chunks) == complete["text"] == "Hello, "
        assert (error["code"], complete["interrupted"]) == ("internal", True)
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        room.model.release()

    async def test_an_owner_that_was_only_asleep_adds_nothing_to_that(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        await theirs.settle(running.reply.session, running.reply.message)
        room.model.release()
        await ended(running)
        async with theirs.follow(ann, running.reply.message, None) as place:
            frames = await read_on(place.feed, place.after)
        assert [event["status"] for event in told(frames)] == [*["streaming"] * 2, "error", "complete"]

    async def test_a_text_that_does_not_go_on_where_the_copy_stopped_is_told_by_the_last_event(
        self, room: Room, theirs: Worker, ann: UserId, running: RunningReply
    ) -> None:
        """The copy was lost together with its worker: what is stored is less than what was heard."""
        async with theirs.follow(ann, running.reply.message, None) as place:
            reading = await listening(place.feed, 2)
            room.logs.flush()
            await theirs.settle(running.reply.session, running.reply.message)
            frames = await reading
        *_, error, complete = told(frames)
        assert (error["code"], complete["text"], complete["interrupted"]) == ("internal", "", True)
        assert numbers(frames) == [1, 2, 3, 4]
        room.model.release()
