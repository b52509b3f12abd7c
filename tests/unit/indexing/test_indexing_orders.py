"""Indexing ordered anew, and cancelled."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from application.indexing.cancel_indexing import CANCELLED, CancelIndexing
from application.indexing.reindex_document import REINDEX, NotADocument, ReindexDocument
from application.ports.calls import FilesChanged, JobsCancelled
from application.ports.persistence import Account
from domain.document import FileId, FileKind, FileNotFound, IndexState, StoredFile
from domain.errors import RateLimited
from domain.job import Job, JobState
from domain.user import Role, UserId
from tests.builders import a_file, a_user
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory, JobRow
from tests.fakes.throttle import FakeThrottle
from tests.fakes.wakeup import FakeWakeup

LEASE = timedelta(seconds=30)


@dataclass(eq=False)
class Office:
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    calls: FakeCalls = field(default_factory=FakeCalls)

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        self.queue = FakeJobQueue(self.database)
        self.reindex = ReindexDocument(
            work=self.work,
            throttle=FakeThrottle(self.clock),
            wakeup=FakeWakeup(),
            calls=self.calls,
            clock=self.clock,
        )
        self.cancel = CancelIndexing(work=self.work, calls=self.calls, clock=self.clock)

    async def someone(self, name: str = "ann", role: Role = Role.STUDENT) -> Account:
        async with self.work() as w:
            user = a_user(f"{name}@example.org", role=role)
            w.users.add(user)
            await w.commit()
        return Account(user.id, user.email, role, banned=False)

    async def file(
        self,
        owner: UserId,
        state: IndexState | None = IndexState.INDEXED,
        kind: FileKind = FileKind.DOCUMENT,
        *,
        public: bool = False,
        deleted: bool = False,
    ) -> StoredFile:
        file = a_file(owner, rag_status=state, kind=kind, public=public, deleted=deleted)
        async with self.work() as w:
            w.files.add(file)
            await w.commit()
        return file

    def state(self, file: StoredFile) -> tuple[IndexState | None, str | None]:
        now = self.database.tables.files[file.id]
        return now.rag_status, now.rag_error

    @property
    def jobs(self) -> list[JobRow]:
        return list(self.database.tables.jobs.values())

    async def claim(self) -> Job:
        job = await self.queue.claim("w1", self.clock.now(), LEASE)
        assert job is not None
        return job


@pytest.fixture
def office() -> Office:
    return Office()


class TestReindexing:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (IndexState.INDEXED, IndexState.INDEXED),  # answers rest on it meanwhile
            (IndexState.FAILED, IndexState.PENDING),
            (IndexState.PENDING, IndexState.PENDING),
        ],
    )
    async def test_queues_a_job_in_its_owners_name(
        self, office: Office, before: IndexState, after: IndexState
    ) -> None:
        ann = await office.someone()
        file = await office.file(ann.id, before)
        await office.reindex(ann, file.id)
        (job,) = office.jobs
        assert (job.payload, job.owner) == ({"file_id": file.id}, ann.id)
        assert office.state(file) == (after, None)
        assert office.calls.made == [FilesChanged(ann.id)]

    async def test_twice_is_once(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id)
        await office.reindex(ann, file.id)
        await office.claim()
        await office.reindex(ann, file.id)
        assert len(office.jobs) == 1

    async def test_only_documents(self, office: Office) -> None:
        ann = await office.someone()
        picture = await office.file(ann.id, None, FileKind.IMAGE)
        with pytest.raises(NotADocument):
            await office.reindex(ann, picture.id)

    async def test_so_often_an_hour(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id)
        for _ in range(REINDEX.times):
            await office.reindex(ann, file.id)
        with pytest.raises(RateLimited):
            await office.reindex(ann, file.id)


class TestCancelling:
    async def test_what_waits_is_not_begun(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id, IndexState.FAILED)
        await office.reindex(ann, file.id)
        assert await office.cancel(ann, file.id)
        assert office.state(file) == (IndexState.FAILED, CANCELLED)
        assert await office.queue.claim("w1", office.clock.now(), LEASE) is None
        assert not await office.cancel(ann, file.id)

    async def test_whoever_is_at_it_loses_it(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id)
        await office.reindex(ann, file.id)
        job = await office.claim()
        assert await office.cancel(ann, file.id)
        assert JobsCancelled() in office.calls.made  # and hears of it
        assert not await office.queue.renew(job.id, job.holder, office.clock.now() + LEASE)

    async def test_what_was_indexed_before_stays(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id, IndexState.INDEXED)
        await office.reindex(ann, file.id)
        await office.cancel(ann, file.id)
        assert office.state(file) == (IndexState.INDEXED, None)
        assert [job.state for job in office.jobs] == [JobState.CANCELLED]

    async def test_it_can_be_ordered_anew_at_once(self, office: Office) -> None:
        ann = await office.someone()
        file = await office.file(ann.id, IndexState.FAILED)
        await office.reindex(ann, file.id)
        await office.claim()
        await office.cancel(ann, file.id)
        await office.reindex(ann, file.id)
        assert office.state(file) == (IndexState.PENDING, None)
        assert (await office.claim()).payload == {"file_id": file.id}


class TestWhoMay:
    async def test_strangers_are_told_that_there_is_nothing(self, office: Office) -> None:
        ann, ben = await office.someone(), await office.someone("ben")
        tutor = await office.someone("tom", Role.TUTOR)
        file = await office.file(ann.id)
        gone = await office.file(ann.id, deleted=True)
        for who, id in ((ben, file.id), (tutor, file.id), (ann, gone.id), (ann, FileId(999))):
            with pytest.raises(FileNotFound):
                await office.reindex(who, id)
            with pytest.raises(FileNotFound):
                await office.cancel(who, id)

    async def test_public_ones_are_for_all_who_teach(self, office: Office) -> None:
        tutor, other = await office.someone("tom", Role.TUTOR), await office.someone("tim", Role.TUTOR)
        file = await office.file(tutor.id, public=True)
        await office.reindex(other, file.id)
        assert await office.cancel(other, file.id)
        assert office.calls.made == [FilesChanged(tutor.id)] * 2
