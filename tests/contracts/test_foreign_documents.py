"""What every ForeignDocuments promises, asked of the fake and of the RAG service's adapter against a real
one."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from adapters.http.rag_service_documents import RagServiceDocuments
from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import Erased, KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.foreign_documents import FakeForeignDocuments
from tests.servers.http import Fault
from tests.servers.proxy import TcpProxy
from tests.servers.rag_service import Chunk, RagServiceServer
from tests.transports import TRANSPORTS, client_over

ANN, BOB = UserId(7), UserId(8)


@dataclass
class Subject:
    documents: ForeignDocuments
    hold: Callable[[str, UserId | None], None]
    fail: Callable[[DomainError], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def faked() -> AsyncIterator[Subject]:
    documents = FakeForeignDocuments()

    def hold(name: str, owner: UserId | None) -> None:
        documents.bases.setdefault(owner, {})[name] = 1

    @asynccontextmanager
    async def fail(error: DomainError) -> AsyncIterator[None]:
        documents.refuse_with = error
        yield

    yield Subject(documents, hold, fail)


@asynccontextmanager
async def rag_service(transport: str) -> AsyncIterator[Subject]:
    async with (
        RagServiceServer() as server,
        TcpProxy(("127.0.0.1", server.port)) as proxy,
        client_over(transport) as client,
    ):

        def hold(name: str, owner: UserId | None) -> None:
            server.bases.setdefault("" if owner is None else str(owner), []).append(Chunk("x", name, None))

        @asynccontextmanager
        async def fail(error: DomainError) -> AsyncIterator[None]:
            if isinstance(error, KnowledgeUnreachable):
                await proxy.refuse()
            hanging = isinstance(error, KnowledgeTimeout)
            server.faults["*"] = Fault(hang=True) if hanging else Fault(reset=True)
            yield

        yield Subject(RagServiceDocuments(client, f"http://127.0.0.1:{proxy.port}", within_s=0.3), hold, fail)


SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    "faked": faked,
    **{f"rag_service-{transport}": partial(rag_service, transport) for transport in TRANSPORTS},
}


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with SUBJECTS[request.param]() as made:
        yield made


async def test_nothing_is_held_at_first(subject: Subject) -> None:
    assert list(await subject.documents.users()) == list(await subject.documents.public_names()) == []


async def test_it_says_who_has_something_and_what_is_public(subject: Subject) -> None:
    subject.hold("a.pdf", ANN)
    subject.hold("b.pdf", BOB)
    subject.hold("house.pdf", None)
    assert sorted(await subject.documents.users()) == ["7", "8"]
    assert list(await subject.documents.public_names()) == ["house.pdf"]


async def test_what_is_forgotten_is_gone_from_that_base_alone(subject: Subject) -> None:
    for owner in (ANN, BOB, None):
        subject.hold("a.pdf", owner)
    assert (await subject.documents.forget("a.pdf", ANN)).chunks == 1
    assert await subject.documents.forget("a.pdf", ANN) == Erased()
    assert list(await subject.documents.users()) == ["8"]
    assert (await subject.documents.forget("a.pdf", None)).chunks == 1
    assert list(await subject.documents.public_names()) == []


@pytest.mark.parametrize(
    "error",
    [KnowledgeUnreachable(), KnowledgeTimeout(), KnowledgeFailed("RAG service error: bad response")],
    ids=lambda error: type(error).__name__,
)
async def test_each_failure_has_its_name(subject: Subject, error: DomainError) -> None:
    documents = subject.documents
    async with subject.fail(error):
        for call in (documents.users, documents.public_names, partial(documents.forget, "a.pdf", ANN)):
            with pytest.raises(type(error)):
                await call()
