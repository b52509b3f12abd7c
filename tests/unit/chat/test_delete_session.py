"""What becomes of a session that is deleted, and of those who are using it."""

import asyncio

import pytest

from domain.conversation import SessionId, SessionNotFound
from domain.document import FileId
from domain.errors import StorageUnavailable
from domain.job import JobKind, JobState
from domain.user import UserId
from tests.builders import a_file
from tests.fakes.clock import START
from tests.unit.chat.room import Room, Worker, deleting, ended, heard, told


async def a_file_in(room: Room, owner: UserId, session: SessionId) -> FileId:
    async with room.work() as w:
        file = a_file(owner, session=session)
        w.files.add(file)
        await w.flush()
        await w.jobs.add(JobKind.INDEX_DOCUMENT, {"file_id": file.id}, f"index:{file.id}", START)
        await w.commit()
    return file.id


async def test_takes_everything_and_nothing_else(room: Room, worker: Worker) -> None:
    ann = await room.someone()
    doomed, kept = await room.session_of(ann), await room.session_of(ann)
    for session in (doomed, kept):
        await ended(await worker.ask(ann, "x", session))
    mine, other = await a_file_in(room, ann, doomed), await a_file_in(room, ann, kept)

    await deleting(room, worker)(ann, doomed)

    assert set(room.tables.sessions) == {kept}
    assert {m.session_id for m in room.tables.messages.values()} == {kept}
    assert set(room.logs.kept) == {m.id for m in room.tables.messages.values() if m.id in room.logs.kept}
    files = room.tables.files
    assert (files[mine].deleted_at, files[mine].session_id) == (room.clock.now(), None)
    assert (files[other].deleted_at, files[other].session_id) == (None, kept)
    jobs = {row.dedup_key: row.state for row in room.tables.jobs.values()}
    assert jobs == {
        f"index:{mine}": JobState.CANCELLED,
        f"erase_file:{mine}": JobState.WAITING,
        f"renew_archives:session:{doomed}:{ann}": JobState.WAITING,
        f"sweep:session:{doomed}": JobState.WAITING,
        f"index:{other}": JobState.WAITING,
    }
    assert await room.session_of(ann) > kept


async def test_of_somebody_else_or_of_none_is_refused_without_effect(room: Room, worker: Worker) -> None:
    ann, ben = await room.someone(), await room.someone("ben@example.org")
    session = await room.session_of(ann)
    running = await worker.ask(ann, "x", session)
    room.model.hold_after = 1
    for user, id in ((ben, session), (ann, SessionId(999))):
        with pytest.raises(SessionNotFound):
            await deleting(room, worker)(user, id)
    assert set(room.tables.sessions) == {session}
    room.model.release()
    assert told(await heard(running))[-1]["status"] == "complete"


async def test_stops_the_reply_on_whichever_worker_and_leaves_no_ghost(room: Room) -> None:
    ann = await room.someone()
    session = await room.session_of(ann)
    async with room.open_worker("one") as one, room.open_worker("two") as two:
        room.model.hold_after = 1
        running = await one.ask(ann, "x", session)
        await deleting(room, two)(ann, session)
        await ended(running)
        assert room.tables.messages == {}
        assert room.logs.kept == {}


async def test_a_reply_that_is_settled_afterwards_is_nowhere(room: Room, worker: Worker) -> None:
    """Its worker hears of nothing."""
    ann = await room.someone()
    session = await room.session_of(ann)
    room.model.hold_after = 1
    running = await worker.ask(ann, "x", session)
    async with room.work() as w:
        await w.sessions.remove(session)
        await w.commit()
    room.model.release()
    await ended(running)
    assert room.tables.messages == {}
    assert room.logs.kept == {}
    last = told(await heard(running))[-1]
    assert (last["status"], last.get("interrupted")) == ("complete", True)


async def test_a_reply_that_cannot_be_stopped_keeps_the_session(room: Room) -> None:
    ann = await room.someone()
    session = await room.session_of(ann)
    deaf, worker = room.worker("deaf"), room.worker("ours")
    room.model.hold_after = 1
    running = await deaf.ask(ann, "x", session)
    with pytest.raises(StorageUnavailable):
        await deleting(room, worker)(ann, session)
    assert set(room.tables.sessions) == {session}
    room.model.release()
    await ended(running)


async def test_what_is_asked_meanwhile_is_stored_before_or_refused(room: Room) -> None:
    ann = await room.someone()
    async with room.open_worker("one") as one, room.open_worker("two") as two:
        for _ in range(20):
            session = await room.session_of(ann)
            outcomes = await asyncio.gather(
                deleting(room, one)(ann, session), two.ask(ann, "x", session), return_exceptions=True
            )
            assert outcomes[0] is None
            if isinstance(outcomes[1], BaseException):
                assert isinstance(outcomes[1], SessionNotFound)
            else:
                await ended(outcomes[1])
            assert room.tables.messages == {}
            assert room.tables.sessions == {}
            assert room.logs.kept == {}


async def test_of_many_at_once_one_deletes(room: Room, worker: Worker) -> None:
    ann = await room.someone()
    session = await room.session_of(ann)
    await a_file_in(room, ann, session)
    outcomes = await asyncio.gather(
        *(deleting(room, worker)(ann, session) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType"] + ["SessionNotFound"] * 4
    assert sum(row.kind is JobKind.ERASE_FILE for row in room.tables.jobs.values()) == 1


async def test_a_lost_commit_leaves_everything(room: Room, worker: Worker) -> None:
    ann = await room.someone()
    session = await room.session_of(ann)
    file = await a_file_in(room, ann, session)
    room.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await deleting(room, worker)(ann, session)
    assert set(room.tables.sessions) == {session}
    assert room.tables.files[file].deleted_at is None
    assert {row.kind for row in room.tables.jobs.values()} == {JobKind.INDEX_DOCUMENT}
