from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.ranking import AT_HAND, MEANING, REFERRED, WORDS, fused

RANKING = st.lists(st.integers(0, 30), unique=True, max_size=20)


def both(by_meaning: list[int], by_words: list[int]) -> list[int]:
    return fused((by_meaning, MEANING), (by_words, WORDS))


@given(RANKING, RANKING, RANKING)
def test_everything_comes_once(by_meaning: list[int], by_words: list[int], at_hand: list[int]) -> None:
    order = fused((by_meaning, MEANING), (by_words, WORDS), (at_hand, AT_HAND))
    assert sorted(order) == sorted({*by_meaning, *by_words, *at_hand})


@given(RANKING)
def test_a_lone_ranking_stays_as_it_is(ranking: list[int]) -> None:
    assert both(ranking, []) == both([], ranking) == both(ranking, ranking) == ranking


def test_meaning_weighs_more_than_words() -> None:
    assert both([1, 2], [2, 1])[0] == 1
    assert both([1], [2]) == [1, 2]


def test_words_lift_what_meaning_ranks_nearly_first() -> None:
    assert both([1, 2, 3], [2]) == [2, 1, 3]


def test_an_item_counts_once_a_ranking() -> None:
    assert both([1, 2, 2, 2], []) == [1, 2]


def test_what_is_at_hand_has_a_head_start_of_a_few_places() -> None:
    by_meaning = list(range(20))
    assert fused((by_meaning, MEANING), ([4], AT_HAND))[0] == 4
    assert fused((by_meaning, MEANING), ([12], AT_HAND))[0] == 0


def test_what_is_referred_to_takes_turns_with_the_rest_and_begins() -> None:
    rest, referred = [1, 2, 3], [90, 91, 92]
    order = fused((rest, MEANING), (rest, WORDS), (referred, REFERRED))
    assert order == [90, 1, 91, 2, 92, 3]
