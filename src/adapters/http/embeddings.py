import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import mean
from sys import byteorder
from zlib import crc32

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer
from adapters.http.knowledge_errors import knowledge_errors
from application.ports.knowledge import KnowledgeFailed
from application.ports.passages import Embedder, Scale, Vector
from domain.text import storable

BATCH = 32
ANSWER_MAX = 16 * 1024 * 1024  # a batch of vectors with thousands of dimensions
LEAST_DIFFERENCE = 0.02  # a model that sees less than this between right and wrong answers finds nothing
LABEL_MAX = 40  # what the database keeps of a model's name
# What is measured with a model before its first question: how near answers are, and how near all the rest.
SAMPLE = (
    ("When does the harbour close?", "The harbour closes at nine in the evening."),
    ("How often should dough rise?", "Yeast dough should rise twice before it is baked."),
    ("What is a prime number?", "A prime number has exactly two divisors."),
    ("Which stamps did she collect?", "She collected stamps from Peru."),
    ("Who pays the tax on bicycles?", "The tax on bicycles is paid by the shops that sell them."),
    ("How do glaciers shape valleys?", "Glaciers carve valleys in the shape of a U."),
)


class _Item(Struct):
    index: int
    embedding: list[float]


class _Embeddings(Struct):
    data: list[_Item]


@dataclass(slots=True)
class EmbeddingService(Embedder):
    """Any server of OpenAI's embeddings: TEI, vLLM, llama.cpp, Ollama … `base_url` ends in `/v1`. Some models
    want a prefix before a question and before a text."""

    client: httpx.AsyncClient
    base_url: str
    name: str
    api_key: str | None = field(default=None, repr=False)
    question_prefix: str = ""
    text_prefix: str = ""
    question_s: float = 2.0
    batch_s: float = 60.0
    model: str = field(init=False)
    scale: Scale = field(default=Scale(), init=False)  # is measured before the first question
    _measured: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.model = _label(self.name, self.text_prefix)

    @override
    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            batch = [_joined(self.text_prefix, text) for text in texts[start : start + BATCH]]
            vectors += await self._asked(batch, self.batch_s if patient else self.question_s)
        return vectors

    @override
    async def embed_question(self, text: str) -> Vector:
        if not self._measured:
            self.scale, self._measured = await self._measure(), True
        (vector,) = await self._asked([_joined(self.question_prefix, text)], self.question_s)
        return vector

    async def _measure(self) -> Scale:
        questions = [_joined(self.question_prefix, question) for question, _ in SAMPLE]
        asked = await self._asked(questions, self.question_s)
        answers = await self.embed([answer for _, answer in SAMPLE])
        right = mean(_cosine(*pair) for pair in zip(asked, answers, strict=True))
        wrong = mean(_cosine(one, other) for one, other in product(asked, answers))
        # the right ones are among all: `unrelated` is a little less than their mean
        unrelated = (wrong * len(SAMPLE) - right) / (len(SAMPLE) - 1)
        if right - unrelated < LEAST_DIFFERENCE:
            raise KnowledgeFailed("RAG service error: bad response")
        return Scale(unrelated, right)

    async def _asked(self, texts: Sequence[str], within_s: float) -> list[Vector]:
        request = self.client.build_request(
            "POST",
            f"{self.base_url.rstrip('/')}/embeddings",
            json={"model": self.name, "input": texts, "encoding_format": "float"},
            headers={"authorization": f"Bearer {self.api_key}"} if self.api_key else None,
            timeout=patience(self.client, within_s),
        )
        with knowledge_errors():
            status, body = await whole(self.client, request, within_s=within_s, limit=ANSWER_MAX)
            if status != 200:
                raise BadAnswer(f"embeddings {status}")
            given = sorted(decoded(body, _Embeddings).data, key=lambda item: item.index)
            if [item.index for item in given] != list(range(len(texts))):
                raise BadAnswer("not one vector for each text")
            if len({len(item.embedding) for item in given}) > 1:
                raise BadAnswer("vectors of different lengths")
            return [_unit(item.embedding) for item in given]


def _label(name: str, text_prefix: str) -> str:
    """What tells vectors apart that must not be compared: by the model, and by what it was given."""
    if not text_prefix and len(name) <= LABEL_MAX:
        return name
    mark = f"{crc32(repr((name, text_prefix)).encode()):08x}"
    return f"{name[: LABEL_MAX - len(mark) - 1]}-{mark}"


def _joined(prefix: str, text: str) -> str:
    # no server embeds an empty text
    return storable(f"{prefix} {text}".strip()) or "."


def _unit(values: Sequence[float]) -> Vector:
    length = math.sqrt(sum(value * value for value in values))
    if not math.isfinite(length) or length == 0:
        raise BadAnswer("no direction")
    found = array("f", (value / length for value in values))
    if byteorder == "big":
        found.byteswap()
    return Vector(found.tobytes())


def _cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(array("f", one), array("f", other), strict=True))
