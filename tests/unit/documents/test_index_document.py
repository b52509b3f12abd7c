from dataclasses import dataclass, field

import pytest

from application.documents.index_document import IndexDocument
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.document import FileId, IndexState, StoredFile
from domain.errors import DomainError, StorageUnavailable
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.fakes.clock import FakeClock
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory

ANN = UserId(1)


@dataclass(eq=False)
class Shelf:
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)

    async def add(
        self, *pages: str, owner: UserId | None = ANN, public: bool = False, deleted: bool = False
    ) -> FileId:
        file = a_file(owner, rag_status=IndexState.PENDING, public=public, deleted=deleted)
        async with FakeWorkFactory(self.database)() as w:
            w.users.add(a_user(f"{file.disk_name}@example.org"))
            w.files.add(file)
            await w.commit()
        self.knowledge.texts[file.id] = pages
        return file.id

    @property
    def index_document(self) -> IndexDocument:
        work = FakeWorkFactory(self.database)
        return IndexDocument(work=work, knowledge=self.knowledge, clock=self.clock)

    async def index(self, id: FileId, *, last_try: bool = False) -> None:
        await self.index_document(id, last_try=last_try)

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
    await shelf.index(id)
    await shelf.index(FileId(999))
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
