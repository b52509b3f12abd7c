"""Deleted files are erased, however often and wherever it breaks off."""

from datetime import timedelta

import pytest

from application.documents.erase_file import BeingIndexed, EraseFile
from application.jobs.work_off import LEASE
from application.ports.knowledge import KnowledgeUnreachable
from domain.document import StoredFile
from domain.errors import StorageUnavailable
from domain.job import JobKind
from tests.builders import a_file
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import START, FakeClock
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory


class Attic:
    def __init__(self) -> None:
        self.clock, self.database = FakeClock(), FakeDatabase()
        self.work, self.queue = FakeWorkFactory(self.database), FakeJobQueue(self.database)
        self.blobs, self.knowledge = FakeBlobs(), FakeKnowledge()
        self.erase = EraseFile(work=self.work, knowledge=self.knowledge, blobs=self.blobs, clock=self.clock)

    async def file(self, index_name: str | None = "a.txt") -> StoredFile:
        async with self.work() as w:
            file = a_file(index_name=index_name, deleted=True)
            w.files.add(file)
            await w.flush()
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, f"index:{file.id}", START)
            await w.commit()
        self.blobs.kept[file.disk_name] = b"text"
        self.knowledge.indexed[file.id] = file
        return file

    @property
    def empty(self) -> bool:
        return not (self.blobs.kept or self.knowledge.indexed or self.database.tables.files)


@pytest.fixture
def attic() -> Attic:
    return Attic()


async def test_bytes_index_and_row_go_and_a_second_time_changes_nothing(attic: Attic) -> None:
    file = await attic.file()
    await attic.erase(file.id)
    assert attic.empty
    await attic.erase(file.id)
    left = await attic.queue.claim("w1", START, LEASE)
    assert left is not None
    assert left.kind is JobKind.SWEEP_FULL_TEXT
    assert await attic.queue.claim("w1", START, LEASE) is None


async def test_the_row_stays_until_the_index_has_forgotten(attic: Attic) -> None:
    file = await attic.file()
    attic.knowledge.refuse_with = KnowledgeUnreachable()
    with pytest.raises(KnowledgeUnreachable):
        await attic.erase(file.id)
    assert attic.blobs.kept == {}
    assert set(attic.database.tables.files) == {file.id}
    attic.knowledge.refuse_with = None
    await attic.erase(file.id)
    assert attic.empty


async def test_what_was_never_indexed_is_no_matter_of_the_index(attic: Attic) -> None:
    file = await attic.file(index_name=None)
    attic.knowledge.indexed.clear()
    attic.knowledge.refuse_with = KnowledgeUnreachable()
    await attic.erase(file.id)
    assert attic.empty


async def test_who_is_just_indexing_it_is_waited_for(attic: Attic) -> None:
    file = await attic.file()
    assert await attic.queue.claim("w1", START, LEASE) is not None
    with pytest.raises(BeingIndexed):
        await attic.erase(file.id)
    assert attic.blobs.kept == {}
    attic.clock.pass_(LEASE + timedelta(seconds=1))
    await attic.erase(file.id)
    assert attic.empty


async def test_a_database_that_goes_away_in_the_middle_delays_it(attic: Attic) -> None:
    file = await attic.file()
    attic.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await attic.erase(file.id)
    assert set(attic.database.tables.files) == {file.id}
    await attic.erase(file.id)
    assert attic.empty
