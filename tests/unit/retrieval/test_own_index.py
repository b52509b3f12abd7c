import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from application.ports.knowledge import Erased
from application.retrieval.own_index import PORTION, READING, OwnIndex
from domain.document import BadFile, FileId, FileKind, StoredFile
from domain.user import UserId
from tests.fakes.blobs import FakeBlobs
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.extraction import FakeExtractor
from tests.fakes.passages import FakePassages
from tests.unit.retrieval.hits import GRADES, NETWORK, TRENCH

ANN, BOB = UserId(1), UserId(2)


@dataclass
class World:
    names: dict[FileId, str] = field(default_factory=dict)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)

    def __post_init__(self) -> None:
        self.passages = FakePassages(self.names)
        self.index = OwnIndex(self.passages, FakeEmbedder(), FakeExtractor(), self.blobs)

    async def file(self, name: str, *pages: str, owner: UserId | None = ANN) -> StoredFile:
        file = StoredFile(
            user_id=owner,
            public=owner is None,
            original_name=name,
            stored_name=name,
            disk_name=f"disk-name-{len(self.names)}",
            kind=FileKind.DOCUMENT,
            mime="",
            size=1,
            sha256="",
            created_at=datetime(2026, 3, 1, tzinfo=UTC),
        )
        file.id = FileId(len(self.names) + 1)
        self.names[file.id] = name
        await self.blobs.put(file.disk_name, _once("\x0c".join(pages).encode()))
        return file

    async def indexed(self, name: str, *pages: str, owner: UserId | None = ANN) -> StoredFile:
        file = await self.file(name, *pages, owner=owner)
        await self.index.index(file)
        return file

    async def found(self, question: str, reader: UserId = ANN) -> list[tuple[str, int | None]]:
        return [(hit.filename, hit.page) for hit in await self.index.find(question, reader)]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_passage_is_found_with_page_and_cosine() -> None:
    world = World()
    file = await world.indexed("notes.pdf", NETWORK, GRADES, TRENCH)

    hits = await world.index.find("How much does the written test count for the grade?", ANN)

    assert (hits[0].filename, hits[0].page, hits[0].file_id) == ("notes.pdf", 2, file.id)
    assert hits[0].text == GRADES
    assert hits[0].similarity is not None
    assert hits[0].score == round(hits[0].similarity, 4)
    assert hits[0].nearness == ()  # lines are compared where they are judged


async def test_where_to_look_does_not_disturb_the_search() -> None:
    world = World()
    await world.indexed("notes.pdf", "The document file is a pdf and a document.", GRADES)

    assert (await world.found("According to the document, what does the written test count?"))[0][1] == 2


async def test_a_passage_is_known_by_its_files_name() -> None:
    world = World()
    await world.indexed("other.txt", "It needs light, they say.")
    await world.indexed("photosynthesis-notes.txt", "It needs light.")

    assert (await world.found("What are the needs of photosynthesis?"))[0][0] == "photosynthesis-notes.txt"


async def test_only_the_reader_and_everybody_find_it() -> None:
    world = World()
    await world.indexed("ann.txt", GRADES)
    await world.indexed("bob.txt", GRADES, owner=BOB)
    await world.indexed("all.txt", GRADES, owner=None)

    assert {name for name, _ in await world.found("written test", ANN)} == {"ann.txt", "all.txt"}
    assert {name for name, _ in await world.found("written test", BOB)} == {"bob.txt", "all.txt"}


async def test_no_more_than_asked_for() -> None:
    world = World()
    await world.indexed("notes.pdf", *(f"{GRADES} {n}" for n in range(9)))

    assert len(await world.index.find("written test", ANN)) == 5
    assert len(await world.index.find("written test", ANN, limit=2)) == 2


async def test_indexing_twice_leaves_one_copy() -> None:
    world = World()
    file = await world.indexed("notes.txt", GRADES)
    await world.index.index(file)

    assert len(await world.found("written test")) == 1


async def test_what_is_forgotten_is_not_found() -> None:
    world = World()
    file = await world.indexed("notes.pdf", GRADES, TRENCH)

    assert await world.index.forget(file) == Erased(chunks=2)
    assert await world.index.forget(file) == Erased()
    assert await world.found("written test") == []


@pytest.mark.parametrize("text", ["", " \n", "a\x00b"])
async def test_a_file_with_nothing_to_read_is_bad(text: str) -> None:
    world = World()
    file = await world.file("notes.txt", text)

    with pytest.raises(BadFile):
        await world.index.index(file)


async def test_a_file_whose_bytes_are_gone_is_bad() -> None:
    world = World()
    file = await world.file("notes.txt", GRADES)
    await world.blobs.erase(file.disk_name)

    with pytest.raises(BadFile):
        await world.index.index(file)


async def test_a_search_without_documents_finds_nothing() -> None:
    assert await World().found("anything") == []


async def test_it_can_be_asked() -> None:
    await World().index.check()


class TestHowFarItIs:
    async def test_is_told_from_the_first_page_to_the_last_passage(self) -> None:
        world = World()
        file = await world.file("notes.pdf", *[f"{GRADES} {TRENCH}"] * 20)
        heard: list[float] = []
        await world.index.index(file, lambda done, total: heard.append(done / total))

        assert heard == sorted(heard)
        assert heard[0] < READING / 100
        assert READING / 100 in heard  # all is read, nothing is embedded
        assert len([part for part in heard if part > READING / 100]) > 1  # portion by portion
        assert heard[-1] == 1

    async def test_who_is_cancelled_embeds_no_further(self) -> None:
        world = World()
        file = await world.file("notes.pdf", *[f"{GRADES} {TRENCH}"] * 100)
        embedder = world.index.embedder
        assert isinstance(embedder, FakeEmbedder)

        def stop(done: int, total: int) -> None:
            if embedder.texts:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await world.index.index(file, stop)
        assert embedder.texts == PORTION
        assert await world.found("written test") == []


async def test_a_document_may_have_only_so_many_passages() -> None:
    world = World()
    world.index = replace(world.index, most_passages=2)
    await world.indexed("short.pdf", GRADES, TRENCH)
    file = await world.file("long.pdf", GRADES, TRENCH, NETWORK)

    with pytest.raises(BadFile) as caught:
        await world.index.index(file)

    assert caught.value.msg == "Document has too much text (max 2 passages)"
    assert "long.pdf" not in {name for name, _ in await world.found("network grade trench")}
