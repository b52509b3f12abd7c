import asyncio

import pytest

from application.chat import events
from application.ports.replies import Batch
from domain.conversation import MessageState, Source
from domain.errors import StorageUnavailable
from tests.unit.chat.room import Room, Worker, ended, numbers, told


class TestOne:
    async def test_keeps_what_was_said(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ", "wor\U0001f393")
        session = room.message(id).session_id
        assert await worker.settle(session, id)
        message = room.message(id)
        assert (message.content, message.state) == ("Hello, wor\U0001f393", MessageState.INTERRUPTED)
        assert room.tables.sessions[session].message_count == 1

    async def test_keeps_the_sources(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned()
        cited = [Source(1, "a.pdf", 2, 0.5, "…")]
        log = events.frames(id, 0, events.sources(cited), *events.chunks("Well"))
        await room.logs.append([Batch(id, 1, log)])
        await worker.settle(room.message(id).session_id, id)
        assert room.message(id).sources == [
            {"n": 1, "filename": "a.pdf", "page": 2, "score": 0.5, "snippet": "…"}
        ]

    async def test_of_which_nothing_was_said_has_failed_and_is_not_counted(
        self, room: Room, worker: Worker
    ) -> None:
        id = await room.abandoned()
        session = room.message(id).session_id
        assert await worker.settle(session, id)
        assert (room.message(id).content, room.message(id).state) == ("", MessageState.FAILED)
        assert room.tables.sessions[session].message_count == 0

    async def test_tells_readers_what_is_stored(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        await worker.settle(room.message(id).session_id, id)
        *_, error, complete = told(await room.logs.read(id))
        assert (error["status"], error["code"]) == ("error", "internal")
        assert (complete["status"], complete["text"], complete["interrupted"]) == (
            "complete",
            "Hello, ",
            True,
        )
        assert numbers(room.logs.kept[id]) == [1, 2, 3]
        assert id in room.logs.expiring

    async def test_is_settled_once(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        session = room.message(id).session_id
        outcomes = await asyncio.gather(*(worker.settle(session, id) for _ in range(5)))
        assert sum(outcomes) == 1
        assert room.tables.sessions[session].message_count == 1
        assert len(room.logs.kept[id]) == 3

    async def test_counts_what_it_settled(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        for _ in range(2):
            await worker.settle(room.message(id).session_id, id)
        assert room.metrics.replies_settled == 1

    async def test_whose_copy_has_an_end_is_not_ended_twice(self, room: Room, worker: Worker) -> None:
        """Its worker could not store it, said so, and is no more."""
        id = await room.abandoned("Hello, ")
        session = room.message(id).session_id
        end = events.complete(session, id, "Hello, ", interrupted=True)
        log = events.frames(id, 1, events.error(StorageUnavailable()), end)
        await room.logs.append([Batch(id, 2, log)])
        before = list(room.logs.kept[id])
        assert await worker.settle(session, id)
        assert room.logs.kept[id] == before
        assert room.message(id).content == "Hello, "

    async def test_an_outage_of_the_copies_settles_nothing_yet(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        room.logs.down = True
        with pytest.raises(StorageUnavailable):
            await worker.settle(room.message(id).session_id, id)
        assert room.message(id).state is MessageState.STREAMING
        room.logs.down = False
        assert await worker.settle(room.message(id).session_id, id)
        assert room.message(id).content == "Hello, "

    async def test_nothing_comes_behind_the_end_that_was_told(self, room: Room, worker: Worker) -> None:
        """Its worker was only asleep, and copies on."""
        id = await room.abandoned("Hello, ")
        await worker.settle(room.message(id).session_id, id)
        late = events.frames(id, 1, *(chunk for n in range(5) for chunk in events.chunks(f"{n}")))
        await room.logs.append([Batch(id, 2, late)])
        assert [event["status"] for event in told(await room.logs.read(id))] == [
            *("streaming", "error", "complete"),
        ]


class TestAll:
    async def test_a_dead_workers_reply_is_settled_the_second_time(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        await room.dead_run(id)
        assert [await worker.settle_abandoned() for _ in range(2)] == [0, 1]
        assert room.message(id).state is MessageState.INTERRUPTED
        assert room.cluster.runs == {}

    async def test_without_an_owner_on_record_the_second_time(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
        assert await worker.settle_abandoned() == 0
        assert room.message(id).state is MessageState.STREAMING
        assert await worker.settle_abandoned() == 1
        assert await worker.settle_abandoned() == 0

    async def test_a_suspect_that_turns_out_alive_is_left_alone(self, room: Room, worker: Worker) -> None:
        id = await room.abandoned("Hello, ")
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
                await one.ask(await room.someone(f"{n}@example.org"), "What?")
                for n, one in enumerate((worker, theirs))
            ]
            for _ in range(3):
                assert await worker.settle_abandoned() == 0
            room.cluster.flush()  # of our own we know better
            assert worker.replies.get(replies[0].reply.message) is replies[0]
            room.model.release()
            for running in replies:
                await ended(running)
                assert room.message(running.reply.message).state is MessageState.FINAL

    async def test_an_older_reply_in_a_session_that_went_on_is_settled(
        self, room: Room, worker: Worker
    ) -> None:
        old = await room.abandoned("Hello, ")
        session = room.message(old).session_id
        new = await room.abandoned(session=session)
        runs = room.cluster.worker("theirs")
        run, _ = await runs.claim(session)
        await runs.bind(run, new)
        assert [await worker.settle_abandoned() for _ in range(3)] == [0, 1, 0]
        assert room.message(old).state is MessageState.INTERRUPTED
        assert room.message(new).state is MessageState.STREAMING

    async def test_a_dead_run_that_never_said_what_it_answers_does_not_matter(
        self, room: Room, worker: Worker
    ) -> None:
        id = await room.abandoned()
        await room.cluster.worker("dead").claim(room.message(id).session_id)
        room.cluster.die("dead")
        assert [await worker.settle_abandoned() for _ in range(2)] == [0, 1]

    async def test_many_workers_may_look_at_once(self, room: Room, worker: Worker) -> None:
        ids = [await room.abandoned(f"{n}") for n in range(5)]
        for id in ids:
            await room.dead_run(id)
        workers = [worker, room.worker("b"), room.worker("c")]
        for one in workers:
            assert await one.settle_abandoned() == 0
        counts = await asyncio.gather(*(one.settle_abandoned() for one in workers))
        assert sum(counts) == 5
        assert all(len(room.logs.kept[id]) == 3 for id in ids)
