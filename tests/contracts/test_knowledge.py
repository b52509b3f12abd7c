"""What every Knowledge promises, asked of the fake and of the RAG service's adapter against a real one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest

from adapters.http.rag_service import RagService
from application.ports.knowledge import (
    Erased,
    Knowledge,
    KnowledgeFailed,
    KnowledgeTimeout,
    KnowledgeUnreachable,
)
from domain.document import BadFile, FileId, FileKind, StoredFile
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.blobs import FakeBlobs
from tests.fakes.knowledge import FakeKnowledge
from tests.servers.http import Fault
from tests.servers.proxy import TcpProxy
from tests.servers.rag_service import RagServiceServer
from tests.transports import TRANSPORTS, client_over

ANN, BOB = UserId(7), UserId(8)
LEAVES = "Leaves are green because chlorophyll reflects green light."
QUIZ = "The weekly quiz counts for twenty percent of the grade."


@dataclass
class Subject:
    knowledge: Knowledge
    write: Callable[[StoredFile, str], None]
    fail: Callable[[DomainError], None]
    go_away: Callable[[], AbstractAsyncContextManager[None]]
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def file(self, name: str, text: str | None, owner: UserId | None = ANN) -> StoredFile:
        """A file of the owner, or a public one."""
        id = next(self.ids)
        made = StoredFile(
            user_id=owner,
            public=owner is None,
            original_name=name,
            stored_name=name,
            disk_name=f"disk-{id}",
            kind=FileKind.DOCUMENT,
            mime="text/plain",
            size=len((text or "").encode()),
            sha256="",
            index_name=name,
            created_at=datetime(2026, 3, 1, tzinfo=UTC),
        )
        made.id = FileId(id)
        if text is not None:
            self.write(made, text)
        return made

    async def indexed(self, name: str, text: str, owner: UserId | None = ANN) -> StoredFile:
        file = self.file(name, text, owner)
        await self.knowledge.index(file)
        return file

    async def found(self, question: str, reader: UserId = ANN) -> list[str]:
        return [hit.filename for hit in await self.knowledge.find(question, reader)]


@asynccontextmanager
async def faked() -> AsyncIterator[Subject]:
    knowledge = FakeKnowledge()

    def write(file: StoredFile, text: str) -> None:
        knowledge.texts[file.id] = [text]

    def fail(error: DomainError) -> None:
        knowledge.refuse_with = error

    @asynccontextmanager
    async def go_away() -> AsyncIterator[None]:
        knowledge.refuse_with = KnowledgeUnreachable()
        yield

    yield Subject(knowledge, write, fail, go_away)


@asynccontextmanager
async def rag_service(transport: str) -> AsyncIterator[Subject]:
    blobs = FakeBlobs()
    async with (
        RagServiceServer() as server,
        TcpProxy(("127.0.0.1", server.port)) as proxy,
        client_over(transport) as client,
    ):

        def write(file: StoredFile, text: str) -> None:
            blobs.kept[file.disk_name] = text.encode()

        def fail(error: DomainError) -> None:
            server.faults["*"] = (
                Fault(hang=True) if isinstance(error, KnowledgeTimeout) else Fault(reset=True)
            )

        @asynccontextmanager
        async def go_away() -> AsyncIterator[None]:
            await proxy.refuse()
            yield

        url = f"http://127.0.0.1:{proxy.port}"
        knowledge = RagService(client, url, blobs, budget_s=0.3, upload_s=0.3, delete_s=0.3)
        yield Subject(knowledge, write, fail, go_away)


SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    "faked": faked,
    **{f"rag_service-{transport}": partial(rag_service, transport) for transport in TRANSPORTS},
}


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with SUBJECTS[request.param]() as made:
        yield made


async def test_where_nothing_is_nothing_is_found(subject: Subject) -> None:
    assert await subject.found("Why are leaves green?") == []


async def test_what_is_indexed_is_found_with_text_and_score(subject: Subject) -> None:
    await subject.indexed("leaves.txt", LEAVES)

    (hit,) = await subject.knowledge.find("Why are leaves green?", ANN)

    assert (hit.filename, hit.text) == ("leaves.txt", LEAVES)
    assert hit.score is not None
    assert hit.score > 0


async def test_the_best_passage_comes_first(subject: Subject) -> None:
    await subject.indexed("quiz.txt", QUIZ)
    await subject.indexed("leaves.txt", LEAVES)

    assert (await subject.found("Why are leaves green?"))[0] == "leaves.txt"
    assert (await subject.found("How much does the weekly quiz count?"))[0] == "quiz.txt"


async def test_nobody_finds_what_is_not_his(subject: Subject) -> None:
    await subject.indexed("leaves.txt", LEAVES, ANN)
    await subject.indexed("leaves.txt", LEAVES, BOB)
    await subject.indexed("bob.txt", LEAVES, BOB)

    assert await subject.found("leaves", ANN) == ["leaves.txt"]
    assert sorted(await subject.found("leaves", BOB)) == ["bob.txt", "leaves.txt"]
    assert await subject.found("leaves", UserId(9)) == []


async def test_public_documents_are_everybodys(subject: Subject) -> None:
    await subject.indexed("house.txt", LEAVES, None)

    assert await subject.found("leaves", ANN) == await subject.found("leaves", BOB) == ["house.txt"]


async def test_no_more_is_found_than_asked_for(subject: Subject) -> None:
    for n in range(4):
        await subject.indexed(f"{n}.txt", LEAVES)

    assert len(await subject.knowledge.find("leaves", ANN, limit=2)) == 2
    assert len(await subject.knowledge.find("leaves", ANN)) <= 5


async def test_indexing_twice_leaves_one_copy(subject: Subject) -> None:
    file = await subject.indexed("leaves.txt", LEAVES)
    await subject.knowledge.index(file)

    assert await subject.found("leaves") == ["leaves.txt"]


async def test_indexing_again_leaves_the_new_text_only(subject: Subject) -> None:
    file = await subject.indexed("leaves.txt", LEAVES)
    subject.write(file, QUIZ)
    file.size = len(QUIZ)

    await subject.knowledge.index(file)

    (hit,) = await subject.knowledge.find("Do leaves count for the grade?", ANN)
    assert hit.text == QUIZ


@pytest.mark.parametrize("name", ["文档.txt", "a b - c.txt", "été (1).txt", "🎓.txt", "a;b=c&d.txt"])
async def test_names_may_be_written_in_any_script(subject: Subject, name: str) -> None:
    file = await subject.indexed(name, LEAVES)

    assert await subject.found("leaves") == [name]
    await subject.knowledge.forget(file)
    assert await subject.found("leaves") == []


async def test_a_file_whose_bytes_are_gone_is_finally_bad(subject: Subject) -> None:
    with pytest.raises(BadFile):
        await subject.knowledge.index(subject.file("gone.txt", None))


async def test_what_is_forgotten_is_not_found(subject: Subject) -> None:
    file = await subject.indexed("leaves.txt", LEAVES)
    await subject.indexed("quiz.txt", QUIZ)
    await subject.indexed("leaves.txt", LEAVES, BOB)

    assert (await subject.knowledge.forget(file)).chunks == 1

    assert await subject.found("Do green leaves count for the grade?") == ["quiz.txt"]
    assert await subject.found("leaves", BOB) == ["leaves.txt"]


async def test_public_documents_can_be_forgotten(subject: Subject) -> None:
    file = await subject.indexed("house.txt", LEAVES, None)

    assert (await subject.knowledge.forget(file)).chunks == 1

    assert await subject.found("leaves") == []


async def test_forgetting_what_is_not_there_changes_nothing(subject: Subject) -> None:
    await subject.indexed("quiz.txt", QUIZ)

    assert await subject.knowledge.forget(subject.file("leaves.txt", LEAVES)) == Erased()

    assert await subject.found("quiz") == ["quiz.txt"]


async def test_it_can_be_asked(subject: Subject) -> None:
    await subject.knowledge.check()


async def test_nobody_there_is_unreachable(subject: Subject) -> None:
    file = subject.file("leaves.txt", LEAVES)
    async with subject.go_away():
        for call in (
            lambda: subject.knowledge.index(file),
            lambda: subject.knowledge.find("leaves", ANN),
            lambda: subject.knowledge.forget(file),
            subject.knowledge.check,
        ):
            with pytest.raises(KnowledgeUnreachable) as caught:
                await call()
            assert caught.value.msg == "RAG service error: unreachable"


@pytest.mark.parametrize(
    ("kind", "msg"),
    [
        (KnowledgeTimeout, "RAG service error: timeout"),
        (KnowledgeFailed, "RAG service error: bad response"),
    ],
)
async def test_each_failure_has_its_name(subject: Subject, kind: type[DomainError], msg: str) -> None:
    file = subject.file("leaves.txt", LEAVES)
    subject.fail(kind(msg))

    async with asyncio.timeout(2):
        for call in (
            lambda: subject.knowledge.index(file),
            lambda: subject.knowledge.find("leaves", ANN),
            lambda: subject.knowledge.forget(file),
        ):
            with pytest.raises(kind) as caught:
                await call()
            assert caught.value.msg == msg
