from hypothesis import given
from hypothesis import strategies as st

from application.documents.ranking import fused

RANKING = st.lists(st.integers(0, 30), unique=True, max_size=20)


@given(RANKING, RANKING)
def test_everything_comes_once(by_meaning: list[int], by_words: list[int]) -> None:
    assert sorted(fused(by_meaning, by_words)) == sorted(set(by_meaning) | set(by_words))


@given(RANKING)
def test_a_lone_ranking_stays_as_it_is(ranking: list[int]) -> None:
    assert fused(ranking, []) == fused([], ranking) == fused(ranking, ranking) == ranking


def test_meaning_weighs_more_than_words() -> None:
    assert fused(["a", "b"], ["b", "a"])[0] == "a"
    assert fused(["a"], ["b"]) == ["a", "b"]


def test_words_lift_what_meaning_ranks_nearly_first() -> None:
    assert fused(["a", "b", "c"], ["b"]) == ["b", "a", "c"]


def test_an_item_counts_once_a_ranking() -> None:
    assert fused(["a", "b", "b", "b"], []) == ["a", "b"]
