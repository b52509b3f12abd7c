"""The places where things of a person lie, as the erasure sees them."""

import asyncio
from datetime import timedelta

import pytest
from typing_extensions import override

from application.accounts.limits import CODE_CHECKS, CODES_PER_EMAIL, LOGIN_PER_ACCOUNT
from application.files.erase_file import EraseFile
from application.jobs.work_off import LEASE
from application.personal_data.exports import KeptExports
from application.personal_data.files import PersonalFiles
from application.personal_data.login import LoginTraces
from application.personal_data.pictures import ProfilePictures
from application.personal_data.renew_archives import RenewArchives
from application.personal_data.replies import RunningReplies
from application.ports.blobs import BlobStoreUnavailable
from application.ports.knowledge import (
    Erased,
    Knowledge,
    KnowledgeFailed,
    KnowledgeTimeout,
    KnowledgeUnreachable,
)
from application.ports.personal_data import Departed, StillThere
from application.ports.replies import Batch
from domain.conversation import MessageId, SessionId
from domain.document import StoredFile
from domain.export import Export
from domain.job import JobKind
from domain.user import Purpose, UserId
from tests.builders import ANN as ANN_ID
from tests.builders import a_file
from tests.fakes.blobs import FakeBlobs
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import START, FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.login_sessions import FakeLoginSessions
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeReading, FakeWorkFactory
from tests.fakes.pictures import FakePictures
from tests.fakes.replies import FakeCluster, FakeReplyLogs
from tests.fakes.throttle import FakeThrottle

EMAIL = "ann@example.org"
SESSION, REPLY = SessionId(3), MessageId(4)
BUG = ValueError("a bug")
DEPARTED = Departed(ANN_ID, EMAIL, START, [(SESSION, REPLY)])


