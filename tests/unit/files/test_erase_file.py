"""Deleted files are erased, however often and wherever it breaks off."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from typing_extensions import override

from application.files.burying import HEAD_START
from application.files.erase_file import LATE, SOON, BeingIndexed, EraseFile, erase_key
from application.indexing.queueing import index_key
from application.jobs.work_off import LEASE
from application.personal_data.archives import making
from application.personal_data.renew_archives import BeingArchived, RenewArchives
from application.ports.calls import JobsCancelled
from application.ports.knowledge import Erased, KnowledgeUnreachable
from application.ports.replies import Batch
from domain.conversation import Message, MessageId, Source, Speaker
from domain.document import FileId, IndexState, StoredFile
from domain.errors import StorageUnavailable
from domain.export import KEPT, Export
from domain.job import Job, JobKind
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.fakes.blobs import FakeBlobs
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import START, FakeClock
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.mortal import Fuse, MortalWork, PowerCut, mortal
from tests.fakes.persistence import FEW, FakeDatabase, FakeJobQueue, FakeReading, FakeWorkFactory
from tests.fakes.replies import FakeReplyLogs

DELETED = timedelta(hours=1)  # after the start, by the builder's account


@dataclass(eq=False)
class Attic:
    """A house in which a file was deleted, and readers who were shown something of it."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)
    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)
    logs: FakeReplyLogs = field(default_factory=FakeReplyLogs)
    calls: FakeCalls = field(default_factory=FakeCalls)

    def __post_init__(self) -> None:
        self.clock.pass_(DELETED)
        self.work, self.queue = FakeWorkFactory(self.database), FakeJobQueue(self.database)
        self.erase = EraseFile(
            work=self.work,
            reading=FakeReading(self.database),
            knowledge=self.knowledge,
            blobs=self.blobs,
            logs=self.logs,
            renew_archives=RenewArchives(
                work=self.work, blobs=self.blobs, calls=self.calls, clock=self.clock
            ),
            calls=self.calls,
            clock=self.clock,
        )

    def doomed(self, fuse: Fuse) -> EraseFile:
        """One whose power is cut."""
        return EraseFile(
            work=MortalWork(self.work, fuse),
            reading=FakeReading(self.database),
            knowledge=mortal(self.knowledge, fuse),
            blobs=mortal(self.blobs, fuse),
            logs=mortal(self.logs, fuse),
            renew_archives=RenewArchives(
                work=MortalWork(self.work, fuse),
                blobs=mortal(self.blobs, fuse),
                calls=self.calls,
                clock=self.clock,
            ),
            calls=self.calls,
            clock=self.clock,
        )

    async def someone(self, email: str = "ann@example.org") -> UserId:
        async with self.work() as w:
            user = a_user(email)
            w.users.add(user)
            await w.commit()
        return user.id

    async def file(
        self,
        owner: UserId | None = None,
        name: str = "notes.txt",
        index_name: str | None = "a.txt",
        *,
        public: bool = False,
    ) -> StoredFile:
        owner = owner or await self.someone()
        async with self.work() as w:
            indexed = IndexState.INDEXED
            file = a_file(owner, name, index_name=index_name, public=public, rag_status=indexed, deleted=True)
            w.files.add(file)
            await w.flush()
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, index_key(file.id), START)
            await w.commit()
        self.blobs.kept[file.disk_name] = b"text"
        self.knowledge.indexed[file.id] = file
        return file

    async def begun(self, *kinds: JobKind) -> Job:
        """The next job, which somebody is doing now."""
        job = await self.queue.claim("w1", self.clock.now(), LEASE, kinds or tuple(JobKind))
        assert job is not None
        return job

    async def shown(self, reader: UserId, *sources: Source) -> MessageId:
        """An answer to the reader that cites these; a copy of it is still there."""
        async with self.work() as w:
            session = await a_stored_session(w, reader)
            reply: Message = a_message(session.id, "So it is.", Speaker.ASSISTANT)
            reply.sources = [source.told for source in sources]
            w.messages.add(reply)
            await w.commit()
        await self.logs.append([Batch(reply.id, 1, [b"its sources"])])
        return reply.id

    async def archive(self, owner: UserId, age: timedelta = DELETED, *, ready: bool = True) -> Export:
        at = self.clock.now() - age
        export = Export(user_id=owner, disk_name=f"{owner:032x}", created_at=at)
        export.ready_at = at if ready else None
        async with self.work() as w:
            w.exports.add(export)
            await w.flush()
            if not ready:
                await w.jobs.add(JobKind.EXPORT_ACCOUNT, {}, making(export.id), at)
            await w.commit()
        self.blobs.kept[export.disk_name] = b"PK"
        return export

    def sources(self, message: MessageId) -> list[dict[str, object]] | None:
        return self.database.tables.messages[message].sources

    @property
    def empty(self) -> bool:
        return not (self.blobs.kept or self.knowledge.indexed or self.database.tables.files)


