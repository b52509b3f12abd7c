"""Our own index: passages and vectors in the database, embeddings from a small model beside it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from application.documents.chunking import pieces
from application.documents.nearness import lines_near
from application.documents.question import bare
from application.documents.ranking import fused
from application.ports.blobs import BlobNotFound, Blobs
from application.ports.extraction import Extractor
from application.ports.knowledge import Erased, Knowledge
from application.ports.passages import Embedder, Found, Passages
from domain.document import BadFile, FileId, Hit, Passage, StoredFile
from domain.user import UserId
from domain.words import search_words

CANDIDATES = 20  # of each ranking

Key = tuple[FileId, int]


@dataclass(frozen=True, slots=True)
class OwnIndex(Knowledge):
    """Searches by meaning and by words, and says of every line it found how near it is to the question."""

    passages: Passages
    embedder: Embedder
    extractor: Extractor
    blobs: Blobs
    own: bool = True

    @override
    async def index(self, file: StoredFile) -> None:
        try:
            async with self.blobs.local(file.disk_name) as path:
                pages = await self.extractor.pages(path, file.extension)
        except BlobNotFound as error:
            raise BadFile("Document cannot be read") from error
        found = await asyncio.to_thread(pieces, pages)
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
        vectors = await self.embedder.embed([_to_embed(passage) for passage in passages])
        await self.passages.replace(file.id, list(zip(passages, vectors, strict=True)), self.embedder.model)

    @override
    async def find(self, question: str, reader: UserId, limit: int = 5) -> Sequence[Hit]:
        asked = bare(question)
        (vector,) = await self.embedder.embed([asked])
        near = await self.passages.nearest(reader, vector, self.embedder.model, CANDIDATES)
        by_words = await self.passages.matching(reader, search_words(asked), CANDIDATES)
        found = {_key(one): one for one in (*by_words, *near)}
        cosine = {_key(one): one.score for one in near}
        order = fused([_key(one) for one in near], [_key(one) for one in by_words])
        hits = [_hit(found[key], cosine.get(key)) for key in order[:limit]]
        return await lines_near(self.embedder, vector, hits)

    @override
    async def forget(self, file: StoredFile) -> Erased:
        return Erased(chunks=await self.passages.erase(file.id))

    @override
    async def public_names(self) -> Sequence[str]:
        return []

    @override
    async def check(self) -> None:
        await self.embedder.embed(["ready?"])


def _to_embed(passage: Passage) -> str:
    # The heading often names what the sentences below only call "it".
    known = not passage.heading or passage.heading in passage.text
    return passage.text if known else f"{passage.heading}\n{passage.text}"


def _key(found: Found) -> Key:
    return found.passage.file_id, found.passage.ordinal


def _hit(found: Found, cosine: float | None) -> Hit:
    return Hit(
        filename=found.filename,
        page=found.passage.page,
        text=found.passage.text,
        score=None if cosine is None else round(max(0.0, min(1.0, cosine)), 4),
        similarity=cosine,
        file_id=found.passage.file_id,
    )