class Study:
    """A database, blobs and an index in which Ann's files lie."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.queue = FakeJobQueue(self.database)
        self.blobs = FakeBlobs()
        self.knowledge = FakeKnowledge()
        self.files = self.files_known_to(self.knowledge)
        self.exports = KeptExports(work=self.work, blobs=self.blobs, clock=self.clock)

    def files_known_to(self, knowledge: Knowledge) -> PersonalFiles:
        erase_file = EraseFile(
            work=self.work,
            reading=FakeReading(self.database),
            knowledge=knowledge,
            blobs=self.blobs,
            logs=FakeReplyLogs(),
            renew_archives=RenewArchives(
                work=self.work, blobs=self.blobs, calls=FakeCalls(), clock=self.clock
            ),
            calls=FakeCalls(),
            clock=self.clock,
        )
        return PersonalFiles(work=self.work, blobs=self.blobs, erase_file=erase_file)

    async def file(
        self, owner: UserId = ANN_ID, *, public: bool = False, index: str | None = "a.txt"
    ) -> StoredFile:
        file = a_file(
            owner, public=public, deleted=not public, index_name=index and f"{owner}-{public}-{index}"
        )
        async with self.work() as w:
            w.files.add(file)
            await w.flush()
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, f"index:{file.id}", START)
            await w.commit()
        self.blobs.kept[file.disk_name] = b"text"
        self.knowledge.indexed[file.id] = file
        return file

    async def export(self) -> Export:
        export = Export(user_id=ANN_ID, disk_name="0" * 32, created_at=START)
        async with self.work() as w:
            w.exports.add(export)
            await w.flush()
            await w.jobs.add(JobKind.EXPORT_ACCOUNT, {}, f"export:{export.id}", START)
            await w.commit()
        self.blobs.kept[export.disk_name] = b"PK"
        return export


@pytest.fixture
def study() -> Study:
    return Study()


class TestFiles:
    async def test_go_with_bytes_and_index_and_row(self, study: Study) -> None:
        mine, public = await study.file(), await study.file(public=True, index="p.txt")
        assert await study.files.erase(DEPARTED) == 1
        assert set(study.blobs.kept) == {public.disk_name}
        assert set(study.knowledge.indexed) == set(study.database.tables.files) == {public.id}
        assert mine.id not in study.database.tables.files
        assert await study.files.erase(DEPARTED) == 0

    async def test_that_were_never_indexed_are_no_matter_of_the_index(self, study: Study) -> None:
        await study.file(index=None)
        study.knowledge.refuse_with = KnowledgeUnreachable()
        assert await study.files.erase(DEPARTED) == 1

    async def test_keep_their_row_until_the_index_has_forgotten_them(self, study: Study) -> None:
        await study.file(index="a.txt"), await study.file(index="b.txt")
        study.knowledge.refuse_with = KnowledgeUnreachable()
        with pytest.raises(StillThere) as refusal:
            await study.files.erase(DEPARTED)
        assert refusal.value.erased == 0
        assert study.blobs.kept == {}
        assert len(study.database.tables.files) == 2
        study.knowledge.refuse_with = None
        assert await study.files.erase(DEPARTED) == 2

    @pytest.mark.parametrize("failure", [KnowledgeFailed("RAG service error"), KnowledgeTimeout(), BUG])
    async def test_that_are_refused_do_not_keep_the_others(self, study: Study, failure: Exception) -> None:
        bad, good = await study.file(index="a.txt"), await study.file(index="b.txt")
        study.files = study.files_known_to(Refuses(bad, failure))
        with pytest.raises(StillThere) as refusal:
            await study.files.erase(DEPARTED)
        assert refusal.value.erased == 1
        assert set(study.database.tables.files) == {bad.id}
        assert good.id not in study.database.tables.files

    @pytest.mark.parametrize("failure", [BlobStoreUnavailable(), BUG])
    async def test_whose_bytes_are_refused_do_not_keep_the_others(
        self, study: Study, failure: Exception
    ) -> None:
        bad, _, _ = [await study.file(index=name) for name in ("a.txt", "b.txt", "c.txt")]
        study.blobs.stuck[bad.disk_name] = failure
        with pytest.raises(StillThere) as refusal:
            await study.files.erase(DEPARTED)
        assert refusal.value.erased == 2
        assert set(study.blobs.kept) == {bad.disk_name}
        assert set(study.database.tables.files) == {bad.id}
        assert study.knowledge.indexed == {}

    async def test_are_not_all_asked_about_when_nobody_answers(self, study: Study) -> None:
        files = [await study.file(index=f"{n}.txt") for n in range(10)]
        study.files = study.files_known_to(nobody := Refuses(None, KnowledgeTimeout()))
        with pytest.raises(StillThere):
            await study.files.erase(DEPARTED)
        assert 0 < nobody.refused < len(files) / 2
        assert study.blobs.kept == {}

    async def test_wait_for_whoever_is_just_indexing_them(self, study: Study) -> None:
        await study.file()
        job = await study.queue.claim("w1", START, LEASE)
        assert job is not None
        with pytest.raises(StillThere):
            await study.files.erase(DEPARTED)
        assert not await study.queue.renew(job.id, "w1", START + LEASE)  # he hears of it
        study.clock.pass_(LEASE + timedelta(seconds=1))
        assert await study.files.erase(DEPARTED) == 1


class Refuses(FakeKnowledge):
    """One file in particular, or all of them."""

    def __init__(self, file: StoredFile | None, failure: Exception) -> None:
        super().__init__()
        self.file = file
        self.failure = failure
        self.refused = 0

    @override
    async def forget(self, file: StoredFile) -> Erased:
        if self.file is None or file.id == self.file.id:
            self.refused += 1
            raise self.failure
        return await super().forget(file)


class TestExports:
    async def test_go_with_their_bytes(self, study: Study) -> None:
        await study.export()
        assert await study.exports.erase(DEPARTED) == 1
        assert not study.blobs.kept
        assert not study.database.tables.exports
        assert await study.queue.claim("w1", START, LEASE) is None

    async def test_wait_for_whoever_is_making_one(self, study: Study) -> None:
        await study.export()
        assert await study.queue.claim("w1", START, LEASE) is not None
        with pytest.raises(StillThere):
            await study.exports.erase(DEPARTED)
        assert len(study.database.tables.exports) == 1
        study.clock.pass_(LEASE + timedelta(seconds=1))
        assert await study.exports.erase(DEPARTED) == 1


class TestPictures:
    async def test_go_all(self) -> None:
        pictures = FakePictures(
            {f"user_{ANN_ID}_a.jpg": b"", f"user_{ANN_ID}_b.png": b"", f"user_{ANN_ID}9_a.jpg": b""}
        )
        assert await ProfilePictures(pictures=pictures).erase(DEPARTED) == 2
        assert set(pictures.kept) == {f"user_{ANN_ID}9_a.jpg"}


class TestLogin:
    async def test_codes_and_counts_of_before_the_deletion_go(self) -> None:
        clock = FakeClock(START - timedelta(seconds=20))
        codes, throttle = FakeCodes(clock), FakeThrottle(clock)
        await codes.wait(EMAIL)
        old = await codes.issue(EMAIL, Purpose.RESET_PASSWORD)
        for limit in (CODE_CHECKS, CODES_PER_EMAIL, LOGIN_PER_ACCOUNT):
            while not await throttle.take(limit, EMAIL):
                pass
        clock.pass_(seconds=21)
        new = await codes.issue(EMAIL, Purpose.REGISTER)  # for somebody who comes after her
        clock.pass_(seconds=2)
        traces = LoginTraces(sessions=FakeLoginSessions(clock), codes=codes, throttle=throttle, clock=clock)

        assert await traces.erase(DEPARTED) == 1

        assert not await codes.redeem(EMAIL, [Purpose.RESET_PASSWORD], old)
        assert await codes.redeem(EMAIL, [Purpose.REGISTER], new)
        for limit in (CODE_CHECKS, CODES_PER_EMAIL, LOGIN_PER_ACCOUNT):
            assert not await throttle.take(limit, EMAIL)


@pytest.fixture
def logs() -> FakeReplyLogs:
    return FakeReplyLogs()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def test_replies_are_stopped_again_until_nobody_answers(
    logs: FakeReplyLogs, cluster: FakeCluster
) -> None:
    stops, runs = FakeCalls(), cluster.worker("ours")
    store = RunningReplies(calls=stops, runs=runs, logs=logs, wait_s=0.15)
    await logs.append([Batch(REPLY, 1, [b"{}"])])
    run, _ = await runs.claim(SESSION)
    with pytest.raises(StillThere):
        await store.erase(DEPARTED)
    assert logs.kept
    await runs.release(run)
    assert await store.erase(DEPARTED) == 1
    assert logs.kept == {}
    assert stops.stopped_users == [ANN_ID, ANN_ID]


async def test_a_reply_that_ends_in_time_is_waited_for(logs: FakeReplyLogs, cluster: FakeCluster) -> None:
    runs = cluster.worker("ours")
    run, _ = await runs.claim(SESSION)
    store = RunningReplies(calls=FakeCalls(), runs=runs, logs=logs)
    erasing = asyncio.create_task(store.erase(DEPARTED))
    await asyncio.sleep(0.05)
    await runs.release(run)
    assert await erasing == 0


async def test_what_a_dead_worker_left_is_taken_away(logs: FakeReplyLogs, cluster: FakeCluster) -> None:
    dead, ours = cluster.worker("dead"), cluster.worker("ours")
    await dead.claim(SESSION)
    cluster.die("dead")
    assert await RunningReplies(calls=FakeCalls(), runs=ours, logs=logs).erase(DEPARTED) == 0
    assert cluster.runs == {}
