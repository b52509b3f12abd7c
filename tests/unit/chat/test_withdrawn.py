"""What is deleted while an answer is being generated is not among its sources, nor left in its copy."""

import asyncio

import pytest

from application.chat import events
from application.ports.replies import Batch
from domain.conversation import MessageState, Source
from domain.document import FileId
from tests.builders import a_file
from tests.unit.chat.room import Room, Worker, ended, heard, told, until


async def file(room: Room) -> FileId:
    async with room.work() as w:
        file = a_file(public=True)
        w.files.add(file)
        await w.commit()
    return file.id


async def delete(room: Room, id: FileId) -> None:
    async with room.work() as w:
        found = await w.files.get(id)
        assert found is not None
        found.deleted_at = room.clock.now()
        await w.commit()


def of(id: FileId | None, n: int = 1) -> Source:
    return Source(n, "a.pdf", 1, 0.5, "what it says", id)


@pytest.fixture
async def doomed(room: Room) -> FileId:
    return await file(room)


async def test_the_rest_is_stored(room: Room, worker: Worker, doomed: FileId) -> None:
    kept = await file(room)
    room.answers.cites = [of(doomed, 1), of(kept, 2), of(None, 3)]
    room.model.hold_after = 1
    running = await worker.ask(await room.someone(), "What?")
    await until(lambda: running.mirrored)
    await delete(room, doomed)
    room.model.release()
    events_told = told(await heard(running))
    await ended(running)
    assert [event["status"] for event in events_told[-2:]] == ["finished", "complete"]
    message = room.message(running.reply.message)
    assert message.state is MessageState.FINAL
    assert message.sources == [of(kept, 2).told, of(None, 3).told]
    assert room.logs.kept == {}


async def test_a_reader_elsewhere_hears_the_end_all_the_same(
    room: Room, worker: Worker, doomed: FileId
) -> None:
    room.answers.cites = [of(doomed)]
    room.model.hold_after = 1
    user = await room.someone()
    running = await worker.ask(user, "What?")
    await until(lambda: running.mirrored)
    async with (
        room.open_worker("theirs") as theirs,
        theirs.follow(user, running.reply.message, None) as place,
    ):
        reading = asyncio.create_task(place.feed.begun(0))
        await reading
        await delete(room, doomed)
        room.model.release()
        await ended(running)
        await until(lambda: place.feed.over)
        last = told(place.feed.log)[-1]
    assert (last["status"], last["text"]) == ("complete", "Hello, world.")
    assert room.message(running.reply.message).sources is None


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_dead_workers_copy_goes_where_it_shows_it(
    room: Room, worker: Worker, doomed: FileId, deleted: bool
) -> None:
    id = await room.abandoned()
    log = events.frames(id, 0, events.sources([of(doomed)]), *events.chunks("Well"))
    await room.logs.append([Batch(id, 1, log)])
    if deleted:
        await delete(room, doomed)
    assert await worker.settle(room.message(id).session_id, id)
    assert room.message(id).content == "Well"
    assert room.message(id).sources == (None if deleted else [of(doomed).told])
    assert (id in room.logs.kept) is not deleted
