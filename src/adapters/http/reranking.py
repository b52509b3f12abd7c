import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, translated
from application.ports.reranking import Reranker, RerankerUnavailable
from domain.text import storable


class _Score(Struct):
    """`relevance_score` says Cohere's protocol, `score` says TEI's."""

    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Scores(Struct):
    results: list[_Score]


@dataclass(frozen=True, slots=True)
class RerankService(Reranker):
    """A server with a reranking model. With a `model` the protocol is that of Cohere, Jina, vLLM, llama.cpp;
    without one that of TEI, which serves one model only."""

    client: httpx.AsyncClient
    url: str
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    budget_s: float = 1.0

    @override
    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        query, documents = storable(question), [storable(text) for text in texts]
        body: dict[str, object] = (
            {"model": self.model, "query": query, "documents": documents, "top_n": len(documents)}
            if self.model
            else {"query": query, "texts": documents, "truncate": True}
        )
        request = self.client.build_request(
            "POST",
            self.url,
            json=body,
            headers={"authorization": f"Bearer {self.api_key}"} if self.api_key else None,
            timeout=patience(self.client, self.budget_s),
        )
        with translated(
            unreachable=RerankerUnavailable, timeout=RerankerUnavailable, failed=RerankerUnavailable
        ):
            status, answer = await whole(self.client, request, within_s=self.budget_s)
            if status != 200:
                raise BadAnswer(f"rerank {status}")
            given = decoded(answer, _Scores).results if self.model else decoded(answer, list[_Score])
            return _in_order(given, len(documents))


def _in_order(given: Sequence[_Score], count: int) -> list[float]:
    scores = {
        one.index: one.relevance_score if one.relevance_score is not None else one.score for one in given
    }
    found = [score for n in range(count) if (score := scores.get(n)) is not None and math.isfinite(score)]
    if len(found) != count:
        raise BadAnswer("not one score for each text")
    return found