def of(file: FileId | None, name: str = "notes.txt", n: int = 1) -> Source:
    return Source(n, name, 1, 0.5, "what it says", file)


@pytest.fixture
def attic() -> Attic:
    return Attic()


async def test_bytes_index_and_row_go_and_a_second_time_changes_nothing(attic: Attic) -> None:
    file = await attic.file()
    attic.knowledge.texts[file.id] = ["one page", "two pages"]
    assert await attic.erase(file.id) == Erased(chunks=2)
    assert attic.empty
    assert await attic.erase(file.id) == Erased()
    left = await attic.queue.claim("w1", attic.clock.now(), LEASE)
    assert left is not None
    assert left.kind is JobKind.SWEEP_FULL_TEXT
    assert await attic.queue.claim("w1", attic.clock.now(), LEASE) is None


async def test_what_was_never_indexed_is_no_matter_of_the_index(attic: Attic) -> None:
    file = await attic.file(index_name=None)
    attic.knowledge.indexed.clear()
    attic.knowledge.refuse_with = KnowledgeUnreachable()
    await attic.erase(file.id)
    assert attic.empty


class TestWhoRefuses:
    async def test_the_index_keeps_the_row_and_nothing_else(self, attic: Attic) -> None:
        ann = await attic.someone()
        file = await attic.file(ann)
        reply, archive = await attic.shown(ann, of(file.id)), await attic.archive(ann)
        attic.knowledge.refuse_with = KnowledgeUnreachable()
        with pytest.raises(KnowledgeUnreachable):
            await attic.erase(file.id)
        assert attic.blobs.kept == {}
        assert attic.sources(reply) is None
        assert archive.id not in attic.database.tables.exports
        assert set(attic.database.tables.files) == {file.id}
        attic.knowledge.refuse_with = None
        await attic.erase(file.id)
        assert attic.empty

    async def test_the_copies_of_replies_keep_what_would_find_them(self, attic: Attic) -> None:
        ann = await attic.someone()
        file = await attic.file(ann)
        reply = await attic.shown(ann, of(file.id))
        attic.logs.down = True
        with pytest.raises(StorageUnavailable):
            await attic.erase(file.id)
        assert attic.sources(reply)
        assert not attic.blobs.kept
        assert not attic.knowledge.indexed
        assert set(attic.database.tables.files) == {file.id}
        attic.logs.down = False
        await attic.erase(file.id)
        assert attic.sources(reply) is None
        assert attic.logs.kept == {}

    async def test_the_store_of_the_bytes_keeps_the_row(self, attic: Attic) -> None:
        file = await attic.file()
        attic.erase = EraseFile(
            work=attic.work,
            reading=FakeReading(attic.database),
            knowledge=attic.knowledge,
            blobs=Stubborn(),
            logs=attic.logs,
            renew_archives=RenewArchives(
                work=attic.work, blobs=Stubborn(), calls=attic.calls, clock=attic.clock
            ),
            calls=attic.calls,
            clock=attic.clock,
        )
        with pytest.raises(OSError, match="read-only"):
            await attic.erase(file.id)
        assert attic.knowledge.indexed == {}
        assert set(attic.database.tables.files) == {file.id}

    async def test_the_database_in_the_middle_delays_it(self, attic: Attic) -> None:
        file = await attic.file()
        attic.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await attic.erase(file.id)
        assert set(attic.database.tables.files) == {file.id}
        await attic.erase(file.id)
        assert attic.empty


class Stubborn(FakeBlobs):
    @override
    async def erase(self, name: str) -> None:
        raise OSError("read-only")


