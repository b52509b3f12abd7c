"""A judge that goes by the words a text shares with the question, and by their order alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.reranking import Reranker, RerankerUnavailable
from domain.words import search_words, words


@dataclass(eq=False)
class FakeReranker(Reranker):
    away: bool = False
    asked: list[str] = field(default_factory=list)

    @override
    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append(question)
        if self.away:
            raise RerankerUnavailable
        return [_share(question, text) for text in texts]


def _share(question: str, text: str) -> float:
    wanted, there = search_words(question), set(words(text))
    return sum(word in there for word in wanted) / max(1, len(wanted))
