import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.chat.engine import Question
from application.chat.reply import ReplyState
from application.chat.running import RunningReply
from application.chat.telling import Telling
from application.ports.language_model import ModelFailed, ModelUnreachable
from application.ports.replies import SessionBusy
from domain.conversation import MemoryId, MessageId, MessageState, SessionId, Source
from domain.errors import DomainError, ShuttingDown, StorageUnavailable
from domain.job import JobKind
from domain.user import UserId
from tests.unit.chat.room import TICK_S, Room, Worker, ended, heard, numbers, told, until, visit

Events = list[dict[str, Any]]


async def asked(room: Room, worker: Worker, text: str = "What is osmosis?") -> RunningReply:
    """A reply in the making, in a session of its own."""
    user = await room.someone(f"u{len(room.tables.users)}@example.org")
    return await worker.ask(user, text)


def kinds(events: Sequence[bytes]) -> list[str]:
    """The statuses, runs of chunks counted once."""
    found = [event["status"] for event in told(events)]
    return [kind for n, kind in enumerate(found) if n == 0 or kind != found[n - 1]]


class TestCompletion:
    async def test_is_stored_before_it_is_told(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        events = await heard(running)
        assert kinds(events) == ["streaming", "finished", "complete"]
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, world.", MessageState.FINAL)
        assert told(events)[-1]["text"] == message.content

    async def test_is_not_told_while_it_is_being_stored(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        async with room.work():  # holds up the commit
            await until(lambda: running.settling)
            assert running.reply.text == "Hello, world."
            assert not running.reply.ended
        await ended(running)
        assert running.reply.state is ReplyState.COMPLETE

    async def test_counts_question_and_answer(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        assert room.tables.sessions[running.reply.session].message_count == 1
        room.clock.pass_(seconds=30)
        await ended(running)
        session = room.tables.sessions[running.reply.session]
        assert (session.message_count, session.updated_at) == (2, room.clock.now())

    async def test_keeps_the_sources(self, room: Room, worker: Worker) -> None:
        room.answers.cites = [Source(1, "a.pdf", 3, 0.5, "osmosis is")]
        running = await asked(room, worker)
        events = await heard(running)
        assert kinds(events) == ["sources", "streaming", "finished", "complete"]
        assert room.message(running.reply.message).sources == told(events)[0]["sources"]

    async def test_leaves_nothing_behind(self, room: Room, worker: Worker) -> None:
        running = await ended(await asked(room, worker))
        assert worker.replies.get(running.reply.message) is None
        assert worker.replies.of_session(running.reply.session) is None
        assert room.cluster.runs == {}
        assert running.reply.message in room.logs.expiring
        assert room.model.speaking == 0

    async def test_needs_no_reader(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        reading = asyncio.create_task(heard(running))
        await asyncio.sleep(0)
        reading.cancel()
        await ended(running)
        assert room.message(running.reply.message).content == "Hello, world."

    async def test_holds_no_connection_while_the_model_speaks(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        running = await asked(room, worker)
        await running.feed.begun(5)
        assert room.database.open == 0
        room.model.release()
        await ended(running)


class TestFailure:
    async def test_before_the_first_word_leaves_no_text_and_no_count(
        self, room: Room, worker: Worker
    ) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        running = await asked(room, worker)
        events = await heard(running)
        assert kinds(events) == ["error", "complete"]
        assert told(events)[0]["code"] == "llm_unreachable"
        assert running.reply.failure is room.model.fails_with
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("", MessageState.FAILED)
        assert room.tables.sessions[running.reply.session].message_count == 1

    async def test_half_way_keeps_what_was_said(self, room: Room, worker: Worker) -> None:
        room.model.fails_with, room.model.fails_after = ModelFailed(), 2
        running = await asked(room, worker)
        events = await heard(running)
        assert kinds(events) == ["streaming", "error", "complete"]
        assert told(events)[-1] | {"session_id": 0, "message_id": 0} == {
            **{"status": "complete", "session_id": 0, "message_id": 0},
            **{"text": "Hello, ", "interrupted": True},
        }
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.FAILED)
        assert room.tables.sessions[running.reply.session].message_count == 2

    async def test_of_a_model_that_says_nothing_is_an_error(self, room: Room, worker: Worker) -> None:
        room.model.pieces = [""]
        events = await heard(await asked(room, worker))
        assert kinds(events) == ["error", "complete"]
        assert told(events)[0]["code"] == "llm_empty"

    async def test_of_our_own_tells_nothing_of_itself(
        self, room: Room, worker: Worker, caplog: pytest.LogCaptureFixture
    ) -> None:
        room.answers.bug = KeyError("/srv/secret")
        running = await asked(room, worker)
        events = await heard(running)
        assert told(events)[-2] == {"status": "error", "error": "Internal Server Error", "code": "internal"}
        assert room.message(running.reply.message).content == "Hello, world."
        assert [record.message for record in caplog.records] == ["a reply failed"]


class TestInterruption:
    async def test_by_its_user_keeps_what_was_said(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        running = await asked(room, worker)
        reading = asyncio.create_task(heard(running))
        await until(lambda: len(running.reply.log) == 2)
        running.stop()
        events = await reading
        assert kinds(events) == ["streaming", "finished", "complete"]
        assert told(events)[-1]["interrupted"] is True
        await ended(running)
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        assert room.model.closed_early == 1
        assert room.model.speaking == 0

    async def test_works_before_the_first_step(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        running.stop()
        await ended(running)
        assert running.reply.state is ReplyState.INTERRUPTED
        assert room.message(running.reply.message).state is MessageState.INTERRUPTED

    async def test_twice_is_once(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await running.feed.begun(5)
        running.stop()
        running.stop()
        running.give_up()
        await ended(running)
        assert kinds(running.reply.log) == ["streaming", "finished", "complete"]

    async def test_comes_too_late_once_the_outcome_is_being_stored(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        async with room.work():
            await until(lambda: running.settling)
            running.stop()
            assert not running.stopping
        await ended(running)
        assert running.reply.state is ReplyState.COMPLETE
        assert room.message(running.reply.message).state is MessageState.FINAL


class TestDrain:
    async def test_lets_replies_end_within_the_grace(self, room: Room) -> None:
        async with room.open_worker() as worker:
            room.model.hold_after = 1
            running = await asked(room, worker)
            await running.feed.begun(5)
            draining = asyncio.create_task(worker.replies.drain(5))
            await asyncio.sleep(0.02)
            room.model.release()
            await draining
            assert running.reply.state is ReplyState.COMPLETE

    async def test_interrupts_and_saves_the_rest(self, room: Room) -> None:
        async with room.open_worker() as worker:
            room.model.hold_after = 2
            running = await asked(room, worker)
            await until(lambda: len(running.reply.log) == 2)
            reading = asyncio.create_task(heard(running))
            await worker.replies.drain(0.01)
            events = await reading
        assert kinds(events) == ["streaming", "error", "complete"]
        assert told(events)[-2]["code"] == "shutting_down"
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        assert room.cluster.runs == {}

    async def test_takes_no_more_questions(self, room: Room) -> None:
        async with room.open_worker() as worker:
            session = SessionId(99)
            run, _ = await worker.runs.claim(session)
            ann = await room.someone()
            await worker.replies.drain(1)
            question = Question(
                user=ann,
                session=session,
                message=MessageId(1),
                answer=MessageId(2),
                memory=MemoryId(1),
                text="?",
                use_documents=None,
            )
            with pytest.raises(ShuttingDown):
                worker.replies.start(question, run)
            with pytest.raises(ShuttingDown):
                await worker.ask(ann, "And now?")

    async def test_of_a_worker_that_never_opened_is_fine(self, room: Room) -> None:
        await room.worker().replies.drain(0)


class TestStorage:
    async def test_that_comes_back_soon_enough_is_waited_for(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        room.database.failing_commits = 3
        await ended(running)
        assert running.reply.state is ReplyState.COMPLETE
        assert room.message(running.reply.message).state is MessageState.FINAL

    async def test_that_stays_away_is_told_with_what_was_said(self, room: Room, worker: Worker) -> None:
        running = await asked(room, worker)
        room.database.failing_commits = 4
        events = await heard(running)
        assert kinds(events) == ["streaming", "error", "complete"]
        assert told(events)[-2]["code"] == "storage_unavailable"
        assert told(events)[-1]["text"] == "Hello, world."
        await ended(running)
        assert room.message(running.reply.message).state is MessageState.STREAMING
        room.logs.flush()
        assert await worker.settle_abandoned() + await worker.settle_abandoned() == 1

    async def test_that_fails_oddly_is_told_as_our_own_fault(
        self, room: Room, worker: Worker, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = await asked(room, worker)
        del room.tables.sessions[running.reply.session]
        room.tables.messages[running.reply.message] = None  # type: ignore[assignment]  # a row nobody expects
        room.tables.messages = _Broken(room.tables.messages)
        events = await heard(running)
        assert told(events)[-2]["code"] == "internal"
        assert [record.message for record in caplog.records] == ["a reply could not be stored"]


class _Broken(dict[Any, Any]):
    def __deepcopy__(self, _: object) -> "_Broken":
        raise KeyError


class TestSecondWorker:
    async def test_that_settled_it_first_has_the_last_word(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        running = await asked(room, worker)
        await until(lambda: running.mirrored == 2)
        other = room.worker("theirs")
        assert await other.settle(running.reply.session, running.reply.message)
        room.model.release()
        events = await heard(running)
        assert kinds(events) == ["streaming", "error", "complete"]
        assert told(events)[-2]["code"] == "internal"
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        assert room.tables.sessions[running.reply.session].message_count == 2

    async def test_that_claimed_the_session_ends_the_reply_here(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await running.feed.begun(5)
        room.cluster.flush()
        await room.worker("theirs").runs.claim(running.reply.session)
        await ended(running)
        assert running.reply.state is ReplyState.FAILED
        assert room.message(running.reply.message).state is MessageState.INTERRUPTED
        assert room.cluster.runs[running.reply.session].worker == "theirs"

    async def test_a_flushed_store_is_told_again_that_the_session_is_ours(
        self, room: Room, worker: Worker
    ) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await running.feed.begun(5)
        room.cluster.flush()
        await until(lambda: running.reply.session in room.cluster.runs)
        room.model.release()
        await ended(running)
        assert running.reply.state is ReplyState.COMPLETE


class TestMirror:
    async def test_copies_several_replies_in_one_go_each_tick(self, room: Room) -> None:
        worker = room.worker()
        room.model.hold_after = 3
        replies = [await asked(room, worker) for _ in range(5)]
        await until(lambda: all(len(running.reply.log) == 3 for running in replies))
        worker.replies.open()
        await until(lambda: all(running.mirrored == 3 for running in replies))
        assert room.logs.appends == 1
        for running in replies:
            assert await room.logs.read(running.reply.message) == running.reply.log[:]
        appends = room.logs.appends
        await asyncio.sleep(5 * TICK_S)
        assert room.logs.appends == appends  # nothing new, nothing to copy
        room.model.release()
        await worker.replies.drain(1)

    async def test_has_the_whole_log_in_the_end(self, room: Room, worker: Worker) -> None:
        room.model.pieces = [f"{n} " for n in range(200)]
        running = await ended(await asked(room, worker))
        assert await room.logs.read(running.reply.message) == running.reply.log[:]
        assert numbers(running.reply.log) == list(range(1, len(running.reply.log) + 1))

    async def test_loses_at_most_a_tick_in_a_crash(self, room: Room) -> None:
        room.model.hold_after = 3
        dying = room.worker("dying")
        dying.replies.open()
        running = await asked(room, dying)
        await until(lambda: running.mirrored == 3)
        room.cluster.die("dying")
        other = room.worker("other")
        assert [await other.settle_abandoned() for _ in range(2)] == [0, 1]
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, world", MessageState.INTERRUPTED)
        room.model.release()
        await dying.replies.drain(1)

    async def test_survives_an_outage_and_catches_up(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        room.logs.down = True
        running = await asked(room, worker)
        await until(lambda: len(running.reply.log) == 2)
        await asyncio.sleep(3 * TICK_S)
        assert running.mirrored == 0
        room.logs.down = False
        await until(lambda: running.mirrored == 2)
        room.model.release()
        await ended(running)
        assert await room.logs.read(running.reply.message) == running.reply.log[:]

    async def test_an_outage_at_the_end_loses_the_copy_only(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await running.feed.begun(5)
        room.logs.down = True
        room.model.release()
        await ended(running)
        assert running.reply.state is ReplyState.COMPLETE
        assert room.cluster.runs == {}


class TestRelease:
    async def test_that_fails_is_made_up_for(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await running.feed.begun(5)
        room.cluster.down = True
        room.model.release()
        await ended(running)
        assert running.reply.session in room.cluster.runs
        room.cluster.down = False
        await until(lambda: not room.cluster.runs)

    async def test_made_up_for_never_frees_what_others_hold_now(self, room: Room, worker: Worker) -> None:
        run, _ = await worker.runs.claim(SessionId(1))
        room.cluster.down = True
        await worker.replies.let_go(run)
        room.cluster.down = False
        room.cluster.flush()
        theirs, _ = await room.worker("theirs").runs.claim(SessionId(1))
        await asyncio.sleep(3 * TICK_S)
        assert room.cluster.runs == {SessionId(1): theirs}

    async def test_is_not_undone_by_asking_whether_it_is_still_ours(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        replies = [await asked(room, worker) for _ in range(2)]
        for running in replies:
            await running.feed.begun(5)
        room.cluster.latency = 0.05
        await until(lambda: room.cluster.asking)  # the first of them; meanwhile the second ends
        room.model.release()
        for running in replies:
            await ended(running)
        await asyncio.sleep(0.15)
        assert room.cluster.runs == {}


class TestCalls:
    async def test_end_what_that_user_is_told_and_nothing_else(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        ann, ben = await room.someone("ann@example.org"), await room.someone("ben@example.org")
        hers = [await worker.ask(ann, "?") for _ in range(2)]
        his = await worker.ask(ben, "?")
        for running in (*hers, his):
            await running.feed.begun(5)

        worker.replies.stop_user(ann)

        for running in hers:
            await ended(running)
            assert kinds(running.reply.log) == ["streaming", "finished", "complete"]
            assert told(running.reply.log)[-1]["interrupted"] is True
            assert room.message(running.reply.message).state is MessageState.INTERRUPTED
        assert not his.reply.ended
        room.model.release()
        await ended(his)
        assert his.reply.state is ReplyState.COMPLETE

    async def test_for_somebody_who_is_told_nothing_change_nothing(self, worker: Worker) -> None:
        worker.replies.stop_user(UserId(99))


class TestDetachedReplies:
    """Nobody reads them any more, here or elsewhere."""

    @pytest.fixture
    def room(self) -> Room:
        return Room(detached_s=5 * TICK_S)

    async def test_end_after_a_while_with_what_was_said(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        running = await ended(await asked(room, worker))
        assert kinds(running.reply.log) == ["streaming", "finished", "complete"]
        message = room.message(running.reply.message)
        assert (message.content, message.state) == ("Hello, ", MessageState.INTERRUPTED)
        assert room.model.speaking == 0

    @pytest.mark.parametrize("elsewhere", [True, False])
    async def test_go_on_while_somebody_reads(self, room: Room, worker: Worker, elsewhere: bool) -> None:
        room.model.hold_after = 2
        async with room.open_worker("theirs") as theirs:
            running = await asked(room, worker)
            reader = theirs if elsewhere else worker
            reading = asyncio.create_task(visit(reader, running.user, running.reply.message))
            await asyncio.sleep(15 * TICK_S)
            assert not running.reply.ended
            room.model.release()
            assert await reading == running.reply.log[:]
            assert running.reply.state is ReplyState.COMPLETE

    async def test_have_their_time_anew_when_somebody_came_by(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 2
        running = await asked(room, worker)
        for _ in range(5):
            await asyncio.sleep(2 * TICK_S)
            reading = asyncio.create_task(heard(running))
            await asyncio.sleep(2 * TICK_S)
            reading.cancel()
            await asyncio.wait([reading])
            assert not running.reply.ended
        await ended(running)
        assert running.reply.state is ReplyState.INTERRUPTED


class TestWhatFollows:
    async def test_is_stored_together_with_the_reply(self, room: Room, worker: Worker) -> None:
        room.answers.tells = lambda telling: telling.chores.update(
            {JobKind.TITLE_SESSION, JobKind.SUMMARISE_SESSION}
        )
        running = await asked(room, worker)
        commits = room.database.commits
        await ended(running)
        assert room.database.commits == commits + 1
        session = running.reply.session
        assert [(job.kind, job.payload, job.dedup_key) for job in room.tables.jobs.values()] == [
            (kind, {"session": session}, f"{kind}:{session}")
            for kind in (JobKind.SUMMARISE_SESSION, JobKind.TITLE_SESSION)
        ]

    async def test_is_nothing_when_the_reply_is_not_stored(self, room: Room, worker: Worker) -> None:
        room.answers.tells = lambda telling: telling.chores.add(JobKind.TITLE_SESSION)
        room.model.hold_after = 1
        lost, settled = [await asked(room, worker) for _ in range(2)]
        for running in (lost, settled):
            await running.feed.begun(5)
        await worker.settle(settled.reply.session, settled.reply.message)
        room.database.failing_commits = 8  # of each reply four
        room.model.release()
        for running in (lost, settled):
            await ended(running)
        assert room.tables.jobs == {}

    async def test_a_turn_that_the_usual_model_did_not_hear_renews_the_memory(
        self, room: Room, worker: Worker
    ) -> None:
        room.answers.tells = by_fallback
        running = await asked(room, worker)
        before = room.tables.sessions[running.reply.session].memory
        await ended(running)
        session = room.tables.sessions[running.reply.session]
        assert session.memory != before
        assert session.memory_is_fresh
        room.answers.tells = None
        await ended(await worker.ask(running.user, "And?", session.id))
        asked_next = room.answers.questions[-1]
        assert (asked_next.memory, asked_next.memory_is_fresh) == (session.memory, True)
        assert not room.tables.sessions[session.id].memory_is_fresh

    async def test_a_fallback_without_a_word_renews_nothing(self, room: Room, worker: Worker) -> None:
        room.answers.tells = by_fallback
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        running = await asked(room, worker)
        before = room.tables.sessions[running.reply.session].memory
        await ended(running)
        assert room.tables.sessions[running.reply.session].memory == before


def by_fallback(telling: Telling) -> None:
    telling.answered_by_fallback = True


class TestMetrics:
    async def test_tell_our_part_of_the_first_word_from_the_models(self, room: Room, worker: Worker) -> None:
        def asks_the_model_now(telling: Telling) -> None:
            telling.asked_model_at = telling.clock()

        room.answers.cites = [Source(1, "a.pdf", 3, 0.5, "no word yet")]
        room.answers.tells = asks_the_model_now
        room.model.hold_after = 0
        running = await asked(room, worker)
        await asyncio.sleep(0.05)
        assert running.feed.times is None
        room.model.release()
        await ended(running)
        ((ours, upstream),) = room.metrics.first_tokens
        assert running.feed.times == (ours, upstream)
        assert 0 <= ours < 0.05 <= upstream + 0.01

    async def test_count_all_as_ours_when_no_model_was_asked(self, room: Room, worker: Worker) -> None:
        await ended(await asked(room, worker))
        ((ours, upstream),) = room.metrics.first_tokens
        assert upstream == 0
        assert ours > 0

    async def test_know_no_first_word_of_who_said_none(self, room: Room, worker: Worker) -> None:
        room.model.fails_with, room.model.fails_after = ModelUnreachable(), 0
        await ended(await asked(room, worker))
        assert room.metrics.first_tokens == []

    async def test_count_how_replies_end(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        running = [await asked(room, worker) for _ in range(2)]
        assert room.metrics.active == 2
        await running[0].feed.begun(5)
        running[0].stop()
        await ended(running[0])
        room.model.release()
        await ended(running[1])
        room.model.fails_with = ModelFailed()
        await ended(await asked(room, worker))
        assert room.metrics.outcomes == ["interrupted", "complete", "llm_error"]
        assert room.metrics.active == 0


async def settled_elsewhere(room: Room, other: Worker, running: RunningReply) -> None:
    await other.settle(running.reply.session, running.reply.message)


async def claimed_elsewhere(room: Room, other: Worker, running: RunningReply) -> None:
    room.cluster.flush()
    run, _ = await other.runs.claim(running.reply.session)
    await other.runs.release(run)


async def deleted(room: Room, other: Worker, running: RunningReply) -> None:
    async with room.work() as w:
        await w.sessions.remove(running.reply.session)
        await w.commit()


async def forgotten(room: Room, other: Worker, running: RunningReply) -> None:
    room.logs.flush()
    room.cluster.flush()


async def out_of_reach(room: Room, other: Worker, running: RunningReply) -> None:
    room.logs.down = room.cluster.down = True


async def within_reach(room: Room, other: Worker, running: RunningReply) -> None:
    room.logs.down = room.cluster.down = False


async def not_stored(room: Room, other: Worker, running: RunningReply) -> None:
    room.database.failing_commits = 4


async def stopped(room: Room, other: Worker, running: RunningReply) -> None:
    running.stop()


async def given_up(room: Room, other: Worker, running: RunningReply) -> None:
    running.give_up()


FATES = [
    *(settled_elsewhere, claimed_elsewhere, deleted, forgotten, out_of_reach, within_reach, not_stored),
    *(stopped, given_up),
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(FATES), st.integers(0, 12)), max_size=4),
    st.sampled_from([None, ModelFailed(), ModelUnreachable()]),
    st.integers(0, 4),
)
async def test_whatever_happens_it_ends_once(
    fates: list[tuple[Callable[[Room, Worker, RunningReply], Awaitable[None]], int]],
    fails_with: DomainError | None,
    fails_after: int,
) -> None:
    room = Room()
    room.model.fails_with, room.model.fails_after = fails_with, fails_after
    async with room.open_worker() as worker:
        other = room.worker("theirs")
        running = await asked(room, worker)
        for fate, turns in fates:
            for _ in range(turns):
                await asyncio.sleep(0)
            with suppress(StorageUnavailable, SessionBusy):
                await fate(room, other, running)
        await ended(running)
        await within_reach(room, other, running)
        room.database.failing_commits = 0

        log = [event["status"] for event in told(running.reply.log)]
        assert log[-2:] in (["finished", "complete"], ["error", "complete"])
        assert set(log[:-2]) <= {"streaming"}
        assert running.feed.over
        assert worker.replies.get(running.reply.message) is None
        assert (room.metrics.active, len(room.metrics.outcomes)) == (0, 1)
        assert room.model.speaking == 0
        await until(lambda: not room.cluster.runs)
        for _ in range(2):
            await worker.settle_abandoned()
        message = room.tables.messages.get(running.reply.message)
        if message is not None:
            assert message.state is not MessageState.STREAMING
            assert running.reply.text.startswith(message.content or "")
        copy = [event["status"] for event in told(await room.logs.read(running.reply.message))]
        assert "complete" not in copy[:-1]


class TestADeletedSession:
    @pytest.mark.parametrize("stopped", [True, False])
    async def test_ends_its_reply_in_peace(
        self, room: Room, worker: Worker, stopped: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        room.model.hold_after = 1
        running = await asked(room, worker)
        await until(lambda: room.logs.kept)
        async with room.work() as w:
            user = running.user
            await w.users.forget_rows(user, room.clock.now())
            await w.commit()

        if stopped:
            worker.replies.stop_user(user)
        room.model.release()
        await ended(running)

        assert kinds(running.reply.log) == ["streaming", "finished", "complete"]
        assert told(running.reply.log)[-1]["interrupted"] is True
        assert running.reply.failure is None
        assert room.logs.kept == {}
        assert room.cluster.runs == {}
        assert caplog.records == []


async def test_storage_down_from_the_start_is_no_reply(room: Room, worker: Worker) -> None:
    room.database.down = True
    with pytest.raises(StorageUnavailable):
        await worker.ask(UserId(1), "?")


def test_refusals_have_codes() -> None:
    assert DomainError().event == "internal"