class TestIndexing:
    async def test_is_called_off_and_waited_for(self, attic: Attic) -> None:
        file = await attic.file()
        await attic.begun()
        with pytest.raises(BeingIndexed):
            await attic.erase(file.id)
        assert attic.calls.made == [JobsCancelled()]
        assert attic.blobs.kept == {}
        attic.clock.pass_(LEASE + timedelta(seconds=1))
        await attic.erase(file.id)
        assert attic.empty

    async def test_that_has_stopped_is_waited_for_no_longer(self, attic: Attic) -> None:
        """The job that erases it had given whoever deletes it a minute; now it is due."""
        file = await attic.file()
        async with attic.work() as w:
            later = attic.clock.now() + HEAD_START
            await w.jobs.add(JobKind.ERASE_FILE, {"file_id": file.id}, erase_key(file.id), later)
            await w.commit()
        indexing = await attic.begun()
        with pytest.raises(BeingIndexed):
            await attic.erase(file.id)
        await attic.queue.let_go(indexing.id, indexing.holder)
        attic.clock.pass_(SOON)
        job = await attic.begun(JobKind.ERASE_FILE)
        await attic.erase(FileId(job.number("file_id")))
        assert attic.empty

    @pytest.mark.parametrize("trouble", ["cancelled", "lost", "failed"])
    async def test_may_be_done_late_by_somebody_who_was_asked_and_never_heard_of_again(
        self, attic: Attic, trouble: str
    ) -> None:
        attic.knowledge.own = False
        file = await attic.file()
        job = await attic.begun()
        if trouble == "failed":
            await attic.queue.fail(job.id, job.holder, "KnowledgeTimeout", attic.clock.now() + LATE)
        elif trouble == "cancelled":
            with pytest.raises(BeingIndexed):
                await attic.erase(file.id)
        attic.clock.pass_(LEASE + timedelta(seconds=1))
        if trouble == "lost":
            again = await attic.begun()
            await attic.queue.finish(again.id, again.holder)
        await attic.erase(file.id)
        assert set(attic.database.tables.files) == {file.id}  # a tombstone
        attic.knowledge.indexed[file.id] = file

        assert await attic.queue.claim("w1", attic.clock.now(), LEASE) is None
        attic.clock.pass_(LATE)
        due = await attic.begun(JobKind.ERASE_FILE)
        assert due.payload == {"file_id": file.id}
        await attic.erase(file.id)
        assert attic.empty

    async def test_is_not_expected_where_it_was_never_begun_or_has_ended(self, attic: Attic) -> None:
        attic.knowledge.own = False
        untouched = await attic.file()
        await attic.erase(untouched.id)
        ended = await attic.file(untouched.user_id, index_name="b.txt")
        job = await attic.begun(JobKind.INDEX_DOCUMENT)
        await attic.queue.finish(job.id, job.holder)
        await attic.erase(ended.id)
        assert attic.empty

    async def test_our_own_index_takes_nothing_in_late(self, attic: Attic) -> None:
        file = await attic.file()
        await attic.begun()
        attic.clock.pass_(LEASE + timedelta(seconds=1))
        await attic.erase(file.id)
        assert attic.empty


class TestReaders:
    async def test_are_shown_a_public_document_no_more_whoever_they_are(self, attic: Attic) -> None:
        ann, ben = await attic.someone(), await attic.someone("ben@example.org")
        file = await attic.file(ann, public=True)
        replies = [await attic.shown(reader, of(file.id)) for reader in (ann, ben, ben)]
        await attic.erase(file.id)
        assert [attic.sources(reply) for reply in replies] == [None] * 3
        assert attic.logs.kept == {}

    async def test_keep_their_other_sources_with_their_numbers(self, attic: Attic) -> None:
        ann = await attic.someone()
        file = await attic.file(ann, "a.txt")
        other = FileId(file.id + 1)
        reply = await attic.shown(ann, of(other, "a.txt", 1), of(file.id, "a.txt", 2), of(None, "b.txt", 3))
        untouched = await attic.shown(ann, of(other, "a.txt"))
        await attic.erase(file.id)
        left = attic.sources(reply)
        assert left is not None
        assert [source["n"] for source in left] == [1, 3]
        assert attic.sources(untouched) == [of(other, "a.txt").told]
        assert set(attic.logs.kept) == {untouched}

    async def test_of_somebody_elses_file_of_the_same_name_keep_it(self, attic: Attic) -> None:
        ann, ben = await attic.someone(), await attic.someone("ben@example.org")
        file = await attic.file(ann)
        hers, his = await attic.shown(ann, of(None)), await attic.shown(ben, of(None))
        await attic.erase(file.id)
        assert attic.sources(hers) is None
        assert attic.sources(his)

    async def test_may_be_many(self, attic: Attic) -> None:
        ann = await attic.someone()
        file = await attic.file(ann, public=True)
        one = await attic.shown(ann, of(file.id))
        async with attic.work() as w:
            for _ in range(2 * FEW):
                reply = a_message(attic.database.tables.messages[one].session_id, "So it is.")
                reply.sources = [of(file.id).told]
                w.messages.add(reply)
            await w.commit()
        await attic.erase(file.id)
        assert not any(map(attic.sources, attic.database.tables.messages))


