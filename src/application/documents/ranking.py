"""Two rankings made one: by meaning and by words."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

MEANING = 1.0
WORDS = 0.5  # full text alone ranks paraphrases badly; at equal weight it would spoil the other ranking
_SMOOTH = 60  # the usual constant of reciprocal rank fusion

T = TypeVar("T", bound=Hashable)


def fused(by_meaning: Sequence[T], by_words: Sequence[T]) -> list[T]:
    """Weighted reciprocal rank fusion: every item once, best first; ties stay in the order of meaning."""
    score: dict[T, float] = {}
    for ranking, weight in ((by_meaning, MEANING), (by_words, WORDS)):
        for rank, item in enumerate(dict.fromkeys(ranking)):
            score[item] = score.get(item, 0.0) + weight / (_SMOOTH + rank)
    return sorted(score, key=lambda item: -score[item])
