from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from domain.conversation import SessionId
from domain.document import FileId, Passage
from domain.user import UserId

Vector = NewType("Vector", bytes)  # float32, little endian, unit length


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its file's original name and how well it fits (higher is better)."""

    passage: Passage
    filename: str
    score: float


@dataclass(frozen=True, slots=True)
class Findable:
    """A file whose passages a reader may find, by its original name."""

    id: FileId
    name: str
    session: SessionId | None = None  # to which it was brought


class Passages(Protocol):
    """The passages of our own index. Every query is bounded to what the reader may see, in the store itself;
    passages of deleted files are never found. `within`: of these files alone."""

    async def replace(self, file: FileId, passages: Sequence[tuple[Passage, Vector]], model: str) -> None:
        """Make these the file's passages, all at once; the former ones are gone."""
        ...

    async def nearest(
        self,
        reader: UserId,
        vector: Vector,
        model: str,
        limit: int,
        within: Collection[FileId] | None = None,
    ) -> list[Found]:
        """By meaning: `score` is the cosine to the vector, best first. Vectors of other models (or of another
        length) are left out."""
        ...

    async def matching(
        self, reader: UserId, words: Sequence[str], limit: int, within: Collection[FileId] | None = None
    ) -> list[Found]:
        """By words (any of them): `score` is a full-text rank, best first."""
        ...

    async def files(self, reader: UserId) -> list[Findable]:
        """The indexed documents the reader may see, newest first; at most a thousand or so."""
        ...

    async def outdated(self, model: str, limit: int) -> list[FileId]:
        """Indexed documents, of anybody, with vectors of another model than this."""
        ...

    async def erase(self, file: FileId) -> int:
        """Remove the file's passages; how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """How a model's cosines are to be understood: what a question usually has in common with a text that has
    nothing to do with it, and what with its answer."""

    unrelated: float = 0.0
    answer: float = 0.7

    def likeness(self, cosine: float) -> float:
        """About 0 for what is unrelated and 0.7 for an answer, whatever the model; at most 1."""
        return min(1.0, 0.7 * (cosine - self.unrelated) / (self.answer - self.unrelated))


class Embedder(Protocol):
    """Turns texts into vectors whose cosine tells how alike they are in meaning. Never blocks the event loop.
    Raises KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed when it is a server."""

    model: str  # stored beside each vector: vectors of different models are never compared
    scale: Scale

    def reads(self, text: str) -> bool:
        """Whether the model knows its language: vectors of other texts tell nothing."""
        return True

    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        """One vector a text, in order; long texts are cut by the model. Who is patient lets the others go
        first: somebody waits for them."""
        ...

    async def embed_question(self, text: str) -> Vector:
        """A question as a vector, near those of the texts that answer it."""
        ...
