"""What has grown too old goes, and nothing else."""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from typing_extensions import override

from application.jobs.work_off import LEASE
from application.personal_data.renew_archives import RenewArchives
from application.ports.persistence import Sessions, Work, WorkFactory
from application.retention.expire_sessions import ENOUGH, MOST, ExpireSessions
from application.retention.expire_sessions import PORTION as IN_ONE_LOOK
from application.retention.forget_jobs import KEPT, PORTION, ForgetSettledJobs
from application.retention.plan import DAILY, SOON, PlanExpiry, PortionByPortion
from domain.conversation import SessionId
from domain.errors import StorageUnavailable
from domain.export import Export
from domain.job import Job, JobId, JobKind, JobState
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, an_open_reply
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import START
from tests.fakes.persistence import FakeJobQueue, JobRow
from tests.fakes.wakeup import FakeWakeup
from tests.unit.chat.room import Room, deleting

DAY = timedelta(days=1)


@pytest.fixture
def room() -> Room:
    return Room()


@dataclass(frozen=True, slots=True)
class Stuck(WorkFactory):
    """Some sessions cannot be removed."""

    work: WorkFactory
    stuck: Collection[SessionId]
    refusal: Exception

    @override
    def __call__(self) -> AbstractAsyncContextManager[Work]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Work]:
        async with self.work() as w:
            w.sessions = cast("Sessions", StuckSessions(w.sessions, self.stuck, self.refusal))
            yield w


@dataclass(frozen=True, slots=True)
class StuckSessions:
    sessions: Sessions
    stuck: Collection[SessionId]
    refusal: Exception

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sessions, name)

    async def remove(self, id: SessionId) -> None:
        if id in self.stuck:
            raise self.refusal
        await self.sessions.remove(id)


def expiring(room: Room, days: int | None) -> ExpireSessions:
    return ExpireSessions(
        work=room.work,
        reading=room.reading,
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

        assert await expiring(room, 30)() is False

        tables = room.tables
        assert set(tables.sessions) == {writing, young}
        assert {message.session_id for message in tables.messages.values()} == {writing, young}
        hidden = {file.original_name for file in tables.files.values() if file.deleted_at is not None}
        assert hidden == {f"{id}.txt" for id in old}
        assert tables.notifications == []

    async def test_that_go_together_leave_one_sweep_and_one_renewal_for_each_owner(self, room: Room) -> None:
        ann, ben = await room.someone(), await room.someone("ben@example.org")
        for owner in (ann, ben, ann):
            await a_talk(room, owner, START)
        room.clock.pass_(31 * DAY)
        began = room.clock.now()
        await expiring(room, 30)()
        await a_talk(room, ann, START)
        room.clock.pass_(timedelta(minutes=4))
        await expiring(room, 30)()  # as it goes on

        left = [row for row in room.tables.jobs.values() if row.kind is not JobKind.ERASE_FILE]
        assert [row.kind for row in left] == [
            JobKind.RENEW_ARCHIVES, JobKind.SWEEP_FULL_TEXT, JobKind.RENEW_ARCHIVES,
        ]  # fmt: skip
        assert {row.payload.get("user_id") for row in left} == {None, ann, ben}
        for row in left:  # by then whatever is removed under its key is committed
            assert room.clock.now() + timedelta(minutes=5) < row.run_at <= began + timedelta(minutes=20)
            assert row.payload.get("since", row.run_at.isoformat()) == row.run_at.isoformat()
        room.clock.pass_(timedelta(minutes=20))
        await a_talk(room, ann, START)
        await expiring(room, 30)()
        sweeps = [row for row in room.tables.jobs.values() if row.kind is JobKind.SWEEP_FULL_TEXT]
        assert len(sweeps) == 2

    async def test_are_removed_some_at_a_time(self, room: Room) -> None:
        ann = await room.someone()
        async with room.work() as w:
            for _ in range(MOST + 1):
                await a_stored_session(w, ann, now=START)
            await w.commit()
        room.clock.pass_(31 * DAY)
        assert await expiring(room, 30)() is True
        assert 0 < len(room.tables.sessions) <= 1
        assert await expiring(room, 30)() is False
        assert room.tables.sessions == {}

    async def test_those_that_cannot_be_removed_are_passed_over(
        self, room: Room, caplog: pytest.LogCaptureFixture
    ) -> None:
        ann = await room.someone()
        talks = [await a_talk(room, ann, START + timedelta(seconds=n)) for n in range(IN_ONE_LOOK + 2)]
        stuck = set(talks[: IN_ONE_LOOK + 1])
        room.clock.pass_(31 * DAY)
        assert await replace(expiring(room, 30), work=Stuck(room.work, stuck, ValueError()))() is False
        assert set(room.tables.sessions) == stuck
        assert sum(said.levelname == "ERROR" for said in caplog.records) == len(stuck)

    async def test_the_database_is_not_asked_on_and_on_while_it_is_away(
        self, room: Room, caplog: pytest.LogCaptureFixture
    ) -> None:
        ann = await room.someone()
        talks = [await a_talk(room, ann, START + timedelta(seconds=n)) for n in range(ENOUGH + 2)]
        room.clock.pass_(31 * DAY)
        one = Stuck(room.work, {talks[0]}, StorageUnavailable())
        await replace(expiring(room, 30), work=one)()
        assert set(room.tables.sessions) == {talks[0]}
        for n in range(ENOUGH):
            talks[n] = await a_talk(room, ann, START)
        caplog.clear()
        away = Stuck(room.work, set(room.tables.sessions), StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await replace(expiring(room, 30), work=away)()
        assert len(caplog.records) == ENOUGH

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


class TestPlanning:
    async def test_is_for_every_midnight_once(self, room: Room) -> None:
        plan = PlanExpiry(work=room.work, clock=room.clock)
        for _ in range(3):
            await plan()
        room.clock.pass_(DAY)
        await plan()
        assert [(row.kind, row.run_at) for row in room.tables.jobs.values()] == [
            (kind, datetime(2025, 11, day, tzinfo=UTC)) for day in (19, 20) for kind in DAILY
        ]

    async def test_goes_on_behind_the_one_that_is_being_done(self, room: Room) -> None:
        left, queue = [True, True, True, True, False, False], FakeJobQueue(room.database)

        async def portion() -> bool:
            return left.pop(0)

        plan = PlanExpiry(work=room.work, clock=room.clock)
        await plan.once_more(JobKind.EXPIRE_LOG)
        while left:
            assert await queue.claim("w1", room.clock.now(), LEASE) is None
            room.clock.pass_(SOON)
            job = await queue.claim("w1", room.clock.now(), LEASE)
            assert job is not None
            assert job.kind is JobKind.EXPIRE_LOG
            for _ in range(2):  # it may break off before its end is known
                await PortionByPortion(portion, plan)(job)
            await queue.finish(job.id, job.holder)


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

        forget = ForgetSettledJobs(queue=FakeJobQueue(room.database), clock=room.clock)
        assert await forget() is True  # there may be more
        assert await forget() is False

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
