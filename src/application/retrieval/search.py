"""How our own index is searched: by meaning and by words, first in the documents that the question means."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.passages import Embedder, Found, Passages, Vector
from application.ports.reranking import Reranker, RerankerUnavailable
from application.retrieval.naming import meant, spoken
from application.retrieval.question import bare
from application.retrieval.ranking import MEANING, WORDS, fused
from domain.conversation import SessionId
from domain.document import FileId, Hit, Passage
from domain.errors import DomainError
from domain.user import UserId
from domain.words import search_words

log = logging.getLogger(__name__)

CANDIDATES = 20  # of each ranking

Key = tuple[FileId, int]


@dataclass(frozen=True, slots=True)
class Search:
    """The best passages a reader may see. Where no vectors can be had, or tell nothing in the question's
    language, words alone decide; where a reranker is away, its place stays empty."""

    passages: Passages
    embedder: Embedder
    reranker: Reranker | None = None

    async def __call__(
        self, question: str, reader: UserId, limit: int, session: SessionId | None = None
    ) -> list[Hit]:
        asked, model = bare(question), self.embedder.model
        words = search_words(asked)
        mean = meant(question, session, await self.passages.files(reader))
        by_words = await self.passages.matching(reader, words, CANDIDATES, mean.only)
        vector = await self._vector(asked)
        near: Sequence[Found] = ()
        first: Sequence[Found] = ()
        if vector is not None:
            near = await self.passages.nearest(reader, vector, model, CANDIDATES, mean.only)
        if mean.first and vector is not None:
            first = await self.passages.nearest(reader, vector, model, CANDIDATES, mean.first)
        elif mean.first:
            first = await self.passages.matching(reader, words, CANDIDATES, mean.first)
        candidates = _fused((near, MEANING), (by_words, WORDS), (first, mean.weight))[:CANDIDATES]
        best = (await self._reranked(asked, candidates))[:limit]
        cosines = {_key(one): one.score for one in (*near, *first)} if vector is not None else {}
        return [self._hit(one, cosines.get(_key(one))) for one in best]

    async def _vector(self, asked: str) -> Vector | None:
        """None where the model is away, or does not know the language."""
        if not self.embedder.reads(asked):
            return None
        try:
            return await self.embedder.embed_question(asked)
        except DomainError as error:
            log.warning("searched by words alone", extra={"cause": type(error).__name__})
            return None

    async def _reranked(self, asked: str, found: list[Found]) -> list[Found]:
        if self.reranker is None or len(found) < 2:
            return found
        try:
            texts = [in_context(one.passage, one.filename) for one in found]
            scores = await self.reranker.scores(asked, texts)
        except RerankerUnavailable:
            log.warning("not reranked")
            return found
        better = sorted(range(len(found)), key=lambda n: -scores[n])
        return [found[n] for n in better]

    def _hit(self, found: Found, cosine: float | None) -> Hit:
        near = None if cosine is None else self.embedder.scale.likeness(cosine)
        return Hit(
            filename=found.filename,
            page=found.passage.page,
            text=found.passage.text,
            score=None if near is None else round(max(0.0, near), 4),
            similarity=near,
            file_id=found.passage.file_id,
        )


def in_context(passage: Passage, filename: str) -> str:
    """What a model is given of a passage: the names of file and section often say what the sentences only
    call "it"."""
    heading = passage.heading if passage.heading not in passage.text else ""
    return "\n".join(filter(None, (spoken(filename.rpartition(".")[0]), heading, passage.text)))


def _fused(*rankings: tuple[Sequence[Found], float]) -> list[Found]:
    found = {_key(one): one for ranking, _ in rankings for one in ranking}
    order = fused(*(([_key(one) for one in ranking], weight) for ranking, weight in rankings))
    return [found[key] for key in order]


def _key(found: Found) -> Key:
    return found.passage.file_id, found.passage.ordinal