class TestArchives:
    async def test_of_before_go_and_the_one_that_is_waited_for_is_made_anew(self, attic: Attic) -> None:
        ann = await attic.someone()
        file, old = await attic.file(ann), await attic.archive(ann)
        await attic.erase(file.id)
        (new,) = attic.database.tables.exports.values()
        assert (new.user_id, new.ready_at, new.created_at) == (ann, None, attic.clock.now())
        assert new.disk_name != old.disk_name
        assert attic.blobs.kept == {}
        jobs = [await attic.queue.claim("w1", attic.clock.now(), LEASE) for _ in range(2)]
        assert {job.kind for job in jobs if job} == {JobKind.EXPORT_ACCOUNT, JobKind.SWEEP_FULL_TEXT}

    async def test_that_were_fetched_or_have_expired_are_not(self, attic: Attic) -> None:
        ann = await attic.someone()
        file, fetched, _ = await attic.file(ann), await attic.archive(ann), await attic.archive(ann, KEPT)
        async with attic.work() as w:
            found = await w.exports.get(fetched.id)
            assert found is not None
            found.fetched_at = START
            await w.commit()
        await attic.erase(file.id)
        assert not attic.database.tables.exports
        assert not attic.blobs.kept

    async def test_of_after_stay(self, attic: Attic) -> None:
        ann = await attic.someone()
        attic.clock.pass_(timedelta(minutes=1), seconds=1)
        file, new = await attic.file(ann), await attic.archive(ann, timedelta(0))
        await attic.erase(file.id)
        assert set(attic.database.tables.exports) == {new.id}

    async def test_begun_before_the_deletion_was_committed_go_too(self, attic: Attic) -> None:
        ann = await attic.someone()
        attic.clock.pass_(seconds=1)
        file, seen = await attic.file(ann), await attic.archive(ann, timedelta(0))
        await attic.erase(file.id)
        assert seen.id not in attic.database.tables.exports

    async def test_that_are_just_being_made_are_waited_for(self, attic: Attic) -> None:
        ann = await attic.someone()
        file, old = await attic.file(ann), await attic.archive(ann, ready=False)
        assert await attic.queue.claim("w1", attic.clock.now(), LEASE, [JobKind.EXPORT_ACCOUNT])
        async with attic.work() as w:
            later = attic.clock.now() + HEAD_START
            await w.jobs.add(JobKind.ERASE_FILE, {"file_id": file.id}, erase_key(file.id), later)
            await w.commit()
        with pytest.raises(BeingArchived):
            await attic.erase(file.id)
        assert attic.knowledge.indexed == {}
        assert set(attic.database.tables.files) == {file.id}  # so that it is remembered
        assert set(attic.database.tables.exports) == {old.id}
        attic.clock.pass_(SOON)
        job = await attic.begun(JobKind.ERASE_FILE)
        for _ in range(3):  # what comes of it is the job's matter, and no other's
            with pytest.raises(BeingArchived):
                await attic.erase(FileId(job.number("file_id")))
        erasures = [row for row in attic.database.tables.jobs.values() if row.kind is JobKind.ERASE_FILE]
        assert [row.id for row in erasures] == [job.id]
        attic.clock.pass_(LEASE)
        await attic.erase(file.id)
        assert old.id not in attic.database.tables.exports
        assert attic.empty

    async def test_of_somebody_who_left_go_with_his_account(self, attic: Attic) -> None:
        ann = await attic.someone()
        file, archive = await attic.file(ann), await attic.archive(ann)
        async with attic.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            user.bury(attic.clock.now())
            await w.commit()
        await attic.erase(file.id)
        assert set(attic.database.tables.exports) == {archive.id}

    async def test_do_not_have_public_documents(self, attic: Attic) -> None:
        ann = await attic.someone()
        file, archive = await attic.file(ann, public=True), await attic.archive(ann)
        await attic.erase(file.id)
        assert set(attic.database.tables.exports) == {archive.id}


async def test_whoever_deletes_it_and_the_job_do_not_disturb_each_other(attic: Attic) -> None:
    ann = await attic.someone()
    file = await attic.file(ann)
    replies = [await attic.shown(ann, of(file.id)) for _ in range(2)]
    await attic.archive(ann)
    await asyncio.gather(*(attic.erase(file.id) for _ in range(5)))
    assert attic.empty
    assert not any(map(attic.sources, replies))
    (new,) = attic.database.tables.exports.values()
    assert new.created_at == attic.clock.now()


async def test_wherever_the_power_is_cut_the_next_run_comes_to_the_end() -> None:
    for blows_after in range(100):
        attic, fuse = Attic(), Fuse(blows_after)
        ann, ben = await attic.someone(), await attic.someone("ben@example.org")
        file = await attic.file(ann)
        replies = [await attic.shown(ann, of(file.id)) for _ in range(2)]
        others = await attic.shown(ben, of(FileId(file.id + 1)))
        await attic.archive(ann)
        try:
            await attic.doomed(fuse)(file.id)
        except PowerCut:
            assert await attic.erase(file.id) is not None
        assert attic.empty
        assert not any(map(attic.sources, replies))
        assert attic.sources(others)
        assert set(attic.logs.kept) == {others}
        (new,) = attic.database.tables.exports.values()
        assert new.created_at == attic.clock.now()
        if fuse.steps <= blows_after:
            assert blows_after >= 8
            return
    raise AssertionError("it never came to an end")
