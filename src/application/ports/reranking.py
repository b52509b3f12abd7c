from collections.abc import Sequence
from typing import Protocol

from domain.errors import Unavailable


class RerankerUnavailable(Unavailable):
    """Away, too slow, or talking nonsense: the order stays as it is."""


class Reranker(Protocol):
    """A model that reads question and text together: slower than comparing vectors, and a better judge."""

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question, in the order of the texts; higher is better. Raises
        RerankerUnavailable, also when there is no answer within its budget."""
        ...
