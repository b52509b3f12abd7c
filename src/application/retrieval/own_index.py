"""Our own index: passages and vectors in the database, embeddings from a small model beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from typing_extensions import override

from application.ports.blobs import BlobNotFound, Blobs
from application.ports.extraction import Extractor, Piece
from application.ports.knowledge import Erased, IndexReport, Knowledge
from application.ports.passages import Embedder, Passages, Vector
from application.ports.progress import Progress, untold
from application.ports.reranking import Reranker
from application.retrieval.search import Search, in_context
from domain.conversation import SessionId
from domain.document import BadFile, Hit, Passage, StoredFile
from domain.user import UserId

PORTION = 16  # passages that are embedded at a time
READING = 10  # per cent of the work: nearly all the time is spent on the vectors


@dataclass(frozen=True, slots=True)
class OwnIndex(Knowledge):
    """Searches by meaning and by words."""

    passages: Passages
    embedder: Embedder
    extractor: Extractor
    blobs: Blobs
    reranker: Reranker | None = None
    most_passages: int = 10_000
    own: bool = True

    @override
    async def index(self, file: StoredFile, told: Progress = untold) -> IndexReport:
        found = await self._read(file, lambda done, total: told(READING * done, 100 * total))
        if len(found) > self.most_passages:
            raise BadFile(f"Document has too much text (max {self.most_passages} passages)")
        passages = [
            Passage(
                file_id=file.id,
                owner=None if file.public else file.user_id,
                ordinal=ordinal,
                page=piece.page,
                start=piece.start,
                end=piece.end,
                heading=piece.heading,
                text=piece.text,
            )
            for ordinal, piece in enumerate(found)
        ]
        vectors: list[Vector] = []
        for portion in _portions(passages, PORTION):
            texts = [in_context(passage, file.original_name) for passage in portion]
            vectors += await self.embedder.embed(texts, patient=True)
            told(READING * len(passages) + (100 - READING) * len(vectors), 100 * len(passages))
        await self.passages.replace(file.id, list(zip(passages, vectors, strict=True)), self.embedder.model)
        last_page = max((piece.page or 0 for piece in found), default=0)
        return IndexReport(chunk_embs_num=len(passages), page_count=last_page or None)

    async def _read(self, file: StoredFile, told: Progress) -> list[Piece]:
        try:
            async with self.blobs.local(file.disk_name) as path:
                return await self.extractor.pieces(path, file.extension, told)
        except BlobNotFound as error:
            raise BadFile("Document cannot be read") from error

    @override
    async def find(
        self, question: str, reader: UserId, limit: int = 5, session: SessionId | None = None
    ) -> Sequence[Hit]:
        return await Search(self.passages, self.embedder, self.reranker)(question, reader, limit, session)

    @override
    async def forget(self, file: StoredFile) -> Erased:
        return Erased(chunks=await self.passages.erase(file.id))

    @override
    async def check(self) -> None:
        await self.embedder.embed_question("ready?")


def _portions(passages: Sequence[Passage], size: int) -> Iterator[Sequence[Passage]]:
    return (passages[start : start + size] for start in range(0, len(passages), size))
