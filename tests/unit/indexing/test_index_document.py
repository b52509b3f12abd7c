import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from application.indexing.index_document import IndexDocument
from application.indexing.queueing import index_key, queue_indexing
from application.ports.calls import FilesChanged
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.document import FileId, IndexState, StoredFile
from domain.errors import DomainError, StorageUnavailable
from domain.job import MAX_ATTEMPTS, Job, JobState
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory

ANN = UserId(1)
LEASE = timedelta(seconds=30)


@dataclass(eq=False)
class Shelf:
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)

    calls: FakeCalls = field(default_factory=FakeCalls)

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        self.queue = FakeJobQueue(self.database)

    async def add(
        self, *pages: str, owner: UserId | None = ANN, public: bool = False, deleted: bool = False
    ) -> FileId:
        file = a_file(owner, rag_status=IndexState.PENDING, public=public, deleted=deleted)
        async with self.work() as w:
            w.users.add(a_user(f"{file.disk_name}@example.org"))
            w.files.add(file)
            await w.flush()
            await queue_indexing(w, file, self.clock.now())
            await w.commit()
        self.knowledge.texts[file.id] = pages
        return file.id

    @property
    def index_document(self) -> IndexDocument:
        return IndexDocument(
            work=self.work, knowledge=self.knowledge, calls=self.calls, clock=self.clock, limit_s=0.2
        )

    async def claim(self, id: FileId, *, last_try: bool = False) -> Job:
        """The job of the file, which is queued once more if nobody waits for it."""
        async with self.work() as w:
            await queue_indexing(w, self.file(id), self.clock.now())
            await w.commit()
        job = await self.queue.claim("w1", self.clock.now(), LEASE)
        assert job is not None
        return replace(job, attempts=MAX_ATTEMPTS) if last_try else job

    async def index(self, id: FileId, *, last_try: bool = False) -> None:
        job = await self.claim(id, last_try=last_try)
        try:
            await self.index_document(id, job)
        except DomainError:
            await self.queue.fail(job.id, job.holder, "Refused", self.clock.now())
            raise

    def file(self, id: FileId) -> StoredFile:
        return self.database.tables.files[id]

    @property
    def news(self) -> list[tuple[str, str, str]]:
        notes = self.database.tables.notifications
        assert all(note.user == ANN for note in notes)
        return [(note.title, note.message, note.type) for note in notes]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_makes_it_findable_and_tells_the_owner(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    await shelf.index(id)
    assert (shelf.file(id).rag_status, shelf.file(id).rag_error) == (IndexState.INDEXED, None)
    assert [hit.filename for hit in await shelf.knowledge.find("osmosis", ANN)] == ["notes.txt"]
    assert shelf.news == [("Document ready", "notes.txt can now be searched.", "success")]


async def test_twice_leaves_one_copy(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    await shelf.index(id)
    await shelf.index(id)
    assert len(await shelf.knowledge.find("osmosis", ANN)) == 1
    assert shelf.file(id).rag_status is IndexState.INDEXED


async def test_what_cannot_be_read_has_failed_for_good(shelf: Shelf) -> None:
    id = await shelf.add(" ")
    await shelf.index(id)  # raises nothing: another try would not help
    assert shelf.file(id).rag_status is IndexState.FAILED
    assert shelf.file(id).rag_error == "Document cannot be read"
    message = "notes.txt could not be indexed. Document cannot be read"
    assert shelf.news == [("Document not indexed", message, "error")]


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        (KnowledgeUnreachable(), "RAG service error: unreachable"),
        (KnowledgeTimeout(), "RAG service error: timeout"),
        (KnowledgeFailed("RAG indexing failed: 500"), "RAG indexing failed: 500"),
        (KnowledgeFailed("RAG service error: bad response"), "RAG service error: bad response"),
        (StorageUnavailable(), "RAG indexing failed: storage_unavailable"),
    ],
)
async def test_what_may_go_better_another_time_is_raised_and_told_at_the_last_try(
    shelf: Shelf, refusal: DomainError, shown: str
) -> None:
    id = await shelf.add("Osmosis moves water.")
    shelf.knowledge.refuse_with = refusal
    with pytest.raises(type(refusal)):
        await shelf.index(id)
    assert (shelf.file(id).rag_status, shelf.file(id).rag_error) == (IndexState.FAILED, shown)
    assert shelf.news == []

    await shelf.index(id, last_try=True)
    assert shelf.news == [("Document not indexed", f"notes.txt could not be indexed. {shown}", "error")]


