"""Reading a reply from any place, at any worker, at any time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.chat.follow import NothingLeft
from application.chat.running import RunningReply
from application.ports.language_model import ModelFailed, ModelUnreachable
from application.tasks import ended as cancelled
from domain.conversation import MessageId, MessageNotFound, MessageState, Source
from domain.errors import ShuttingDown, StorageUnavailable
from domain.user import UserId
from tests.unit.chat.room import TICK_S, Room, Worker, ended, numbers, read_on, told, until, visit


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def theirs(room: Room) -> AsyncIterator[Worker]:
    async with room.open_worker("theirs") as theirs:
        yield theirs


async def at_every_place(
    worker: Worker, ann: UserId, reply: RunningReply, places: int
) -> "list[asyncio.Task[list[bytes]]]":
    visits = [asyncio.create_task(visit(worker, ann, reply.reply.message, after)) for after in range(places)]
    await asyncio.sleep(3 * TICK_S)
    return visits


class TestALiveReply:
    async def test_is_read_on_from_every_place_where_it_is_generated(
        self, room: Room, worker: Worker, ann: UserId
    ) -> None:
        room.model.hold_after = 2
        running = await worker.ask(ann, "What?")
        await until(lambda: len(running.reply.log) == 2)
        visits = await at_every_place(worker, ann, running, 3)
        room.model.release()
        assert await asyncio.gather(*visits) == [running.reply.log[after:] for after in range(3)]

    async def test_is_read_on_from_every_place_at_another_worker(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.answers.cites = [Source(1, "a.pdf", None, None, "")]
        room.model.hold_after = 2
        running = await worker.ask(ann, "What?")
        await until(lambda: running.mirrored == 3)
        visits = await at_every_place(
            theirs, ann, running, 5
        )  # the fourth was told elsewhere, and is not copied
        room.model.release()
        assert await asyncio.gather(*visits) == [running.reply.log[after:] for after in range(5)]

    async def test_can_be_read_elsewhere_before_it_has_said_anything(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.hold_after = 0
        running = await worker.ask(ann, "What?")
        async with theirs.follow(ann, running.reply.message, None) as place:
            assert not place.feed.spoken
            reading = asyncio.create_task(read_on(place.feed, place.after))
            begun = asyncio.create_task(place.feed.begun(5))
            await asyncio.sleep(TICK_S)
            assert not begun.done()
            room.model.release()
            assert await begun
            assert await reading == running.reply.log[:]

    async def test_that_fails_before_its_first_word_is_a_refusal_elsewhere_too(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.hold_after = 0
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        running = await worker.ask(ann, "What?")
        async with theirs.follow(ann, running.reply.message, None) as place:
            room.model.release()
            assert await place.feed.begun(5)
            assert isinstance(place.feed.failure, ModelUnreachable)

    async def test_that_has_just_ended_has_nothing_left_for_who_heard_it_all(
        self, room: Room, worker: Worker, ann: UserId
    ) -> None:
        running = await worker.ask(ann, "What?")
        room.cluster.latency = 0.1  # it takes a moment to tidy up
        await until(lambda: running.feed.over)
        log = running.reply.log[:]
        with pytest.raises(NothingLeft):
            await visit(worker, ann, running.reply.message, len(log))
        assert await visit(worker, ann, running.reply.message, 2) == log[2:]
        assert worker.replies.get(running.reply.message) is running


class TestAFinishedReply:
    async def test_is_told_from_every_place_by_any_worker(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        running = await ended(await worker.ask(ann, "What?"))
        log, message = running.reply.log[:], running.reply.message
        for reader in (worker, theirs):
            assert await visit(reader, ann, message) == log
            for after in range(len(log)):
                assert await visit(reader, ann, message, after) == log[after:]
            for after in (len(log), len(log) + 3):
                with pytest.raises(NothingLeft):
                    await visit(reader, ann, message, after)

    async def test_that_failed_half_way_ends_for_everybody_as_it_did(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelFailed(), 2
        running = await ended(await worker.ask(ann, "What?"))
        assert await visit(theirs, ann, running.reply.message) == running.reply.log[:]
        with pytest.raises(NothingLeft):
            await visit(theirs, ann, running.reply.message, len(running.reply.log))

    async def test_that_said_nothing_is_a_refusal(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        running = await ended(await worker.ask(ann, "What?"))
        for reader in (worker, theirs):
            async with reader.follow(ann, running.reply.message, None) as place:
                assert isinstance(place.feed.failure, ModelUnreachable)
            async with reader.follow(ann, running.reply.message, 1) as place:  # the stream had begun
                assert place.feed.failure is None

    async def test_that_could_not_be_stored_is_over_all_the_same(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        running = await worker.ask(ann, "What?")
        room.database.failing_commits = 4
        await ended(running)
        assert room.message(running.reply.message).state is MessageState.STREAMING
        assert await visit(theirs, ann, running.reply.message) == running.reply.log[:]
        await theirs.settle_abandoned()
        assert await theirs.settle_abandoned() == 1
        assert await visit(theirs, ann, running.reply.message) == running.reply.log[:]
        assert room.message(running.reply.message).content == "Hello, world."


class TestWithoutACopy:
    @pytest.fixture
    async def message(self, room: Room, worker: Worker, ann: UserId) -> MessageId:
        room.answers.cites = [Source(1, "a.pdf", None, None, "")]
        room.model.pieces = ["\u2028x" * 400, "end"]
        message = (await ended(await worker.ask(ann, "What?"))).reply.message
        room.logs.flush()
        return message

    async def test_the_stored_text_is_told(
        self, room: Room, worker: Worker, ann: UserId, message: MessageId
    ) -> None:
        frames = await visit(worker, ann, message)
        *chunks, finished, complete = told(frames)
        text = room.message(message).content
        assert "".join(event["chunk"] for event in chunks) == text
        assert len(chunks) > 1
        assert finished == {"status": "finished"}
        assert (complete["status"], complete["text"], "interrupted" in complete) == ("complete", text, False)
        assert numbers(frames) == list(range(1, len(frames) + 1))
        with pytest.raises(NothingLeft):
            await visit(worker, ann, message, len(frames))

    @pytest.mark.parametrize("after", [1, 2, 3, 500])
    async def test_who_has_heard_a_part_is_told_how_it_ended(
        self, room: Room, worker: Worker, ann: UserId, message: MessageId, after: int
    ) -> None:
        frames = await visit(worker, ann, message, after)
        finished, complete = told(frames)
        assert finished == {"status": "finished"}
        assert complete["text"] == room.message(message).content
        assert numbers(frames) == [after + 1, after + 2]
        with pytest.raises(NothingLeft):
            await visit(worker, ann, message, after + 2)

    async def test_half_of_it_is_continued_with_what_is_stored(
        self, room: Room, worker: Worker, ann: UserId
    ) -> None:
        """Its worker could store the reply, but not complete the copy."""
        id = await room.abandoned("Hello, ")
        room.message(id).state, room.message(id).content = MessageState.FINAL, "Hello, world."
        owner = room.owner(id)
        frames = await visit(worker, owner, id)
        assert told(frames) == [
            {"status": "streaming", "chunk": "Hello, "},
            {"status": "streaming", "chunk": "world."},
            {"status": "finished"},
            {"status": "complete", "session_id": 1, "message_id": id, "text": "Hello, world."},
        ]
        assert numbers(frames) == [1, 2, 3, 4]


class TestAfterACrash:
    """Three pieces survived in the copy; the worker had told its own readers more."""

    @pytest.fixture
    async def message(self, room: Room) -> MessageId:
        return await room.abandoned("Hello", ", ", "world")

    @pytest.fixture
    async def settled(self, room: Room, worker: Worker, message: MessageId) -> MessageId:
        assert await worker.settle(room.message(message).session_id, message)
        return message

    async def test_what_survived_is_told_from_every_place(
        self, room: Room, worker: Worker, settled: MessageId
    ) -> None:
        ann, log = room.owner(settled), room.logs.kept[settled]
        assert [event["status"] for event in told(log)] == [*["streaming"] * 3, "error", "complete"]
        for after in range(4):
            assert await visit(worker, ann, settled, after) == log[after:]
        # a piece may have been told under that number: he is told the end as a whole
        assert numbers(await visit(worker, ann, settled, 4)) == [5, 6]
        with pytest.raises(NothingLeft):  # he was told the end under this number
            await visit(worker, ann, settled, 5)

    @pytest.mark.parametrize("after", [5, 6, 40])
    async def test_who_has_heard_more_is_told_so_under_the_next_numbers(
        self, room: Room, worker: Worker, settled: MessageId, after: int
    ) -> None:
        ann = room.owner(settled)
        frames = await visit(worker, ann, settled, after)
        error, complete = told(frames)
        assert numbers(frames) == [after + 1, after + 2]
        assert (error["status"], error["code"]) == ("error", "internal")
        assert (complete["text"], complete["interrupted"]) == ("Hello, world", True)
        assert room.message(settled).content == "Hello, world"
        with pytest.raises(NothingLeft):
            await visit(worker, ann, settled, after + 2)

    async def test_who_comes_before_it_is_settled_waits_for_that(
        self, room: Room, worker: Worker, message: MessageId
    ) -> None:
        ann = room.owner(message)
        visits = [asyncio.create_task(visit(worker, ann, message, after)) for after in range(4)]
        await asyncio.sleep(3 * TICK_S)
        assert not any(one.done() for one in visits)
        await worker.settle(room.message(message).session_id, message)
        log = room.logs.kept[message]
        assert await asyncio.gather(*visits) == [log[after:] for after in range(4)]
        with pytest.raises(NothingLeft):
            await visit(worker, ann, message, 5)

    @pytest.mark.parametrize("after", [4, 5, 9])
    async def test_who_waits_with_more_than_survived_is_told_the_end(
        self, room: Room, worker: Worker, message: MessageId, after: int
    ) -> None:
        ann = room.owner(message)
        waiting = asyncio.create_task(visit(worker, ann, message, after))
        await asyncio.sleep(3 * TICK_S)
        await worker.settle(room.message(message).session_id, message)
        frames = await waiting
        assert numbers(frames) == [after + 1, after + 2]
        assert [event["status"] for event in told(frames)] == ["error", "complete"]

    async def test_nothing_survived(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned()
        ann = room.owner(id)
        await worker.settle(room.message(id).session_id, id)
        room.logs.flush()
        error, complete = told(await visit(worker, ann, id))
        assert (error["status"], complete["text"], complete["interrupted"]) == ("error", "", True)


class TestAccess:
    async def test_is_the_owners_alone(self, room: Room, worker: Worker, theirs: Worker, ann: UserId) -> None:
        ben = await room.someone("ben@example.org")
        room.model.hold_after = 1
        running = await worker.ask(ann, "What?")
        for reader in (worker, theirs):
            with pytest.raises(MessageNotFound):
                await visit(reader, ben, running.reply.message)
        room.model.release()
        await ended(running)
        for reader in (worker, theirs):
            for after in (None, 2, 99):
                with pytest.raises(MessageNotFound):
                    await visit(reader, ben, running.reply.message, after)

    async def test_a_question_is_no_reply(self, room: Room, worker: Worker, ann: UserId) -> None:
        await ended(await worker.ask(ann, "What?"))
        question, _ = room.tables.messages
        for id in (question, MessageId(999)):
            with pytest.raises(MessageNotFound):
                await visit(worker, ann, id)

    async def test_a_deleted_sessions_reply_is_gone(self, room: Room, worker: Worker, ann: UserId) -> None:
        running = await ended(await worker.ask(ann, "What?"))
        await delete(room, running)
        with pytest.raises(MessageNotFound):
            await visit(worker, ann, running.reply.message)

    async def test_who_reads_while_the_session_is_deleted_is_told_an_end(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.hold_after = 2
        running = await worker.ask(ann, "What?")
        await until(lambda: running.mirrored == 2)
        reading = asyncio.create_task(visit(theirs, ann, running.reply.message))
        await asyncio.sleep(2 * TICK_S)
        await delete(room, running)
        running.stop()
        frames = await reading
        assert [event["status"] for event in told(frames)] == [*["streaming"] * 2, "finished", "complete"]
        assert told(frames)[-1]["interrupted"] is True
        assert numbers(frames) == [1, 2, 3, 4]
        await ended(running)


class TestFaults:
    async def test_a_worker_that_goes_away_sends_readers_to_another(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        done = await ended(await worker.ask(ann, "What?"))
        room.model.hold_after = 1
        running = await worker.ask(ann, "And now?")
        await theirs.replies.drain(0)
        with pytest.raises(ShuttingDown):
            await visit(theirs, ann, running.reply.message)
        assert await visit(theirs, ann, done.reply.message) == done.reply.log[:]
        room.model.release()
        await ended(running)

    async def test_an_outage_is_said(self, room: Room, worker: Worker, theirs: Worker, ann: UserId) -> None:
        room.model.hold_after = 1
        running = await worker.ask(ann, "What?")
        room.logs.down = True
        with pytest.raises(StorageUnavailable):
            await visit(theirs, ann, running.reply.message)
        reading = asyncio.create_task(visit(worker, ann, running.reply.message))  # here nothing is missing
        await asyncio.sleep(TICK_S)
        room.model.release()
        assert await reading == running.reply.log[:]

    async def test_an_end_that_cannot_be_noted_is_told_anyhow(
        self, room: Room, worker: Worker, ann: UserId
    ) -> None:
        running = await ended(await worker.ask(ann, "What?"))
        async with worker.follow(ann, running.reply.message, 2) as place:
            room.logs.down = True
            assert await read_on(place.feed, place.after) == running.reply.log[2:]

    async def test_a_reader_that_leaves_frees_its_place(
        self, room: Room, worker: Worker, theirs: Worker, ann: UserId
    ) -> None:
        room.model.hold_after = 1
        running = await worker.ask(ann, "What?")
        for reader in (worker, theirs):
            reading = asyncio.create_task(visit(reader, ann, running.reply.message))
            await asyncio.sleep(TICK_S)
            await cancelled(reading)
        assert running.feed.readers == set()
        made = len(room.calls.made)
        await asyncio.sleep(5 * TICK_S)
        assert len(room.calls.made) - made <= 1  # nobody is said to read any more
        room.model.release()
        await ended(running)


async def delete(room: Room, running: RunningReply) -> None:
    async with room.work() as w:
        await w.sessions.remove(running.reply.session)
        await w.commit()
    await room.logs.forget([running.reply.message])
