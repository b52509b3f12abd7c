"""An embedder that knows no meaning, only words: texts that share words are near each other."""

import math
from collections.abc import Sequence
from struct import pack
from zlib import crc32

from typing_extensions import override

from application.ports.passages import Embedder, Vector
from domain.words import search_words

DIMENSIONS = 256


class FakeEmbedder(Embedder):
    model = "words-256"

    def __init__(self) -> None:
        self.texts = 0  # how many were embedded so far

    @override
    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.texts += len(texts)
        return [_vector(text) for text in texts]


def _vector(text: str) -> Vector:
    sums = [0.0] * DIMENSIONS
    for word in search_words(text):
        stem = word[:5] if len(word) > 5 else word.removesuffix("s")
        sums[crc32(stem.encode("utf-8", "replace")) % DIMENSIONS] += 1.0
    if not any(sums):
        sums[0] = 1.0
    length = math.sqrt(sum(value * value for value in sums))
    return Vector(pack(f"<{DIMENSIONS}f", *(value / length for value in sums)))
