import asyncio
import json

from application.chat import events
from application.ports.replies import Batch
from domain.conversation import MessageId, MessageState, SessionId, Source
from tests.builders import an_open_reply
from tests.unit.chat.room import Room, Worker, ended


async def abandoned(room: Room, *said: str, session: SessionId | None = None) -> MessageId:
    """A reply in the making whose worker is no more, with the copy it left."""
    if session is None:
        session = await room.session_of(await room.someone(f"u{len(room.tables.users)}@example.org"))
    async with room.work() as w:
        reply = an_open_reply(session)
        w.messages.add(reply)
        await w.commit()
    log = [event for piece in said for event in events.chunks(piece)]
    if log:
        await room.logs.append([Batch(reply.id, 1, log)])
    return reply.id


async def dead_run(room: Room, message: MessageId) -> None:
    runs = room.cluster.worker("dead")
    run, _ = await runs.claim(room.message(message).session_id)
    await runs.bind(run, message)
    room.cluster.die("dead")


class TestOne:
    async def test_keeps_what_was_said(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ", "wor\U0001f393")
        session = room.message(id).session_id
        assert await worker.settle(session, id)
        message = room.message(id)
        assert (message.content, message.state) == ("Hello, wor\U0001f393", MessageState.INTERRUPTED)
        assert room.tables.sessions[session].message_count == 1

    async def test_keeps_the_sources(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room)
        cited = [Source(1, "a.pdf", 2, 0.5, "…")]
        await room.logs.append([Batch(id, 1, [events.sources(cited), *events.chunks("Well")])])
        await worker.settle(room.message(id).session_id, id)
        assert room.message(id).sources == [
            {"n": 1, "filename": "a.pdf", "page": 2, "score": 0.5, "snippet": "…"}
        ]

    async def test_of_which_nothing_was_said_has_failed_and_is_not_counted(
        self, room: Room, worker: Worker
    ) -> None:
        id = await abandoned(room)
        session = room.message(id).session_id
        assert await worker.settle(session, id)
        assert (room.message(id).content, room.message(id).state) == ("", MessageState.FAILED)
        assert room.tables.sessions[session].message_count == 0

    async def test_tells_readers_what_is_stored(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ")
        await worker.settle(room.message(id).session_id, id)
        *_, error, complete = [json.loads(event) for event in await room.logs.read(id)]
        assert (error["status"], error["code"]) == ("error", "internal")
        assert (complete["status"], complete["text"], complete["interrupted"]) == (
            "complete",
            "Hello, ",
            True,
        )
        assert [n for n, _ in room.logs.kept[id]] == [1, 2, 3]
        assert id in room.logs.expiring

    async def test_is_settled_once(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ")
        session = room.message(id).session_id
        outcomes = await asyncio.gather(*(worker.settle(session, id) for _ in range(5)))
        assert sum(outcomes) == 1
        assert room.tables.sessions[session].message_count == 1
        assert len(room.logs.kept[id]) == 3


class TestAll:
    async def test_a_dead_workers_reply_is_settled_the_second_time(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ")
        await dead_run(room, id)
        assert [await worker.settle_abandoned() for _ in range(2)] == [0, 1]
        assert room.message(id).state is MessageState.INTERRUPTED
        assert room.cluster.runs == {}

    async def test_without_an_owner_on_record_the_second_time(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ")
        assert await worker.settle_abandoned() == 0
        assert room.message(id).state is MessageState.STREAMING
        assert await worker.settle_abandoned() == 1
        assert await worker.settle_abandoned() == 0

    async def test_a_suspect_that_turns_out_alive_is_left_alone(self, room: Room, worker: Worker) -> None:
        id = await abandoned(room, "Hello, ")
        await worker.settle_abandoned()
        runs = room.cluster.worker("slow")
        run, _ = await runs.claim(room.message(id).session_id)
        for _ in range(3):  # its question has been stored, its run is not bound yet
            assert await worker.settle_abandoned() == 0
        await runs.bind(run, id)
        for _ in range(3):
            assert await worker.settle_abandoned() == 0
        await runs.release(run)
        assert await worker.settle_abandoned() == 0  # suspicion begins anew

    async def test_what_runs_here_or_elsewhere_is_left_alone(self, room: Room, worker: Worker) -> None:
        room.model.hold_after = 1
        async with room.open_worker("theirs") as theirs:
            replies = [
                await one.ask(await room.someone(f"{n}@example.org"), "What?", None, None)
                for n, one in enumerate((worker, theirs))
            ]
            for _ in range(3):
                assert await worker.settle_abandoned() == 0
            room.cluster.flush()  # of our own we know better
            assert worker.replies.has(replies[0].reply.message)
            room.model.release()
            for running in replies:
                await ended(running)
                assert room.message(running.reply.message).state is MessageState.FINAL

    async def test_an_older_reply_in_a_session_that_went_on_is_settled(
        self, room: Room, worker: Worker
    ) -> None:
        old = await abandoned(room, "Hello, ")
        session = room.message(old).session_id
        new = await abandoned(room, session=session)
        runs = room.cluster.worker("theirs")
        run, _ = await runs.claim(session)
        await runs.bind(run, new)
        assert [await worker.settle_abandoned() for _ in range(3)] == [0, 1, 0]
        assert room.message(old).state is MessageState.INTERRUPTED
        assert room.message(new).state is MessageState.STREAMING

    async def test_a_dead_run_that_never_said_what_it_answers_does_not_matter(
        self, room: Room, worker: Worker
    ) -> None:
        id = await abandoned(room)
        await room.cluster.worker("dead").claim(room.message(id).session_id)
        room.cluster.die("dead")
        assert [await worker.settle_abandoned() for _ in range(2)] == [0, 1]

    async def test_many_workers_may_look_at_once(self, room: Room, worker: Worker) -> None:
        ids = [await abandoned(room, f"{n}") for n in range(5)]
        for id in ids:
            await dead_run(room, id)
        workers = [worker, room.worker("b"), room.worker("c")]
        for one in workers:
            assert await one.settle_abandoned() == 0
        counts = await asyncio.gather(*(one.settle_abandoned() for one in workers))
        assert sum(counts) == 5
        assert all(len(room.logs.kept[id]) == 3 for id in ids)
