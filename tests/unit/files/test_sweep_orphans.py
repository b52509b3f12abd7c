import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from typing_extensions import override

from application.files.sweep_orphans import FEW, MOST, PlanSweep, SweepOrphans
from application.jobs.work_off import LEASE
from application.ports.blobs import BlobStoreUnavailable, KeptBlob
from application.ports.calls import FilesChanged
from domain.document import FileId
from domain.export import Export
from domain.job import JobKind, JobState
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.fakes.blob_register import FakeBlobRegister
from tests.fakes.blobs import FakeBlobs
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import START, FakeClock
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory, Tables

ANN = UserId(1)
LONG_AGO = START - timedelta(days=3)
JUST_NOW = START - timedelta(hours=20)


@dataclass(eq=False)
class House:
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)
    calls: FakeCalls = field(default_factory=FakeCalls)

    async def opened(self) -> "House":
        """With Ann, a session of hers, and a file that is as it should be."""
        async with FakeWorkFactory(self.database)() as w:
            w.users.add(a_user("ann@example.org"))
            await w.flush()
            await a_stored_session(w, ANN)
            await w.commit()
        await self.file(LONG_AGO)
        return self

    async def file(self, since: datetime, *, bytes: bool = True, deleted: bool = False) -> FileId:
        file = a_file(ANN, "notes.txt", deleted=deleted)
        file.disk_name, file.created_at = uuid4().hex, since
        async with FakeWorkFactory(self.database)() as w:
            w.files.add(file)
            await w.commit()
        if bytes:
            await self.blob(since, file.disk_name)
        return file.id

    async def blob(self, since: datetime, name: str | None = None) -> str:
        name = name or uuid4().hex
        await self.blobs.put(name, _content())
        self.blobs.since[name] = since
        return name

    async def export(self, since: datetime) -> None:
        async with FakeWorkFactory(self.database)() as w:
            w.exports.add(Export(user_id=ANN, disk_name=uuid4().hex, created_at=since))
            await w.commit()

    def sweeper(self, *, erases: bool = True) -> SweepOrphans:
        return SweepOrphans(
            work=FakeWorkFactory(self.database),
            register=FakeBlobRegister(self.database),
            blobs=self.blobs,
            calls=self.calls,
            clock=self.clock,
            erases=erases,
        )

    async def sweep(self, most: int = MOST, *, erases: bool = True) -> None:
        """The sweep that is due next, an hour after the last."""
        sweep = self.sweeper(erases=erases)
        await self.plan()
        self.clock.pass_(timedelta(hours=1))
        job = await self.queue.claim("w1", self.clock.now(), LEASE, [JobKind.SWEEP_ORPHANS])
        assert job is not None
        await sweep(set(job.words("suspects")), most)
        await self.queue.finish(job.id, job.holder)

    async def sweep_twice(self) -> None:
        for _ in range(2):
            await self.sweep()

    @property
    def queue(self) -> FakeJobQueue:
        return FakeJobQueue(self.database)

    @property
    def plan(self) -> PlanSweep:
        return PlanSweep(work=FakeWorkFactory(self.database), clock=self.clock)

    @property
    def tables(self) -> Tables:
        return self.database.tables

    def jobs(self, kind: JobKind) -> list[dict[str, object]]:
        return [job.payload for job in self.tables.jobs.values() if job.kind == kind]


async def _content() -> AsyncIterator[bytes]:
    yield b"bytes"


@pytest.fixture
async def house() -> House:
    return await House().opened()


