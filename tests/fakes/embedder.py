"""An embedder that knows no meaning, only words: texts that share words are near each other."""

import asyncio
import math
from collections.abc import Sequence
from struct import pack
from zlib import crc32

from typing_extensions import override

from application.ports.passages import Embedder, Scale, Vector
from domain.errors import DomainError
from domain.words import is_latin, search_words

DIMENSIONS = 256
PLAIN = Scale()


class FakeEmbedder(Embedder):
    def __init__(self, model: str = "words-256", scale: Scale = PLAIN) -> None:
        self.model = model
        self.scale = scale
        self.texts = 0  # how many were embedded so far
        self.refuse_with: DomainError | None = None
        self.delay = 0.0
        self.latin_only = False

    @override
    def reads(self, text: str) -> bool:
        return is_latin(text) or not self.latin_only

    @override
    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.texts += len(texts)
        await asyncio.sleep(self.delay)
        return [_vector(text) for text in texts]

    @override
    async def embed_question(self, text: str) -> Vector:
        (vector,) = await self.embed([text])
        return vector


def _vector(text: str) -> Vector:
    sums = [0.0] * DIMENSIONS
    for word in search_words(text):
        stem = word[:5] if len(word) > 5 else word.removesuffix("s")
        sums[crc32(stem.encode("utf-8", "replace")) % DIMENSIONS] += 1.0
    if not any(sums):
        sums[0] = 1.0
    length = math.sqrt(sum(value * value for value in sums))
    return Vector(pack(f"<{DIMENSIONS}f", *(value / length for value in sums)))
