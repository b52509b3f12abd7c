"""Changing a question and having it answered anew."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from application.chat.edit import Edited
from application.ports.language_model import ModelUnreachable
from domain.conversation import (
    Message,
    MessageId,
    MessageNotFound,
    MessageTooLong,
    ReplyInProgress,
    SessionId,
    SessionNotFound,
    Speaker,
)
from domain.errors import MissingField, RateLimited, ShuttingDown, StorageUnavailable
from domain.user import UserId
from tests.builders import a_message
from tests.unit.chat.room import Room, Worker, ended, heard


@dataclass(frozen=True)
class Talk:
    """Two questions, two answers."""

    ann: UserId
    session: SessionId
    messages: list[MessageId]

    def edited(self, n: int, text: str = "What is diffusion?", use_documents: bool | None = None) -> Edited:
        """Another wording of the n-th message."""
        return Edited(
            user=self.ann,
            session=self.session,
            message=self.messages[n],
            text=text,
            use_documents=use_documents,
        )


@pytest.fixture
async def talk(room: Room, worker: Worker) -> Talk:
    ann = await room.someone()
    first = await ended(await worker.ask(ann, "What is osmosis?"))
    session = first.reply.session
    await ended(await worker.ask(ann, "And then?", session))
    return Talk(ann, session, list(room.tables.messages))


def current(room: Room, session: SessionId) -> list[Message]:
    messages = room.tables.messages.values()
    return [m for m in messages if m.session_id == session and m.superseded_by is None and m.visible]


def contents(room: Room, session: SessionId) -> list[str | None]:
    return [message.content for message in current(room, session)]


class TestAnEditedQuestion:
    async def test_takes_the_place_of_the_old_one_and_of_all_that_followed(
        self, room: Room, worker: Worker, talk: Talk
    ) -> None:
        room.clock.pass_(seconds=30)
        await ended(await worker.edit_question(talk.edited(0, "  What is diffusion?\n")))
        question, answer = current(room, talk.session)
        assert (question.content, question.version_of) == ("What is diffusion?", talk.messages[0])
        assert (answer.content, answer.version_of) == ("Hello, world.", None)
        assert [room.message(id).superseded_by for id in talk.messages] == [question.id] * 4
        assert [room.message(id).content for id in talk.messages] == [
            *("What is osmosis?", "Hello, world."),
            *("And then?", "Hello, world."),
        ]
        session = room.tables.sessions[talk.session]
        assert (session.message_count, session.updated_at) == (2, room.clock.now())

    async def test_leaves_what_came_before_it(self, room: Room, worker: Worker, talk: Talk) -> None:
        running = await worker.edit_question(talk.edited(2, "Why?"))
        assert contents(room, talk.session) == ["What is osmosis?", "Hello, world.", "Why?"]
        assert room.tables.sessions[talk.session].message_count == 3
        await ended(running)
        assert contents(room, talk.session)[2:] == ["Why?", "Hello, world."]
        assert room.tables.sessions[talk.session].message_count == 4

    async def test_is_asked_under_a_memory_that_heard_nothing(
        self, room: Room, worker: Worker, talk: Talk
    ) -> None:
        before = room.tables.sessions[talk.session].memory
        running = await ended(await worker.edit_question(talk.edited(0, use_documents=False)))
        asked = room.answers.questions[-1]
        assert (asked.text, asked.answer) == ("What is diffusion?", running.reply.message)
        assert (asked.use_documents, asked.memory_is_fresh) == (False, True)
        assert asked.memory == room.tables.sessions[talk.session].memory != before

    async def test_can_be_edited_again(self, room: Room, worker: Worker, talk: Talk) -> None:
        edited = talk.edited(0)
        for n in range(3):
            await ended(await worker.edit_question(replace(edited, text=f"{n}?")))
            edited = replace(edited, message=current(room, talk.session)[0].id)
        versions = [m for m in room.tables.messages.values() if m.root == talk.messages[0]]
        assert [m.content for m in versions] == ["What is osmosis?", "0?", "1?", "2?"]
        assert contents(room, talk.session) == ["2?", "Hello, world."]
        assert room.tables.sessions[talk.session].message_count == 2

    async def test_that_stays_without_an_answer_stands_all_the_same(
        self, room: Room, worker: Worker, talk: Talk
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        await ended(await worker.edit_question(talk.edited(0)))
        assert contents(room, talk.session) == ["What is diffusion?"]
        assert room.tables.sessions[talk.session].message_count == 1
        room.model.fails_with = None
        await ended(await worker.regenerate(talk.ann, talk.session, None))
        assert contents(room, talk.session) == ["What is diffusion?", "Hello, world."]

    async def test_after_an_answer_that_was_generated_again_takes_all_versions_along(
        self, room: Room, worker: Worker, talk: Talk
    ) -> None:
        await ended(await worker.regenerate(talk.ann, talk.session, None))
        await ended(await worker.edit_question(talk.edited(2, "Why?")))
        assert len(contents(room, talk.session)) == 4
        assert room.tables.sessions[talk.session].message_count == 4


class TestWhatCannotBeEdited:
    @pytest.mark.parametrize("n", [1, 3])
    async def test_an_answer(self, room: Room, worker: Worker, talk: Talk, n: int) -> None:
        await self.refused(room, worker, talk, talk.edited(n))

    async def test_a_question_that_was_superseded(self, room: Room, worker: Worker, talk: Talk) -> None:
        await ended(await worker.edit_question(talk.edited(0)))
        for n in (0, 2):
            await self.refused(room, worker, talk, talk.edited(n))

    async def test_one_of_another_session_or_none(self, room: Room, worker: Worker, talk: Talk) -> None:
        other = await ended(await worker.ask(talk.ann, "Elsewhere?"))
        (question, _) = current(room, other.reply.session)
        for message in (question.id, MessageId(999)):
            await self.refused(room, worker, talk, replace(talk.edited(0), message=message))

    async def test_a_file(self, room: Room, worker: Worker, talk: Talk) -> None:
        async with room.work() as w:
            file = a_message(talk.session, "notes.txt")
            file.file_type = "document"
            w.messages.add(file)
            await w.commit()
        await self.refused(room, worker, talk, replace(talk.edited(0), message=file.id))

    async def refused(self, room: Room, worker: Worker, talk: Talk, edited: Edited) -> None:
        before = contents(room, talk.session)
        memory = room.tables.sessions[talk.session].memory
        with pytest.raises(MessageNotFound, match="Message not found"):
            await worker.edit_question(edited)
        assert contents(room, talk.session) == before
        assert room.tables.sessions[talk.session].memory == memory
        assert room.cluster.runs == {}


class TestRefusals:
    async def test_of_what_is_not_ours(self, room: Room, worker: Worker, talk: Talk) -> None:
        ben = await room.someone("ben@example.org")
        for session in (talk.session, SessionId(999)):
            with pytest.raises(SessionNotFound):
                await worker.edit_question(replace(talk.edited(0), user=ben, session=session))

    @pytest.mark.parametrize(
        ("text", "refusal"), [(None, MissingField), (" ", MissingField), ("x" * 101, MessageTooLong)]
    )
    async def test_of_what_nobody_could_ask(
        self, room: Room, worker: Worker, talk: Talk, text: str | None, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            await worker.edit_question(replace(talk.edited(0), text=text))
        assert len(contents(room, talk.session)) == 4

    async def test_while_the_last_answer_is_read(self, room: Room, worker: Worker, talk: Talk) -> None:
        room.model.hold_after = 1
        running = await worker.ask(talk.ann, "Next?", talk.session)
        reading = asyncio.create_task(heard(running))
        await running.feed.begun(5)
        with pytest.raises(ReplyInProgress):
            await worker.edit_question(talk.edited(0))
        room.model.release()
        await reading
        assert len(contents(room, talk.session)) == 6

    async def test_that_cannot_be_stored_changes_nothing(
        self, room: Room, worker: Worker, talk: Talk
    ) -> None:
        room.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await worker.edit_question(talk.edited(0))
        assert len(contents(room, talk.session)) == 4
        assert room.cluster.runs == {}
        await ended(await worker.edit_question(talk.edited(0)))

    async def test_when_it_is_too_often_or_too_late(self, room: Room) -> None:
        room.per_minute = 1
        async with room.open_worker() as worker:
            ann = await room.someone()
            session = (await ended(await worker.ask(ann, "What?"))).reply.session
            edited = Edited(user=ann, session=session, message=next(iter(room.tables.messages)), text="?")
            with pytest.raises(RateLimited):
                await worker.edit_question(edited)
            room.clock.pass_(seconds=60)
            await worker.replies.drain(0)
            with pytest.raises(ShuttingDown):
                await worker.edit_question(edited)
        assert [m.speaker for m in room.tables.messages.values()] == [Speaker.USER, Speaker.ASSISTANT]


async def test_two_at_once_leave_one_branch(room: Room, worker: Worker, talk: Talk) -> None:
    async def edit(text: str) -> str | None:
        try:
            await ended(await worker.edit_question(talk.edited(0, text)))
        except (MessageNotFound, ReplyInProgress):
            return None
        return text

    done = [text for text in await asyncio.gather(edit("One?"), edit("Two?")) if text]
    assert len(done) == 1  # the other one's question was superseded meanwhile
    assert contents(room, talk.session) == [done[0], "Hello, world."]
    assert room.tables.sessions[talk.session].message_count == 2