class TestBlobsWithoutRows:
    async def test_are_erased_when_they_are_old(self, house: House) -> None:
        before = set(house.blobs.kept)
        for _ in range(3):
            await house.blob(LONG_AGO)

        await house.sweep_twice()

        assert set(house.blobs.kept) == before

    async def test_stay_while_an_upload_may_be_writing_them(self, house: House) -> None:
        young = await house.blob(JUST_NOW)

        await house.sweep_twice()

        assert young in house.blobs.kept

    async def test_that_an_export_or_a_dying_file_names_are_not_orphans(self, house: House) -> None:
        await house.file(LONG_AGO, deleted=True)
        await house.export(LONG_AGO)
        (archive,) = house.tables.exports.values()
        await house.blob(LONG_AGO, archive.disk_name)
        before = set(house.blobs.kept)

        await house.sweep_twice()

        assert set(house.blobs.kept) == before

    async def test_are_left_alone_where_most_are_foreign(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        """This is the store of another database."""
        for _ in range(FEW + 1):
            await house.blob(LONG_AGO)
        before = set(house.blobs.kept)

        with caplog.at_level(logging.ERROR):
            await house.sweep_twice()

        assert set(house.blobs.kept) == before
        assert "named by no row" in caplog.text

    async def test_go_a_portion_at_a_time(self, house: House) -> None:
        for _ in range(5):
            await house.blob(LONG_AGO)

        for left in (5, 3, 3, 1, 1, 0):
            await house.sweep(most=2)
            assert len(house.blobs.kept) == 1 + left

    async def test_all_count_when_it_is_judged_whose_they_are(self, house: House) -> None:
        """Of a foreign store, however large, no sweep takes its portion."""
        for _ in range(FEW + 1):
            await house.blob(LONG_AGO)
        before = set(house.blobs.kept)

        for _ in range(2):
            await house.sweep(most=2)

        assert set(house.blobs.kept) == before

    async def test_are_left_alone_where_no_row_fits_any(self, house: House) -> None:
        house.tables.files.clear()

        await house.sweep_twice()

        assert len(house.blobs.kept) == 1


class TestFilesWithoutBytes:
    async def test_are_deleted_and_their_owner_is_told(self, house: House) -> None:
        lost = await house.file(LONG_AGO, bytes=False)

        await house.sweep_twice()

        assert house.tables.files[lost].deleted_at == house.clock.now()
        assert house.jobs(JobKind.ERASE_FILE) == [{"file_id": lost}]
        assert house.calls.made == [FilesChanged(ANN)]
        (note,) = house.tables.notifications
        assert (note.user, note.title, note.type) == (ANN, "File lost", "error")
        assert note.message == "notes.txt was lost and has been removed. Please upload it again."

    async def test_are_told_of_once(self, house: House) -> None:
        await house.file(LONG_AGO, bytes=False)

        for _ in range(4):
            await house.sweep()

        assert len(house.tables.notifications) == 1

    async def test_leave_their_message_without_an_attachment(self, house: House) -> None:
        lost = await house.file(LONG_AGO, bytes=False)
        async with FakeWorkFactory(house.database)() as w:
            (session,) = house.tables.sessions
            message = a_message(session, "Uploaded document: notes.txt")
            message.file_id, message.file_type, message.file_path = lost, "document", "uploads/1/notes.txt"
            w.messages.add(message)
            await w.commit()

        await house.sweep_twice()

        assert house.tables.messages[message.id].file_path is None

    async def test_are_not_judged_on_their_first_day(self, house: House) -> None:
        await house.file(JUST_NOW, bytes=False)

        await house.sweep_twice()

        assert house.tables.notifications == []

    async def test_stay_where_the_whole_store_is_missing(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its disk is not mounted."""
        await house.file(LONG_AGO)
        house.blobs.kept.clear()

        with caplog.at_level(logging.ERROR):
            await house.sweep_twice()

        assert all(file.deleted_at is None for file in house.tables.files.values())
        assert "have no bytes" in caplog.text

    async def test_stay_where_most_bytes_are_missing(self, house: House) -> None:
        for _ in range(FEW + 1):
            await house.file(LONG_AGO, bytes=False)

        await house.sweep_twice()

        assert all(file.deleted_at is None for file in house.tables.files.values())

    async def test_an_export_that_is_being_made_is_not_lost(self, house: House) -> None:
        await house.export(LONG_AGO)

        await house.sweep_twice()

        assert len(house.tables.exports) == 1


class TestDoubt:
    """Whoever restores a backup has half of it for a while: what a sweep has found the next must find too."""

    async def test_one_finding_is_none(self, house: House) -> None:
        orphan, lost = await house.blob(LONG_AGO), await house.file(LONG_AGO, bytes=False)

        await house.sweep()

        assert orphan in house.blobs.kept
        assert house.tables.files[lost].deleted_at is None

    async def test_what_agrees_again_by_the_next_sweep_stays(self, house: House) -> None:
        file, lost = await house.file(LONG_AGO), await house.file(LONG_AGO, bytes=False)
        row = house.tables.files.pop(file)
        await house.sweep()
        house.tables.files[file] = row
        await house.blob(LONG_AGO, house.tables.files[lost].disk_name)

        await house.sweep_twice()

        assert {row.disk_name for row in house.tables.files.values()} == set(house.blobs.kept)
        assert not house.tables.notifications

    async def test_what_is_found_again_after_a_while_is_found_for_the_first_time(self, house: House) -> None:
        orphan = await house.blob(LONG_AGO)
        await house.sweep()
        since = house.blobs.since.pop(orphan)
        content = house.blobs.kept.pop(orphan)
        await house.sweep()
        house.blobs.kept[orphan], house.blobs.since[orphan] = content, since

        await house.sweep()
        assert orphan in house.blobs.kept

        await house.sweep()
        assert orphan not in house.blobs.kept

    async def test_a_sweep_that_believes_nothing_suspects_nobody(self, house: House) -> None:
        orphans = [await house.blob(LONG_AGO) for _ in range(FEW + 1)]
        await house.sweep()
        await house.blobs.erase(orphans[0])

        await house.sweep()
        assert set(orphans[1:]) < set(house.blobs.kept)

        await house.sweep()
        assert not set(orphans) & set(house.blobs.kept)

    async def test_where_nothing_may_be_erased_it_is_only_said(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        orphan, lost = await house.blob(LONG_AGO), await house.file(LONG_AGO, bytes=False)

        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                await house.sweep(erases=False)

        assert orphan in house.blobs.kept
        assert house.tables.files[lost].deleted_at is None
        assert [(vars(said)["unnamed"], vars(said)["lost"]) for said in caplog.records] == [(1, 1)] * 3

    async def test_where_all_agrees_nothing_is_said(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            await house.sweep_twice()

        assert not caplog.records


@dataclass(eq=False)
class ForgetfulBlobs(FakeBlobs):
    """Its list leaves out what came last."""

    @override
    async def inventory(self) -> AsyncGenerator[KeptBlob]:
        listed = [blob async for blob in FakeBlobs.inventory(self)]
        newest = list(self.kept)[-1]
        for blob in listed:
            if blob.name != newest:
                yield blob


class TestRaces:
    async def test_a_list_that_is_wrong_costs_no_file(self, house: House) -> None:
        house.blobs = ForgetfulBlobs(house.blobs.kept, house.blobs.since)
        file = await house.file(LONG_AGO)

        await house.sweep_twice()

        assert house.tables.files[file].deleted_at is None

    async def test_a_row_that_comes_late_saves_its_blob(self, house: House) -> None:
        name = await house.blob(LONG_AGO)

        class LateRegister(FakeBlobRegister):
            @override
            async def known(self, names: Sequence[str]) -> set[str]:
                file = a_file(ANN)
                file.disk_name = name
                async with FakeWorkFactory(house.database)() as w:
                    w.files.add(file)
                    await w.commit()
                return await FakeBlobRegister.known(self, names)

        sweep = SweepOrphans(
            work=FakeWorkFactory(house.database),
            register=LateRegister(house.database),
            blobs=house.blobs,
            calls=house.calls,
            clock=house.clock,
        )
        await sweep({name})

        assert name in house.blobs.kept

    async def test_two_sweeps_at_once_do_no_harm(self, house: House) -> None:
        await house.blob(LONG_AGO)
        lost = await house.file(LONG_AGO, bytes=False)

        await house.sweep()
        (suspects,) = [job["suspects"] for job in house.jobs(JobKind.SWEEP_ORPHANS) if job]
        assert isinstance(suspects, list)
        sweep = house.sweeper()
        await asyncio.gather(sweep(suspects), sweep(suspects))

        assert len(house.blobs.kept) == 1
        assert house.jobs(JobKind.ERASE_FILE) == [{"file_id": lost}]
        assert len(house.tables.notifications) == 1


class TestPlan:
    async def test_is_one_sweep_at_the_next_full_hour(self, house: House) -> None:
        await asyncio.gather(*(house.plan() for _ in range(4)))

        (job,) = house.tables.jobs.values()
        assert (job.kind, job.state) == (JobKind.SWEEP_ORPHANS, JobState.WAITING)
        assert job.run_at == START.replace(hour=11, minute=0, second=0, microsecond=0)

    async def test_goes_on_hour_by_hour(self, house: House) -> None:
        await house.plan()
        (first,) = house.tables.jobs.values()
        first.state = JobState.DONE
        house.clock.pass_(timedelta(hours=1))

        await house.plan()

        assert [job.run_at.hour for job in house.tables.jobs.values()] == [11, 12]


async def test_a_store_that_is_away_is_asked_another_time(house: House) -> None:
    class Away(FakeBlobs):
        @override
        async def tidy(self, before: datetime) -> int:
            raise BlobStoreUnavailable

    house.blobs = Away(house.blobs.kept, house.blobs.since)

    with pytest.raises(BlobStoreUnavailable):
        await house.sweep_twice()
