"""What has grown too old goes, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from application.chat.delete_session import DeleteSession
from application.personal_data.renew_archives import RenewArchives
from application.retention.jobs import KEPT, PORTION, ForgetSettledJobs
from application.retention.plan import PlanExpiry
from application.retention.sessions import ExpireSessions
from domain.conversation import SessionId
from domain.export import Export
from domain.job import Job, JobId, JobKind, JobState
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, an_open_reply
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import START
from tests.fakes.persistence import FakeJobQueue, JobRow
from tests.fakes.wakeup import FakeWakeup
from tests.unit.chat.room import Room, Worker

DAY = timedelta(days=1)


@pytest.fixture
def room() -> Room:
    return Room()


def expiring(room: Room, days: int | None) -> ExpireSessions:
    return ExpireSessions(
        work=room.work,
        calls=room.calls,
        logs=room.logs,
        wakeup=FakeWakeup(),
        clock=room.clock,
        keep=None if days is None else days * DAY,
    )


async def a_talk(room: Room, owner: UserId, used: datetime, *, writing: bool = False) -> SessionId:
    async with room.work() as w:
        session = await a_stored_session(w, owner, now=used)
        w.messages.add(a_message(session.id))
        if writing:
            w.messages.add(an_open_reply(session.id))
        w.files.add(a_file(owner, f"{session.id}.txt", session=session.id))
        await w.commit()
    return session.id


class TestSessions:
    async def test_idle_ones_go_like_deleted_ones_and_no_others(self, room: Room) -> None:
        ann, ben = await room.someone(), await room.someone("ben@example.org")
        old = [await a_talk(room, owner, START) for owner in (ann, ben)]
        writing = await a_talk(room, ann, START, writing=True)
        room.clock.pass_(30 * DAY)
        young = await a_talk(room, ann, START + timedelta(seconds=1))
        room.clock.pass_(seconds=1)

        await expiring(room, 30)()

        tables = room.tables
        assert set(tables.sessions) == {writing, young}
        assert {message.session_id for message in tables.messages.values()} == {writing, young}
        hidden = {file.original_name for file in tables.files.values() if file.deleted_at is not None}
        assert hidden == {f"{id}.txt" for id in old}
        assert {row.dedup_key for row in tables.jobs.values() if row.kind is JobKind.SWEEP_FULL_TEXT} == {
            f"sweep:session:{id}" for id in old
        }
        assert tables.notifications == []

    async def test_are_kept_for_ever_unless_somebody_decides_otherwise(self, room: Room) -> None:
        session = await a_talk(room, await room.someone(), START)
        room.clock.pass_(10_000 * DAY)
        await expiring(room, None)()
        assert set(room.tables.sessions) == {session}

    async def test_one_that_is_used_in_the_last_moment_stays(self, room: Room) -> None:
        session = await a_talk(room, await room.someone(), START)
        room.clock.pass_(31 * DAY)
        expire = expiring(room, 30)
        async with room.work() as w:
            await w.sessions.count_message(session, room.clock.now())
            await w.commit()
        assert not await expire._remove(session, START + DAY)
        assert not await expire._remove(SessionId(999), START + DAY)
        assert set(room.tables.sessions) == {session}

    async def test_copies_that_cannot_be_reached_keep_none(self, room: Room) -> None:
        await a_talk(room, await room.someone(), START)
        room.clock.pass_(31 * DAY)
        room.logs.down = True
        await expiring(room, 30)()
        assert room.tables.sessions == {}


@pytest.mark.parametrize("by", ["its owner", "time"])
async def test_with_a_session_its_messages_leave_the_archive(room: Room, by: str) -> None:
    ann, blobs = await room.someone(), FakeBlobs()
    session = await room.session_of(ann)
    room.clock.pass_(31 * DAY)
    now = room.clock.now()
    async with room.work() as w:
        export = Export(user_id=ann, disk_name="a" * 32, created_at=now, ready_at=now)
        w.exports.add(export)
        await w.commit()
    blobs.kept[export.disk_name] = b"PK"

    if by == "time":
        await expiring(room, 30)()
    else:
        async with room.open_worker() as worker:
            await deleting(room, worker)(ann, session)

    (row,) = [row for row in room.tables.jobs.values() if row.kind is JobKind.RENEW_ARCHIVES]
    job = Job(row.id, row.kind, row.payload, 1, now, "w1")
    renew = RenewArchives(work=room.work, blobs=blobs, calls=room.calls, clock=room.clock)
    for _ in range(2):  # safe to run twice
        await renew(UserId(job.number("user_id")), job.moment("since"))
        assert blobs.kept == {}
        (ordered,) = room.tables.exports.values()
        assert (ordered.id == export.id, ordered.ready_at) == (False, None)
        room.clock.pass_(seconds=1)


def deleting(room: Room, worker: Worker) -> DeleteSession:
    return DeleteSession(
        work=room.work,
        stop=worker.stop_reply,
        runs=worker.runs,
        calls=room.calls,
        logs=room.logs,
        wakeup=FakeWakeup(),
        clock=room.clock,
    )


class TestPlanning:
    async def test_is_for_every_midnight_once(self, room: Room) -> None:
        plan = PlanExpiry(work=room.work, clock=room.clock)
        for _ in range(3):
            await plan()
        room.clock.pass_(DAY)
        await plan()
        assert [(row.kind, row.run_at) for row in room.tables.jobs.values()] == [
            (JobKind.EXPIRE_OLD, datetime(2025, 11, 19, tzinfo=UTC)),
            (JobKind.EXPIRE_OLD, datetime(2025, 11, 20, tzinfo=UTC)),
        ]


class TestJobs:
    async def test_of_those_that_ended_long_ago_nothing_is_left(self, room: Room) -> None:
        now = START + KEPT
        async with room.work() as w:
            for n in range(PORTION):
                await w.jobs.add(JobKind.SEND_MAIL, {}, f"mail:{n}", START - DAY)
            await w.commit()
        for row in room.tables.jobs.values():
            row.state = JobState.DONE
        kept = [
            a_row(room, JobState.WAITING, START - DAY),
            a_row(room, JobState.RUNNING, START - DAY),
            a_row(room, JobState.FAILED, START),
            a_row(room, JobState.CANCELLED, START - DAY, lease_until=now),
        ]
        for state in (JobState.FAILED, JobState.CANCELLED):
            a_row(room, state, START - DAY)
        room.clock.pass_(KEPT)

        await ForgetSettledJobs(queue=FakeJobQueue(room.database), clock=room.clock)()

        assert list(room.tables.jobs.values()) == kept


def a_row(room: Room, state: JobState, run_at: datetime, lease_until: datetime | None = None) -> JobRow:
    id = JobId(room.database.next_id("job"))
    row = JobRow(
        id=id,
        kind=JobKind.INDEX_DOCUMENT,
        payload={},
        dedup_key=f"index:{id}",
        run_at=run_at,
        state=state,
        lease_until=lease_until,
    )
    room.tables.jobs[id] = row
    return row
