import json

import pytest

from adapters.http.embeddings import EmbeddingService
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.errors import DomainError
from tests.free_port import free_port
from tests.servers.embeddings import MODEL, EmbeddingsServer
from tests.servers.http import Fault
from tests.transports import client_over


def answered(*vectors: object) -> bytes:
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return json.dumps({"data": data}).encode()


async def test_what_the_server_is_asked() -> None:
    async with EmbeddingsServer(api_key="sk") as server, client_over("lean") as client:
        embedder = EmbeddingService(client, f"{server.url}/v1/", MODEL, "sk", "query:", "passage:")

        await embedder.embed([f"text {n}" for n in range(40)], patient=True)
        await embedder.embed_question("Why?")

        asked = [request.json() for request in server.asked("/v1/embeddings")]
        assert [len(body["input"]) for body in asked[:2]] == [32, 8]
        assert asked[0]["model"] == MODEL
        assert asked[0]["input"][0] == "passage: text 0"
        assert asked[-1]["input"] == ["query: Why?"]


async def test_its_scale_is_measured_once() -> None:
    async with EmbeddingsServer(narrow=9.0) as server, client_over("lean") as client:
        embedder = EmbeddingService(client, f"{server.url}/v1", MODEL)
        await embedder.embed_question("Why?")
        asked = len(server.received)
        await embedder.embed_question("How?")

        assert len(server.received) == asked + 1
        assert 0.8 < embedder.scale.unrelated < embedder.scale.answer < 1


async def test_a_model_that_tells_nothing_apart_is_refused() -> None:
    async with EmbeddingsServer(narrow=10_000.0) as server, client_over("lean") as client:
        with pytest.raises(KnowledgeFailed):
            await EmbeddingService(client, f"{server.url}/v1", MODEL).embed_question("Why?")


def test_what_must_not_be_compared_has_different_names() -> None:
    client = client_over("lean")
    url = "http://127.0.0.1:1/v1"
    names = [
        EmbeddingService(client, url, name, text_prefix=prefix).model
        for name in ("bge-m3", "org/" + "long-" * 12 + "a", "org/" + "long-" * 12 + "b")
        for prefix in ("", "passage:")
    ]
    assert names[0] == "bge-m3"
    assert len(set(names)) == len(names)
    assert all(len(name) <= 40 for name in names)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        answered(),
        answered([1.0], [1.0]),
        answered([0.0, 0.0]),
        answered([]),
        answered(["a"]),
        answered(None),
        b'{"data":[{"index":0,"embedding":[NaN,1.0]}]}',
        b'{"data":[{"index":0,"embedding":[1e308,1e308]}]}',
        b'{"data":[{"index":3,"embedding":[1.0]}]}',
    ],
)
async def test_nonsense_is_a_bad_response(body: bytes) -> None:
    async with EmbeddingsServer() as server, client_over("lean") as client:
        server.faults["*"] = Fault(status=200, body=body)
        with pytest.raises(KnowledgeFailed) as caught:
            await EmbeddingService(client, f"{server.url}/v1", MODEL).embed(["text"])
        assert caught.value.msg == "RAG service error: bad response"


async def test_vectors_of_different_lengths_are_a_bad_response() -> None:
    async with EmbeddingsServer() as server, client_over("lean") as client:
        server.faults["*"] = Fault(status=200, body=answered([1.0], [1.0, 0.0]))
        with pytest.raises(KnowledgeFailed):
            await EmbeddingService(client, f"{server.url}/v1", MODEL).embed(["one", "two"])


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        (Fault(status=401), KnowledgeFailed),
        (Fault(status=500), KnowledgeFailed),
        (Fault(reset=True), KnowledgeFailed),
        (Fault(hang=True), KnowledgeTimeout),
    ],
)
async def test_each_failure_has_its_name(fault: Fault, refusal: type[DomainError]) -> None:
    async with EmbeddingsServer() as server, client_over("lean") as client:
        server.faults["*"] = fault
        within_s = 0.1 if fault.hang else 30.0
        embedder = EmbeddingService(client, f"{server.url}/v1", MODEL, question_s=within_s, batch_s=within_s)
        with pytest.raises(refusal):
            await embedder.embed(["text"], patient=True)
        with pytest.raises(refusal):
            await embedder.embed_question("Why?")


async def test_nobody_there_is_unreachable() -> None:
    async with client_over("lean") as client:
        with pytest.raises(KnowledgeUnreachable):
            await EmbeddingService(client, f"http://127.0.0.1:{free_port()}/v1", MODEL).embed(["text"])
