"""Several rankings made one: by meaning, by words, and by meaning among the documents at hand."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

MEANING = 1.0
WORDS = 0.5  # full text alone ranks paraphrases badly; at equal weight it would spoil the other ranking
REFERRED = 1.51  # the question seems to speak of these documents: they take turns with the best of the rest
AT_HAND = 0.1  # it was asked beside them: a head start of a few places
_SMOOTH = 60  # the usual constant of reciprocal rank fusion

T = TypeVar("T", bound=Hashable)


def fused(*rankings: tuple[Sequence[T], float]) -> list[T]:
    """Weighted reciprocal rank fusion: every item once, best first; ties stay in the rankings' order."""
    score: dict[T, float] = {}
    for ranking, weight in rankings:
        for rank, item in enumerate(dict.fromkeys(ranking)):
            score[item] = score.get(item, 0.0) + weight / (_SMOOTH + rank)
    return sorted(score, key=lambda item: -score[item])