async def test_a_later_success_clears_the_error(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    shelf.knowledge.refuse_with = KnowledgeTimeout()
    with pytest.raises(KnowledgeTimeout):
        await shelf.index(id)
    shelf.knowledge.refuse_with = None
    await shelf.index(id)
    assert (shelf.file(id).rag_status, shelf.file(id).rag_error) == (IndexState.INDEXED, None)


async def test_a_long_refusal_fits_its_column(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    shelf.knowledge.refuse_with = KnowledgeFailed("RAG indexing failed: " + "x" * 300)
    await shelf.index(id, last_try=True)
    assert len(shelf.file(id).rag_error or "") == 100


async def test_a_deleted_or_unknown_file_is_left_alone(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.", deleted=True)
    job = await shelf.claim(id)
    await shelf.index_document(id, job)
    await shelf.index_document(FileId(999), job)
    assert shelf.knowledge.indexed == {}
    assert shelf.news == []


async def test_a_file_of_nobody_is_told_to_nobody(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.", owner=None, public=True)
    await shelf.index(id)
    assert shelf.file(id).rag_status is IndexState.INDEXED
    assert shelf.news == []


async def test_a_document_that_ends_every_worker_is_given_up_and_its_owner_told(shelf: Shelf) -> None:
    id = await shelf.add("poison")
    await shelf.index_document.give_up(id)
    assert shelf.file(id).rag_status is IndexState.FAILED
    ((_, message, type),) = shelf.news
    assert ("given up" in message, type) == (True, "error")


async def test_giving_up_a_deleted_document_tells_nobody(shelf: Shelf) -> None:
    await shelf.index_document.give_up(await shelf.add("gone", deleted=True))
    await shelf.index_document.give_up(FileId(4711))
    assert shelf.news == []


class TestTheClaim:
    """What comes of a try counts only while its claim on the job stands."""

    async def test_settles_the_job_together_with_the_file(self, shelf: Shelf) -> None:
        id = await shelf.add("Osmosis moves water.")
        await shelf.index(id)
        (row,) = shelf.database.tables.jobs.values()
        assert (row.state, row.payload, row.owner) == (JobState.DONE, {}, None)

    async def test_of_two_who_do_the_same_one_tells(self, shelf: Shelf) -> None:
        id = await shelf.add("Osmosis moves water.")
        frozen = await shelf.claim(id)
        shelf.clock.pass_(LEASE + timedelta(seconds=1))
        other = await shelf.queue.claim("w2", shelf.clock.now(), LEASE)
        assert other is not None
        await shelf.index_document(id, other)
        await shelf.index_document(id, frozen)
        assert [title for title, _, _ in shelf.news] == ["Document ready"]

    async def test_a_late_failure_does_not_spoil_what_another_has_done(self, shelf: Shelf) -> None:
        id = await shelf.add("Osmosis moves water.")
        frozen = await shelf.claim(id)
        shelf.clock.pass_(LEASE + timedelta(seconds=1))
        other = await shelf.queue.claim("w2", shelf.clock.now(), LEASE)
        assert other is not None
        await shelf.index_document(id, other)
        shelf.knowledge.refuse_with = KnowledgeTimeout()
        with pytest.raises(KnowledgeTimeout):
            await shelf.index_document(id, frozen)
        assert (shelf.file(id).rag_status, shelf.file(id).rag_error) == (IndexState.INDEXED, None)

    async def test_what_was_cancelled_meanwhile_is_told_to_nobody(self, shelf: Shelf) -> None:
        id = await shelf.add("Osmosis moves water.")
        job = await shelf.claim(id)
        async with shelf.work() as w:
            await w.jobs.cancel(index_key(id), shelf.clock.now())
            await w.commit()
        await shelf.index_document(id, job)
        assert shelf.news == []
        assert shelf.file(id).rag_status is IndexState.PENDING

    async def test_what_was_deleted_meanwhile_is_told_to_nobody(self, shelf: Shelf) -> None:
        id = await shelf.add("Osmosis moves water.")
        job = await shelf.claim(id)
        indexing = asyncio.create_task(shelf.index_document(id, job))
        shelf.file(id).deleted_at = shelf.clock.now()
        await indexing
        assert shelf.news == []


async def test_what_was_findable_stays_so_while_another_try_fails(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    await shelf.index(id)
    shelf.knowledge.refuse_with = KnowledgeTimeout()
    with pytest.raises(KnowledgeTimeout):
        await shelf.index(id)
    assert (shelf.file(id).rag_status, shelf.file(id).rag_error) == (IndexState.INDEXED, None)


async def test_what_takes_too_long_has_failed_for_good(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    shelf.knowledge.index_delay = 60
    await shelf.index(id)
    assert shelf.file(id).rag_error == "RAG indexing failed: took too long"
    assert [type for _, _, type in shelf.news] == ["error"]


async def test_who_watches_hears_of_the_beginning_and_of_the_end(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    await shelf.index(id)
    assert shelf.calls.made == [FilesChanged(ANN), FilesChanged(ANN)]


async def test_nobody_needs_to_hear_it(shelf: Shelf) -> None:
    id = await shelf.add("Osmosis moves water.")
    shelf.calls.down = True
    await shelf.index(id)
    assert shelf.file(id).rag_status is IndexState.INDEXED


async def test_what_nobody_asked_for_is_told_only_if_it_fails(shelf: Shelf) -> None:
    well, badly = await shelf.add("Osmosis moves water."), await shelf.add()
    for id in (well, badly):
        job = await shelf.queue.claim("w1", shelf.clock.now(), LEASE)
        assert job is not None
        job.payload["quietly"] = True
        await shelf.index_document(id, job)

    assert shelf.file(well).rag_status is IndexState.INDEXED
    assert [type for _, _, type in shelf.news] == ["error"]
