from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from domain.document import FileId, Passage
from domain.user import UserId

Vector = NewType("Vector", bytes)  # float32, little endian, unit length


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its file's original name and how well it fits (higher is better)."""

    passage: Passage
    filename: str
    score: float


class Passages(Protocol):
    """The passages of our own index. Every query is bounded to what the reader may see, in the store itself;
    passages of deleted files are never found."""

    async def replace(self, file: FileId, passages: Sequence[tuple[Passage, Vector]], model: str) -> None:
        """Make these the file's passages, all at once; the former ones are gone."""
        ...

    async def nearest(self, reader: UserId, vector: Vector, model: str, limit: int) -> list[Found]:
        """By meaning: `score` is the cosine to the vector, best first."""
        ...

    async def matching(self, reader: UserId, words: Sequence[str], limit: int) -> list[Found]:
        """By words (any of them): `score` is a full-text rank, best first."""
        ...

    async def erase(self, file: FileId) -> int:
        """Remove the file's passages; how many there were."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose cosine tells how alike they are in meaning."""

    model: str  # stored beside each vector: vectors of different models are never compared

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, in order; long texts are cut by the model. Never blocks the event loop."""
        ...
