import asyncio
from datetime import timedelta

import pytest

from application.chat.ask import Asked
from application.chat.reply import ReplyState
from domain.conversation import (
    MessageState,
    MessageTooLong,
    ReplyInProgress,
    SessionId,
    SessionNotFound,
    Speaker,
)
from domain.errors import InvalidField, MissingField, RateLimited, ShuttingDown, StorageUnavailable
from domain.user import AccountBanned, Status, UserId
from tests.unit.chat.room import Room, Worker, ended, heard, read_on, until


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def session(room: Room, ann: UserId) -> SessionId:
    return await room.session_of(ann)


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


class TestNewSession:
    async def test_is_opened_and_titled_after_the_question(
        self, room: Room, worker: Worker, ann: UserId
    ) -> None:
        running = await ended(await worker.ask(ann, "  " + "What? " * 12 + " "))
        session = room.tables.sessions[running.reply.session]
        assert (session.owner, session.title) == (ann, ("What? " * 12)[:50])
        assert session.message_count == 2

    async def test_has_a_memory_of_its_own(self, room: Room, worker: Worker, ann: UserId) -> None:
        for _ in range(2):
            await ended(await worker.ask(ann, "What?"))
        first, second = room.model.prompts
        assert first.memory != second.memory


class TestGoingOn:
    """`POST /chat` without a session: the one that was used just now, or a new one."""

    async def test_is_in_the_session_used_last(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.clock.pass_(minutes(10))
        newer = await room.session_of(ann)
        room.tables.sessions[newer].updated_at = room.clock.now()
        room.clock.pass_(minutes(30))
        running = await ended(await worker.asking(Asked(user=ann, text="And?", goes_on=True)))
        assert running.reply.session == newer
        room.clock.pass_(minutes(29))
        running = await ended(await worker.asking(Asked(user=ann, text="And?", goes_on=True)))
        assert running.reply.session == newer

    async def test_after_half_an_hour_is_a_new_chat(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.clock.pass_(minutes(30.1))
        running = await ended(await worker.asking(Asked(user=ann, text="Hello?", goes_on=True)))
        assert running.reply.session != session
        assert room.tables.sessions[running.reply.session].title == "New Chat"

    async def test_never_is_in_somebody_elses(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        ben = await room.someone("ben@example.org")
        running = await ended(await worker.asking(Asked(user=ben, text="Hello?", goes_on=True)))
        assert running.reply.session != session

    async def test_in_a_named_session_is_just_asking_there(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        newer = await room.session_of(ann)
        running = await worker.asking(Asked(user=ann, text="?", session=session, goes_on=True))
        assert (await ended(running)).reply.session == session != newer


class TestQuestion:
    async def test_is_stored_before_the_model_is_asked(self, room: Room, worker: Worker, ann: UserId) -> None:
        running = await worker.ask(ann, "What is osmosis?")
        assert room.model.prompts == []
        question, answer = room.tables.messages.values()
        assert (question.speaker, question.content) == (Speaker.USER, "What is osmosis?")
        assert (answer.speaker, answer.state) == (Speaker.ASSISTANT, MessageState.STREAMING)
        assert (answer.id, answer.content) == (running.reply.message, "")
        assert question.id < answer.id
        await ended(running)
        assert [prompt.input for prompt in room.model.prompts] == ["What is osmosis?"]

    async def test_joins_its_session_under_the_same_memory(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        for text in ("One?", "Two?"):
            running = await ended(await worker.ask(ann, text, session))
            assert running.reply.session == session
        first, second = room.model.prompts
        assert first.memory == second.memory == room.tables.sessions[session].memory
        assert [m.content for m in room.tables.messages.values()] == [
            *("One?", "Hello, world."),
            *("Two?", "Hello, world."),
        ]
        assert room.tables.sessions[session].message_count == 4

    @pytest.mark.parametrize(
        ("text", "refusal"),
        [
            (None, MissingField),
            (" \n", MissingField),
            ("x" * 101, MessageTooLong),
            ("a\x00", InvalidField),
        ],
    )
    async def test_must_be_acceptable(
        self, room: Room, worker: Worker, ann: UserId, text: str | None, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            await worker.ask(ann, text)
        assert (room.tables.sessions, room.tables.messages, room.cluster.runs) == ({}, {}, {})


class TestOwnership:
    async def test_a_foreign_or_unknown_session_is_not_found(
        self, room: Room, worker: Worker, session: SessionId
    ) -> None:
        ben = await room.someone("ben@example.org")
        for id in (session, SessionId(999)):
            with pytest.raises(SessionNotFound):
                await worker.ask(ben, "What?", id)
        assert (room.tables.messages, room.cluster.runs) == ({}, {})


class TestRate:
    async def test_is_per_user_and_minute(self) -> None:
        room = Room(per_minute=2)
        ann, ben = await room.someone(), await room.someone("ben@example.org")
        async with room.open_worker() as worker:
            for _ in range(2):
                await ended(await worker.ask(ann, "What?"))
            with pytest.raises(RateLimited) as refusal:
                await worker.ask(ann, "What?")
            assert refusal.value.retry_after == 30
            await ended(await worker.ask(ben, "What?"))
            room.clock.pass_(seconds=30)
            await ended(await worker.ask(ann, "What?"))

    async def test_counts_no_refused_question(self) -> None:
        room = Room(per_minute=1)
        ann = await room.someone()
        async with room.open_worker() as worker:
            for _ in range(5):
                with pytest.raises(SessionNotFound):
                    await worker.ask(ann, "What?", SessionId(999))
            await ended(await worker.ask(ann, "What?"))


class TestTurn:
    async def test_comes_when_the_running_reply_has_ended(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        first = await worker.ask(ann, "One?", session)
        reading = asyncio.create_task(heard(first))
        await first.feed.begun(5)
        asking = asyncio.create_task(worker.ask(ann, "Two?", session))
        await asyncio.sleep(0.02)
        assert len(room.tables.messages) == 2
        room.model.hold_after = None
        room.model.release()
        second = await ended(await asking)
        await reading
        assert first.reply.state is second.reply.state is ReplyState.COMPLETE
        assert [m.content for m in room.tables.messages.values()] == [
            *("One?", "Hello, world."),
            *("Two?", "Hello, world."),
        ]

    async def test_is_refused_to_who_is_banned_while_he_waits(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        first = await worker.ask(ann, "One?", session)
        reading = asyncio.create_task(heard(first))
        await first.feed.begun(5)
        asking = asyncio.create_task(worker.ask(ann, "Two?", session))
        await asyncio.sleep(0.02)
        room.tables.users[ann].change_status(Status.BANNED, room.clock.now())
        worker.replies.stop_user(ann)
        with pytest.raises(AccountBanned):
            await asking
        await reading
        assert [m.content for m in room.tables.messages.values()] == ["One?", "Hello, "]

    async def test_is_refused_once_draining_begins(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        first = await worker.ask(ann, "One?", session)
        reading = asyncio.create_task(heard(first))
        await first.feed.begun(5)
        asking = asyncio.create_task(worker.ask(ann, "Two?", session))
        await asyncio.sleep(0.02)
        draining = asyncio.create_task(worker.replies.drain(0.2))
        with pytest.raises(ShuttingDown):
            await asking
        assert len(room.tables.messages) == 2
        await draining
        await reading

    async def test_is_not_waited_for_longer_than_agreed(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        first = await worker.ask(ann, "One?", session)
        reading = asyncio.create_task(heard(first))
        await first.feed.begun(5)
        with pytest.raises(ReplyInProgress, match="A reply is already being generated in this session"):
            await worker.ask(ann, "Two?", session)
        assert len(room.tables.messages) == 2
        room.model.release()
        await reading
        assert first.reply.state is ReplyState.COMPLETE

    async def test_ends_a_reply_that_nobody_reads(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        first = await worker.ask(ann, "One?", session)
        await until(lambda: len(first.reply.log) == 2)
        asking = asyncio.create_task(worker.ask(ann, "Two?", session))
        await until(lambda: first.reply.ended)
        room.model.hold_after = None
        second = await ended(await asking)
        assert (first.reply.state, second.reply.state) == (ReplyState.INTERRUPTED, ReplyState.COMPLETE)
        contents = [(m.content, m.state) for m in room.tables.messages.values()]
        assert contents[1] == ("Hello, ", MessageState.INTERRUPTED)
        assert contents[3] == ("Hello, world.", MessageState.FINAL)

    async def test_waits_for_another_workers_reply(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 1
        async with room.open_worker("theirs") as theirs:
            first = await theirs.ask(ann, "One?", session)
            reading = asyncio.create_task(heard(first))
            await first.feed.begun(5)
            with pytest.raises(ReplyInProgress):
                await worker.ask(ann, "Two?", session)
            assert not first.reply.ended
            room.model.release()
            await reading
            await ended(await worker.ask(ann, "Two?", session))

    async def test_ends_another_workers_reply_that_nobody_reads(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        async with room.open_worker("theirs") as theirs:
            first = await theirs.ask(ann, "One?", session)
            await until(lambda: len(first.reply.log) == 2)
            asking = asyncio.create_task(worker.ask(ann, "Two?", session))
            await until(lambda: first.reply.ended)
            room.model.hold_after = None
            second = await ended(await asking)
        assert (first.reply.state, second.reply.state) == (ReplyState.INTERRUPTED, ReplyState.COMPLETE)
        assert room.message(first.reply.message).content == "Hello, "

    async def test_waits_for_a_reply_that_is_read_at_a_third_worker(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        async with room.open_worker("theirs") as theirs, room.open_worker("third") as third:
            first = await theirs.ask(ann, "One?", session)
            async with third.follow(ann, first.reply.message, None) as place:
                reading = asyncio.create_task(read_on(place.feed))
                await until(lambda: first.followed_until)
                with pytest.raises(ReplyInProgress):
                    await worker.ask(ann, "Two?", session)
                room.model.release()
                assert await reading == first.reply.log[:]
            assert first.reply.state is ReplyState.COMPLETE

    async def test_an_outage_of_the_calls_waits_for_nobody(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 1
        async with room.open_worker("theirs") as theirs:
            first = await theirs.ask(ann, "One?", session)
            await first.feed.begun(5)
            room.calls.down = True
            with pytest.raises(StorageUnavailable):
                await worker.ask(ann, "Two?", session)
            room.calls.down = False
            room.model.release()
            await ended(first)

    async def test_settles_a_dead_workers_reply_first(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        dead = room.worker("dead")
        dead.replies.open()
        lost = await dead.ask(ann, "One?", session)
        await until(lambda: lost.mirrored == 2)
        room.cluster.die("dead")
        room.model.hold_after = None

        running = await worker.ask(ann, "Two?", session)

        message = room.message(lost.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        await ended(running)
        assert room.tables.sessions[session].message_count == 4
        room.model.release()
        await dead.replies.drain(1)

    async def test_many_at_once_never_interleave(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.pieces = [f"{n} " for n in range(20)]

        async def send(text: str) -> bool:
            try:
                running = await worker.ask(ann, text, session)
            except ReplyInProgress:
                return False
            await heard(running)
            return running.reply.state is ReplyState.COMPLETE

        whole = sum(await asyncio.gather(*(send(f"{n}?") for n in range(4))))
        messages = list(room.tables.messages.values())
        assert [m.speaker for m in messages] == [Speaker.USER, Speaker.ASSISTANT] * whole
        assert {m.content for m in messages[1::2]} == {"".join(room.model.pieces)}
        assert room.tables.sessions[session].message_count == 2 * whole


class TestOutage:
    async def test_of_the_database_frees_the_session(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await worker.ask(ann, "What?", session)
        assert room.cluster.runs == {}
        await ended(await worker.ask(ann, "What?", session))

    async def test_of_the_copies_while_a_dead_reply_is_settled_frees_it_too(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        dead = room.worker("dead")
        run, _ = await dead.runs.claim(session)
        room.model.hold_after = 0
        lost = await worker.ask(ann, "One?")
        await dead.runs.bind(run, lost.reply.message)
        room.cluster.die("dead")
        room.logs.down = True
        with pytest.raises(StorageUnavailable):
            await worker.ask(ann, "Two?", session)
        assert session not in room.cluster.runs
        room.model.release()

    @pytest.mark.parametrize("known", [True, False])
    async def test_of_the_shared_state_leaves_a_question_that_is_settled_later(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId, known: bool
    ) -> None:
        room.cluster.latency = 0.005
        asking = asyncio.create_task(worker.ask(ann, "What?", session if known else None))
        await until(lambda: room.tables.messages)
        room.cluster.down = True
        with pytest.raises(StorageUnavailable):
            await asking
        room.cluster.down, room.cluster.latency = False, 0
        await until(lambda: not room.cluster.runs)
        assert await worker.settle_abandoned() == 0
        assert await worker.settle_abandoned() == 1
        (_, answer) = room.tables.messages.values()
        assert (answer.state, answer.content) == (MessageState.FAILED, "")
        room.model.hold_after = None
        await ended(await worker.ask(ann, "Again?", answer.session_id))

    async def test_a_drain_in_the_last_moment_frees_the_session(
        self, room: Room, ann: UserId, session: SessionId
    ) -> None:
        async with room.open_worker() as worker:
            room.cluster.latency = 0.005
            asking = asyncio.create_task(worker.ask(ann, "What?", session))
            await until(lambda: room.tables.messages)
            await worker.replies.drain(0)
            with pytest.raises(ShuttingDown):
                await asking
        assert room.cluster.runs == {}
