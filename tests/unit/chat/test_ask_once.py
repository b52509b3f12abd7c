"""Asking twice under one key is asking once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from typing_extensions import override

from application.chat.ask import Asked
from application.chat.ask_once import KEY_MAX, AskOnce, KeyReused, acceptable_key
from application.chat.edit import Edited
from application.ports.idempotency import IdempotencyKeys, KeptAsk
from application.ports.language_model import ModelUnreachable
from domain.conversation import (
    MessageId,
    MessageNotFound,
    MessageState,
    MessageTooLong,
    ReplyInProgress,
    SessionId,
    SessionNotFound,
    Speaker,
)
from domain.errors import InvalidField, MissingField, ShuttingDown, StorageUnavailable
from domain.user import UserId
from tests.fakes.idempotency import FakeIdempotencyKeys
from tests.unit.chat.room import Room, Worker, ended, read_on, told, until

KEY = "7d0e8c1c"


@pytest.fixture
async def ann(room: Room) -> UserId:
    return await room.someone()


@pytest.fixture
def asked(ann: UserId) -> Asked:
    return Asked(user=ann, text="What is osmosis?")


@pytest.fixture
async def theirs(room: Room) -> AsyncIterator[Worker]:
    async with room.open_worker("theirs") as theirs:
        yield theirs


async def send(once: AskOnce, asked: Asked, key: str | None = KEY) -> list[bytes]:
    """Everything that is told to who asks."""
    async with once(asked, key) as place:
        return await read_on(place.feed, place.after)


def said_by(room: Room, speaker: Speaker) -> Sequence[str | None]:
    return [m.content for m in room.tables.messages.values() if m.speaker is speaker]


def fail_once(room: Room) -> None:
    room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0


def recover(room: Room) -> None:
    room.model.fails_with = None


class TestKeys:
    @pytest.mark.parametrize("key", ["x", "a b", "~" * KEY_MAX, "!"])
    def test_are_printable_ascii(self, key: str) -> None:
        assert acceptable_key(key) == key

    @pytest.mark.parametrize("key", ["x" * (KEY_MAX + 1), "é", "\x00", "a\n", "\x7f", "\ud800", "文"])
    def test_others_are_refused(self, key: str) -> None:
        with pytest.raises(InvalidField, match="Invalid Idempotency-Key"):
            acceptable_key(key)

    @pytest.mark.parametrize("key", [None, ""])
    def test_none_is_fine(self, key: str | None) -> None:
        assert acceptable_key(key) is None


class TestTheSameRequest:
    async def test_fifty_times_at_once_is_one_question_one_call_and_one_answer(
        self, room: Room, worker: Worker, theirs: Worker, asked: Asked
    ) -> None:
        room.model.hold_after = 2
        sending = [
            asyncio.create_task(send(one.ask_once, asked)) for n in range(25) for one in (worker, theirs)
        ]
        await until(lambda: room.model.said == 2)
        await asyncio.sleep(0.1)
        room.model.release()
        heard = await asyncio.gather(*sending)
        assert len(room.model.prompts) == 1
        assert said_by(room, Speaker.USER) == ["What is osmosis?"]
        assert said_by(room, Speaker.ASSISTANT) == ["Hello, world."]
        assert told(heard[0])[-1]["text"] == "Hello, world."
        assert all(one == heard[0] for one in heard)

    async def test_later_is_told_the_same_from_the_start(
        self, room: Room, worker: Worker, theirs: Worker, asked: Asked
    ) -> None:
        first = await send(worker.ask_once, asked)
        for one in (worker, theirs):
            assert await send(one.ask_once, asked) == first
        room.logs.flush()
        stored = told(await send(theirs.ask_once, asked))
        assert "".join(event.get("chunk", "") for event in stored) == "Hello, world."
        assert len(room.model.prompts) == 1

    async def test_costs_the_limit_once(self, room: Room, ann: UserId, asked: Asked) -> None:
        room.per_minute = 1
        async with room.open_worker() as worker:
            for _ in range(3):
                await send(worker.ask_once, asked)

    async def test_is_another_one_for_another_user_or_key_or_without_one(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        ben = replace(asked, user=await room.someone("ben@example.org"))
        for one, key in ((asked, KEY), (ben, KEY), (asked, "other"), (asked, None), (asked, None)):
            await send(worker.ask_once, one, key)
        assert len(room.model.prompts) == 5

    async def test_whose_session_is_gone_is_not_found(self, room: Room, worker: Worker, asked: Asked) -> None:
        await send(worker.ask_once, asked)
        async with room.work() as w:
            await w.sessions.remove(next(iter(room.tables.sessions)))
            await w.commit()
        with pytest.raises(MessageNotFound):
            await send(worker.ask_once, asked)


class TestAnotherRequestUnderTheKey:
    async def test_is_refused(self, room: Room, worker: Worker, asked: Asked) -> None:
        await send(worker.ask_once, asked)
        session = next(iter(room.tables.sessions))
        for other in (
            replace(asked, text="What is diffusion?"),
            replace(asked, session=session),
            replace(asked, use_documents=True),
            replace(asked, goes_on=True),
        ):
            with pytest.raises(KeyReused, match="Idempotency key was used for a different request"):
                await send(worker.ask_once, other)
        await send(worker.ask_once, replace(asked, text="  What is osmosis?\n"))  # the same, as it is stored
        assert len(room.model.prompts) == 1

    async def test_is_refused_also_while_the_first_is_being_stored(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        async with room.work():
            first = asyncio.create_task(send(worker.ask_once, asked))
            await until(lambda: room.keys.kept)
            with pytest.raises(KeyReused):
                await send(worker.ask_once, replace(asked, text="Another?"))
        await first


class TestARequestThatIsRefused:
    @pytest.mark.parametrize(("text", "refusal"), [("", MissingField), ("x" * 101, MessageTooLong)])
    async def test_uses_no_key(
        self, room: Room, worker: Worker, asked: Asked, text: str, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            await send(worker.ask_once, replace(asked, text=text))
        assert room.keys.kept == {}

    async def test_frees_its_key(self, room: Room, worker: Worker, asked: Asked) -> None:
        with pytest.raises(SessionNotFound):
            await send(worker.ask_once, replace(asked, session=999))  # type: ignore[arg-type]  # as it comes
        assert room.keys.kept == {}
        room.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await send(worker.ask_once, asked)
        assert room.keys.kept == {}
        await send(worker.ask_once, asked)
        assert said_by(room, Speaker.USER) == ["What is osmosis?"]

    async def test_that_is_given_up_frees_its_key(self, room: Room, worker: Worker, asked: Asked) -> None:
        async with room.work():
            sending = asyncio.create_task(send(worker.ask_once, asked))
            await until(lambda: room.keys.kept)
            sending.cancel()
            await asyncio.wait([sending])
        assert room.keys.kept == {}


class TestAfterAFailureBeforeTheFirstWord:
    async def test_the_stored_question_is_answered_anew(
        self, room: Room, worker: Worker, theirs: Worker, asked: Asked
    ) -> None:
        fail_once(room)
        async with worker.ask_once(asked, KEY) as place:
            await read_on(place.feed)
            assert isinstance(place.feed.failure, ModelUnreachable)
        recover(room)
        frames = await send(theirs.ask_once, asked)
        assert told(frames)[-1]["text"] == "Hello, world."
        assert said_by(room, Speaker.USER) == ["What is osmosis?"]
        assert len(room.model.prompts) == 2
        (session,) = room.tables.sessions.values()
        assert session.message_count == 2
        assert [q.message for q in room.answers.questions] == [room.answers.questions[0].message] * 2
        assert await send(worker.ask_once, asked) == frames
        assert len(room.model.prompts) == 2

    async def test_many_retries_at_once_are_one(
        self, room: Room, worker: Worker, theirs: Worker, asked: Asked
    ) -> None:
        fail_once(room)
        await send(worker.ask_once, asked)
        recover(room)
        heard = await asyncio.gather(
            *(send(one.ask_once, asked) for n in range(10) for one in (worker, theirs))
        )
        assert len(room.model.prompts) == 2
        assert all(one == heard[0] for one in heard)

    async def test_it_may_fail_again_and_again(self, room: Room, worker: Worker, asked: Asked) -> None:
        fail_once(room)
        for _ in range(3):
            assert told(await send(worker.ask_once, asked))[0]["status"] == "error"
        recover(room)
        await send(worker.ask_once, asked)
        assert len(room.model.prompts) == 4
        assert said_by(room, Speaker.USER) == ["What is osmosis?"]

    async def test_one_that_was_stopped_before_it_is_begun_anew(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        room.model.hold_after = 0
        sending = asyncio.create_task(send(worker.ask_once, asked))
        await until(lambda: room.model.speaking)
        await worker.stop_reply(asked.user, next(iter(room.tables.sessions)))
        await sending
        room.model.hold_after = None
        assert told(await send(worker.ask_once, asked))[-1]["text"] == "Hello, world."

    async def test_one_that_failed_later_is_told_as_it_was(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 2
        first = await send(worker.ask_once, asked)
        recover(room)
        assert await send(worker.ask_once, asked) == first
        assert len(room.model.prompts) == 1

    async def test_a_retry_that_cannot_be_stored_leaves_the_next_one_its_chance(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        fail_once(room)
        await send(worker.ask_once, asked)
        recover(room)
        room.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await send(worker.ask_once, asked)
        assert told(await send(worker.ask_once, asked))[-1]["text"] == "Hello, world."
        assert said_by(room, Speaker.USER) == ["What is osmosis?"]

    async def test_a_retry_after_the_session_was_deleted_is_not_found(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        fail_once(room)
        await send(worker.ask_once, asked)
        async with room.work() as w:
            await w.sessions.remove(next(iter(room.tables.sessions)))
            await w.commit()
        recover(room)
        with pytest.raises(MessageNotFound):
            await send(worker.ask_once, asked)

    async def test_a_question_that_is_not_the_last_one_any_more_is_not_answered(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        async def edit(session: SessionId, question: MessageId) -> None:
            edited = Edited(user=asked.user, session=session, message=question, text="What is diffusion?")
            await ended(await worker.edit_question(edited))

        async def go_on(session: SessionId, _: MessageId) -> None:
            await ended(await worker.ask(asked.user, "And diffusion?", session))

        async def regenerate(session: SessionId, _: MessageId) -> None:
            await ended(await worker.regenerate(asked.user, session, None))

        for key, do in (("1", edit), ("2", go_on), ("3", regenerate)):
            fail_once(room)
            await send(worker.ask_once, asked, key)
            recover(room)
            question = room.answers.questions[-1]
            await do(question.session, question.message)
            before = len(room.tables.messages)
            for _ in range(2):
                with pytest.raises(MessageNotFound):
                    await send(worker.ask_once, asked, key)
            assert len(room.tables.messages) == before


class TestWaiting:
    async def test_for_the_first_while_it_is_still_being_stored(
        self, room: Room, worker: Worker, theirs: Worker, asked: Asked
    ) -> None:
        async with room.work():
            first = asyncio.create_task(send(worker.ask_once, asked))
            await until(lambda: room.keys.kept)
            second = asyncio.create_task(send(theirs.ask_once, asked))
            await asyncio.sleep(0.1)
            assert not second.done()
        assert await first == await second
        assert len(room.model.prompts) == 1

    async def test_for_a_dead_one_has_an_end(self, room: Room, worker: Worker, asked: Asked) -> None:
        held = await fingerprint_of(worker.ask_once, asked)
        room.keys.kept[asked.user, KEY] = held
        with pytest.raises(ReplyInProgress):
            await send(worker.ask_once, asked)
        assert room.keys.kept[asked.user, KEY] == held
        del room.keys.kept[asked.user, KEY]  # as it lapses
        await send(worker.ask_once, asked)

    async def test_for_a_dead_one_ends_when_its_key_lapses(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        room.keys.kept[asked.user, KEY] = await fingerprint_of(worker.ask_once, asked)
        sending = asyncio.create_task(send(worker.ask_once, asked))
        await asyncio.sleep(0.1)
        del room.keys.kept[asked.user, KEY]
        assert told(await sending)[-1]["text"] == "Hello, world."


@dataclass
class _Interrupted(IdempotencyKeys):
    """Keys whose next `keep` does what it is told to first, or instead."""

    keys: FakeIdempotencyKeys
    before_keep: Callable[[], Awaitable[None]]

    @override
    async def claim(self, user: UserId, key: str, fingerprint: str) -> KeptAsk | None:
        return await self.keys.claim(user, key, fingerprint)

    @override
    async def reclaim(self, user: UserId, key: str, was: KeptAsk) -> bool:
        return await self.keys.reclaim(user, key, was)

    @override
    async def keep(self, user: UserId, key: str, asked: KeptAsk) -> None:
        await self.before_keep()
        await self.keys.keep(user, key, asked)

    @override
    async def let_go(self, user: UserId, key: str) -> None:
        await self.keys.let_go(user, key)


class TestAnOutage:
    async def test_at_the_claim_stores_nothing(self, room: Room, worker: Worker, asked: Asked) -> None:
        room.keys.down = True
        with pytest.raises(StorageUnavailable):
            await send(worker.ask_once, asked)
        assert room.tables.messages == {}
        assert room.cluster.runs == {}

    async def test_when_what_was_asked_is_to_be_kept_asks_nobody_and_frees_the_key(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        async def fail() -> None:
            raise StorageUnavailable

        broken = replace(worker.ask_once, keys=_Interrupted(room.keys, fail))
        with pytest.raises(StorageUnavailable):
            await send(broken, asked)
        assert room.model.prompts == []
        assert room.keys.kept == {}
        assert room.cluster.runs == {}
        assert told(await send(worker.ask_once, asked))[-1]["text"] == "Hello, world."
        assert len(room.model.prompts) == 1
        assert await worker.settle_abandoned() + await worker.settle_abandoned() == 1

    async def test_that_lasts_leaves_a_key_that_frees_itself(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        async def go_down() -> None:
            room.keys.down = True

        broken = replace(worker.ask_once, keys=_Interrupted(room.keys, go_down))
        with pytest.raises(StorageUnavailable):
            await send(broken, asked)
        room.keys.down = False
        assert room.model.prompts == []
        (held,) = room.keys.kept.values()
        assert held.answer is None  # it is kept for half a minute only

    async def test_that_hits_a_retry_gives_the_key_back(
        self, room: Room, worker: Worker, asked: Asked
    ) -> None:
        fail_once(room)
        await send(worker.ask_once, asked)
        recover(room)
        (before,) = room.keys.kept.values()
        failures = [StorageUnavailable()]

        async def fail_first() -> None:
            if failures:
                raise failures.pop()

        broken = replace(worker.ask_once, keys=_Interrupted(room.keys, fail_first))
        with pytest.raises(StorageUnavailable):
            await send(broken, asked)
        assert list(room.keys.kept.values()) == [before]
        assert told(await send(worker.ask_once, asked))[-1]["text"] == "Hello, world."


async def test_a_worker_that_goes_away_in_the_last_moment_leaves_a_question_to_be_asked_again(
    room: Room, theirs: Worker, asked: Asked
) -> None:
    async with room.open_worker() as worker:

        async def drain() -> None:
            await worker.replies.drain(0)

        leaving = replace(worker.ask_once, keys=_Interrupted(room.keys, drain))
        with pytest.raises(ShuttingDown):
            await send(leaving, asked)
    assert room.model.prompts == []
    retry = asyncio.create_task(send(theirs.ask_once, asked))  # follows what nobody generates
    await asyncio.sleep(0.02)
    assert await theirs.settle_abandoned() + await theirs.settle_abandoned() == 1
    assert told(await retry)[-1]["text"] == ""
    assert told(await send(theirs.ask_once, asked))[-1]["text"] == "Hello, world."
    assert said_by(room, Speaker.USER) == ["What is osmosis?"]
    states = [m.state for m in room.tables.messages.values() if m.speaker is Speaker.ASSISTANT]
    assert states == [MessageState.FAILED, MessageState.FINAL]


async def fingerprint_of(once: AskOnce, asked: Asked) -> KeptAsk:
    """What a first asking leaves under the key before anything is stored."""
    seen: list[KeptAsk] = []

    @dataclass
    class Watched(FakeIdempotencyKeys):
        def __post_init__(self) -> None:
            super().__init__()

        @override
        async def claim(self, user: UserId, key: str, fingerprint: str) -> KeptAsk | None:
            seen.append(KeptAsk(fingerprint))
            raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        await send(replace(once, keys=Watched()), asked)
    return seen[0]


async def test_without_a_key_the_reply_is_the_running_one(room: Room, worker: Worker, asked: Asked) -> None:
    async with worker.ask_once(asked, None) as place:
        running = worker.replies.get(place.feed.message)
        assert running is not None
        assert place.feed is running.feed
        await ended(running)
    assert room.keys.kept == {}
