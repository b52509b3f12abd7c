"""What every Embedder promises, asked of the fake and of the real model."""

import asyncio
import math
from collections.abc import Iterator
from struct import unpack

import pytest

from adapters.onnx.embedder import MiniLmEmbedder
from application.ports.passages import Embedder, Vector
from tests.fakes.embedder import FakeEmbedder

TEST = "The written test takes place on 18 June in lecture hall C."
WHALE = "A blue whale swallows four tonnes of krill a day."


@pytest.fixture(scope="module", params=["fake", "minilm"])
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    if request.param == "fake":
        yield FakeEmbedder()
        return
    real = MiniLmEmbedder()
    yield real
    real.close()


def cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    dot: float = sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True))
    return dot


async def test_nothing_gives_nothing(embedder: Embedder) -> None:
    assert await embedder.embed([]) == []


async def test_each_text_gets_a_vector_of_unit_length_in_order(embedder: Embedder) -> None:
    texts = [f"{WHALE} {n}" for n in range(40)]

    vectors = await embedder.embed(texts)

    assert len({len(vector) for vector in vectors}) == 1
    assert all(math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-4) for vector in vectors)
    alone = [(await embedder.embed([text]))[0] for text in (texts[0], texts[39])]
    assert cosine(alone[0], vectors[0]) > 0.99
    assert cosine(alone[1], vectors[39]) > 0.99


async def test_what_is_alike_is_near(embedder: Embedder) -> None:
    question, test, whale = await embedder.embed(["When is the written test?", TEST, WHALE])

    assert cosine(question, test) > cosine(question, whale) + 0.2


@pytest.mark.parametrize("text", ["", "   ", "文档资料", "\x00", "\ud800 lone", "🎓", "word " * 20_000])
async def test_any_text_has_a_vector(embedder: Embedder, text: str) -> None:
    (vector,) = await embedder.embed([text])

    assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-4)


async def test_many_callers_at_once_get_their_own(embedder: Embedder) -> None:
    answers = await asyncio.gather(*(embedder.embed([text]) for text in (TEST, WHALE) * 4))

    assert all(cosine(answers[0][0], answer[0]) > 0.99 for answer in answers[::2])
    assert cosine(answers[0][0], answers[1][0]) < 0.5


async def test_the_event_loop_goes_on(embedder: Embedder) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    texts = [f"{WHALE * 6} {n}" for n in range(24)]
    await embedder.embed(texts)
    ticking.cancel()

    assert isinstance(embedder, FakeEmbedder) or ticks >= 5
