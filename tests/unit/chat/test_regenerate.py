"""Answering the last question again."""

import asyncio

import pytest

from application.chat.regenerate import NothingAsked
from application.chat.reply import ReplyState
from application.ports.language_model import ModelFailed, ModelUnreachable
from domain.conversation import Message, MessageState, ReplyInProgress, SessionId, SessionNotFound, Speaker
from domain.errors import RateLimited, ShuttingDown
from domain.user import UserId
from tests.builders import a_message
from tests.unit.chat.room import Room, Worker, ended, heard, until


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
async def session(room: Room, worker: Worker, ann: UserId) -> SessionId:
    """Something was asked and answered there, twice."""
    first = await ended(await worker.ask(ann, "What is osmosis?"))
    await ended(await worker.ask(ann, "And diffusion?", first.reply.session))
    return first.reply.session


def current(room: Room, session: SessionId) -> list[Message]:
    """The session's branch as it is listed."""
    messages = room.tables.messages.values()
    return [m for m in messages if m.session_id == session and m.superseded_by is None and m.visible]


def contents(room: Room, session: SessionId) -> list[str | None]:
    return [message.content for message in current(room, session)]


class TestTheNewAnswer:
    async def test_takes_the_place_of_the_old_one_which_is_kept(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        old = current(room, session)[-1]
        room.model.pieces = ["Once ", "more."]
        running = await ended(await worker.regenerate(ann, session, None))
        assert contents(room, session) == [
            *("What is osmosis?", "Hello, world."),
            *("And diffusion?", "Once more."),
        ]
        new = current(room, session)[-1]
        assert (new.id, new.version_of) == (running.reply.message, old.id)
        assert room.message(old.id).superseded_by == new.id
        assert room.message(old.id).content == "Hello, world."
        assert room.tables.sessions[session].message_count == 4

    async def test_is_a_version_of_the_first_however_often(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        first = current(room, session)[-1]
        for n in range(3):
            room.model.pieces = [f"{n}"]
            await ended(await worker.regenerate(ann, session, None))
        versions = [m for m in room.tables.messages.values() if m.root == first.id]
        assert [m.content for m in versions] == ["Hello, world.", "0", "1", "2"]
        assert [m.superseded_by for m in versions] == [*(m.id for m in versions[1:]), None]
        assert room.tables.sessions[session].message_count == 4

    async def test_is_to_the_same_question_under_a_memory_that_heard_nothing(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        question = current(room, session)[-2]
        before = room.tables.sessions[session].memory
        running = await worker.regenerate(ann, session, True)
        assert room.tables.sessions[session].memory_is_fresh
        await ended(running)
        asked = room.answers.questions[-1]
        assert (asked.message, asked.text) == (question.id, "And diffusion?")
        assert (asked.use_documents, asked.memory_is_fresh) == (True, True)
        assert asked.memory == room.tables.sessions[session].memory != before
        assert not room.tables.sessions[session].memory_is_fresh  # by now it has heard
        await ended(await worker.ask(ann, "Next?", session))
        following = room.answers.questions[-1]
        assert (following.memory, following.memory_is_fresh) == (asked.memory, False)

    async def test_that_is_stopped_half_way_counts(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 2
        running = await worker.regenerate(ann, session, None)
        await until(lambda: len(running.reply.log) == 2)
        await worker.stop_reply(ann, session)
        assert contents(room, session)[-1] == "Hello, "
        assert room.tables.sessions[session].message_count == 4


class TestTheOldAnswer:
    async def test_is_shown_until_the_new_one_has_ended(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        before = contents(room, session)
        room.model.pieces, room.model.hold_after = ["New", "er"], 1
        running = await worker.regenerate(ann, session, None)
        await running.feed.begun(5)
        assert contents(room, session) == before
        room.model.release()
        await ended(running)
        assert contents(room, session) == [*before[:-1], "Newer"]

    async def test_stays_when_the_new_one_fails_without_a_word(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        before = contents(room, session)
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        running = await ended(await worker.regenerate(ann, session, None))
        assert running.reply.state is ReplyState.FAILED
        assert contents(room, session) == before
        assert room.tables.sessions[session].message_count == 4
        assert room.tables.sessions[session].memory_is_fresh  # nothing was heard under the new key
        room.model.fails_with = None
        await ended(await worker.regenerate(ann, session, None))
        assert contents(room, session) == before
        assert room.tables.sessions[session].message_count == 4

    async def test_goes_when_the_new_one_failed_with_something_said(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelFailed(), 1
        await ended(await worker.regenerate(ann, session, None))
        assert contents(room, session)[-1] == "Hello"

    async def test_that_never_came_is_made_up_for(self, room: Room, worker: Worker, ann: UserId) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        session = (await ended(await worker.ask(ann, "What?"))).reply.session
        room.model.fails_with = None
        await ended(await worker.regenerate(ann, session, None))
        assert contents(room, session) == ["What?", "Hello, world."]
        assert room.tables.sessions[session].message_count == 2

    async def test_of_a_dead_worker_is_settled_first(self, room: Room, worker: Worker, ann: UserId) -> None:
        session = await room.session_of(ann)
        async with room.work() as w:
            w.messages.add(a_message(session))
            await w.commit()
        lost = await room.abandoned("Hel", session=session)
        await room.dead_run(lost)
        running = await ended(await worker.regenerate(ann, session, None))
        assert room.message(lost).state is MessageState.INTERRUPTED
        assert room.message(running.reply.message).version_of == lost
        assert contents(room, session)[1:] == ["Hello, world."]


class TestTurn:
    async def test_is_taken_like_anybodys(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        room.model.hold_after = 1
        running = await worker.regenerate(ann, session, None)
        reading = asyncio.create_task(heard(running))
        await running.feed.begun(5)
        for attempt in (worker.regenerate(ann, session, None), worker.ask(ann, "Next?", session)):
            with pytest.raises(ReplyInProgress):
                await attempt
        room.model.release()
        await reading
        assert len(contents(room, session)) == 4

    async def test_many_at_once_never_interleave(
        self, room: Room, worker: Worker, ann: UserId, session: SessionId
    ) -> None:
        async def again() -> bool:
            try:
                await ended(await worker.regenerate(ann, session, None))
            except ReplyInProgress:
                return False
            return True

        async with room.open_worker("theirs"):
            assert any(await asyncio.gather(*(again() for _ in range(5))))
        assert len(contents(room, session)) == 4
        assert room.tables.sessions[session].message_count == 4
        assert room.cluster.runs == {}


class TestRefusals:
    async def test_of_what_is_not_ours(self, room: Room, worker: Worker, session: SessionId) -> None:
        ben = await room.someone("ben@example.org")
        for id in (session, SessionId(999)):
            with pytest.raises(SessionNotFound):
                await worker.regenerate(ben, id, None)
        assert len(room.model.prompts) == 2

    async def test_where_nothing_was_asked(self, room: Room, worker: Worker, ann: UserId) -> None:
        empty = await room.session_of(ann)
        with pytest.raises(NothingAsked):
            await worker.regenerate(ann, empty, None)
        async with room.work() as w:
            file = a_message(empty, "notes.txt")
            file.file_type = "document"
            w.messages.add(file)
            await w.commit()
        with pytest.raises(NothingAsked):
            await worker.regenerate(ann, empty, None)
        assert room.cluster.runs == {}
        assert room.tables.sessions[empty].memory_is_fresh is False

    async def test_when_it_is_too_often_or_too_late(self, room: Room) -> None:
        room.per_minute = 1
        async with room.open_worker() as worker:
            ann = await room.someone()
            session = (await ended(await worker.ask(ann, "What?"))).reply.session
            with pytest.raises(RateLimited):
                await worker.regenerate(ann, session, None)
            room.clock.pass_(seconds=60)
            await worker.replies.drain(0)
            with pytest.raises(ShuttingDown):
                await worker.regenerate(ann, session, None)
        assert [m.speaker for m in room.tables.messages.values()] == [Speaker.USER, Speaker.ASSISTANT]
